"""How long a start takes: until a C-ECHO is answered and until all is ready, beside Orthanc; and what commands cost.

A command's seconds are those of the processor, children included: what they take by the clock depends on whoever else
is at work.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks import machine, table
from config.settings import Destination
from dicom_node.scu.store import echo
from domain.errors import Retryable
from tests.support.counterparts import ROOT
from tests.support.node import PROGRAM, Node
from tests.support.processes import wait_for
from tests.support.servers import Orthanc

_LONGEST = 180.0  # s
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "dicom-node --help": (*PROGRAM, "--help"),
    "dicom-node status": (*PROGRAM, "status"),
}


def run(arguments: Sequence[str]) -> None:
    """Run it; `--rounds N` for other medians than of three, `--quick` for one round that is not kept."""
    options = _options(arguments)
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="dicom-node-start-") as name:
        folder = Path(name)
        starts = [_round(folder / str(number)) for number in range(rounds)]
        with Node(folder / "0" / "node", models=folder / "0" / "models") as node:
            commands = {name: _processor_seconds(words, node.data) for name, words in _COMMANDS.items()}
        text = f"{machine.describe(folder)}.\n\n{_starts(starts)}\n\n{_costs(commands)}"
    print(f"\n{text}")
    if not options.quick:
        table.keep("Start", text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks start", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="one round; the results are not kept")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts")
    return parser.parse_args(arguments)


def _round(folder: Path) -> Mapping[str, float]:
    """Seconds by what was waited for. The first start of a data folder makes its database."""
    folder.mkdir(parents=True)
    print(f"round in {folder}", flush=True)
    data, empty, seconds = folder / "node", folder / "models", {}
    empty.mkdir()
    for which in ("first start", "restart"):
        node = Node(data, models=empty)
        begun = time.monotonic()
        node.begin()
        try:
            _await_echo(node.aet, node.port)
            seconds[f"{which}: C-ECHO answered"] = time.monotonic() - begun
            node.wait_ready(timeout=_LONGEST)
            seconds[f"{which}: all ready"] = time.monotonic() - begun
        finally:
            node.terminate()
    (folder / "orthanc").mkdir()
    archive = Orthanc(folder / "orthanc")
    begun = time.monotonic()
    with archive:
        _await_echo(archive.aet, archive.dicom_port)
        seconds["Orthanc: C-ECHO answered"] = time.monotonic() - begun
    return seconds


def _await_echo(aet: str, port: int) -> None:
    destination = Destination(name=aet, aet=aet, host="127.0.0.1", port=port)

    def answered() -> bool:
        with suppress(Retryable):
            return echo(destination, "BENCHMARK", timeout=1).status == 0
        return False

    wait_for(answered, _LONGEST, f"{aet} to answer", interval=0.02)


def _processor_seconds(words: Sequence[str], data: Path) -> float:
    """The median of five, after one that warms the disk's cache."""
    env = {**os.environ, "DICOM_NODE_DATA": str(data)}

    def once() -> float:
        before = _used()
        subprocess.run(words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=True)
        return _used() - before

    once()
    return statistics.median(once() for _ in range(5))


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _starts(rounds: Sequence[Mapping[str, float]]) -> str:
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    return _ratios(("until", "seconds", "ratio to Orthanc"), medians, "Orthanc: C-ECHO answered")


def _costs(commands: Mapping[str, float]) -> str:
    return _ratios(("command", "processor", "ratio to Python alone"), commands, "python -c pass")


def _ratios(heads: Sequence[str], values: Mapping[str, float], peer: str) -> str:
    show: Callable[[float], str] = table.seconds
    return table.table(heads, [(name, show(value), f"{value / values[peer]:.1f}") for name, value in values.items()])
