"""How long a start takes: until a C-ECHO is answered and until all is ready, beside Orthanc; and what commands cost.

Seconds of the processor are those of every process that takes part, children included: what a start or a command takes
by the clock depends on whoever else is at work. `--earlier FOLDER` measures another checkout of this project in turn.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks import machine, table
from config.peers import Destination
from dicom_node.scu.store import echo
from domain.errors import Retryable
from tests.support.counterparts import ROOT
from tests.support.node import PROGRAM, Node
from tests.support.processes import children, postmasters, tagged, wait_for
from tests.support.servers import Orthanc

_LONGEST = 180.0  # s
_TICKS = os.sysconf("SC_CLK_TCK")
_SAID = """From the start of `dicom-node up` with a PostgreSQL of its own: medians of {rounds} round(s) in which the
sides take turns. A first start makes the database. "Processor" holds every process of the node until all is ready,
PostgreSQL's too; it does not hold what other work on the machine took, which seconds by the clock do."""
_MEMORY_SAID = """Memory when all is ready and nothing has come yet, no model among it: proportional shares (PSS,
proc_pid_smaps(5)), for the roles are forks of one process and share most of what each shows as resident."""
_COMMANDS_SAID = "Seconds of the processor of a command, the median of five, beside a node that runs."

Measured = dict[str, float]
Sides = Mapping[str, Sequence[str]]


def run(arguments: Sequence[str]) -> None:
    """Run it; `--rounds N` for other medians than of three, `--quick` for one round that is not kept."""
    options = _options(arguments)
    rounds = 1 if options.quick else options.rounds
    sides: Sides = {"node": PROGRAM, **(_of(options.earlier) if options.earlier else {})}
    with tempfile.TemporaryDirectory(prefix="dicom-node-start-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        starts = [_round(folder / str(number), sides) for number in range(rounds)]
        with Node(folder / "0" / "node", models=folder / "0" / "models", impressions=True) as node:
            memory = _memory(node.data)
            commands = _commands(sides, node.data)
        text = "\n\n".join(
            [
                f"{machine.describe(folder)}.",
                f"{_SAID.format(rounds=rounds)}\n\n{_table('until', starts)}",
                f"{_MEMORY_SAID}\n\n{table.table(('process', 'memory'), memory)}",
                f"{_COMMANDS_SAID}\n\n{_table('command', commands)}",
            ]
        )
    print(f"\n{text}")
    if not options.quick:
        table.keep("Start", text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks start", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="one round; the results are not kept")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--earlier", type=Path, help="another checkout, which has an environment of its own")
    return parser.parse_args(arguments)


def _of(checkout: Path) -> Sides:
    commit = machine.first_line(["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"])
    return {f"earlier ({commit})": (str(checkout.absolute() / ".venv" / "bin" / "dicom-node"),)}


def _round(folder: Path, sides: Sides) -> Mapping[str, Measured]:
    """Seconds by what was waited for, then by side."""
    print(f"round in {folder}", flush=True)
    (folder / "models").mkdir(parents=True)
    found: dict[str, Measured] = {}
    for which in ("first start", "restart"):
        for side, program in sides.items():
            name = side.partition(" ")[0]
            node = Node(folder / name, models=folder / "models", program=program, impressions=True)
            for what, seconds in _start(node):
                found.setdefault(f"{which}: {what}", {})[side] = seconds
    found["first start: C-ECHO answered"]["Orthanc"] = _start_of_orthanc(folder / "orthanc")
    return found


def _start(node: Node) -> Iterator[tuple[str, float]]:
    begun = time.monotonic()
    node.begin()
    try:
        _await_echo(node.aet, node.port)
        yield "C-ECHO answered", time.monotonic() - begun
        # It says so itself: asking each role would take of the very time that is measured.
        wait_for(lambda: "The node is up" in node.log.read_text(), _LONGEST, "the node to be up", interval=0.02)
        yield "all ready", time.monotonic() - begun
        yield "processor", _processor_seconds(node.data)
    finally:
        node.terminate()
        node.log.unlink()


def _start_of_orthanc(folder: Path) -> float:
    folder.mkdir()
    archive = Orthanc(folder)
    begun = time.monotonic()
    with archive:
        _await_echo(archive.aet, archive.dicom_port)
        return time.monotonic() - begun


def _await_echo(aet: str, port: int) -> None:
    destination = Destination(name=aet, aet=aet, host="127.0.0.1", port=port)

    def answered() -> bool:
        with suppress(Retryable):
            return echo(destination, "BENCHMARK", timeout=1).status == 0
        return False

    wait_for(answered, _LONGEST, f"{aet} to answer", interval=0.02)


def _processor_seconds(data: Path) -> float:
    """What every process of the node on `data` has used so far, and what those had that have ended."""
    found = {*tagged(f"TEST_NODE={data}"), *postmasters(data)}
    found |= {child for pid in found for child in children(pid)}
    return sum(map(_used_by, found))


def _used_by(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        # proc_pid_stat(5): utime, stime, cutime, cstime, after the name, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
        return sum(map(int, fields)) / _TICKS
    return 0.0


def _memory(data: Path) -> Sequence[tuple[str, str]]:
    """A line each role, one for all of them, one for PostgreSQL."""
    server = {pid for root in postmasters(data) for pid in (root, *children(root))}
    roles = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in tagged(f"TEST_NODE={data}")}
    held = {pid: _share(pid) for pid in {*roles, *server}}
    lines = sorted((roles[pid], held[pid]) for pid in set(roles) - server)
    of_server = sum(held[pid] for pid in server)
    lines += [("all of these", sum(size for _, size in lines)), ("PostgreSQL", of_server)]
    return [(name, table.megabytes(size)) for name, size in lines]


def _share(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _commands(sides: Sides, data: Path) -> Sequence[Mapping[str, Measured]]:
    """Five rounds, after one that warms the disk's cache."""
    env = {**os.environ, "DICOM_NODE_DATA": str(data)}
    rounds = [
        {
            f"dicom-node {option}": {side: _used_for([*program, option], env) for side, program in sides.items()}
            for option in ("--help", "status")
        }
        | {"dicom-node --version": {"node": _used_for([*PROGRAM, "--version"], env)}}
        | {"python -c pass": {"node": _used_for([sys.executable, "-c", "pass"], env)}}
        for _ in range(6)
    ]
    return rounds[1:]


def _used_for(words: Sequence[str], env: Mapping[str, str]) -> float:
    before = _used()
    subprocess.run(words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=True)
    return _used() - before


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _table(what: str, rounds: Sequence[Mapping[str, Measured]]) -> str:
    """A line each that was measured, a column a side; in brackets how many times the node's seconds those are."""
    sides = list(dict.fromkeys(side for row in rounds[0].values() for side in row))
    rows = []
    for name, measured in rounds[0].items():
        medians = {side: statistics.median(one[name][side] for one in rounds) for side in measured}
        rows.append((name, *(_cell(medians, side) for side in sides)))
    return table.table((what, *sides), rows)


def _cell(medians: Measured, side: str) -> str:
    if side not in medians:
        return ""
    said = table.seconds(medians[side])
    return said if side == "node" else f"{said} ({medians[side] / medians['node']:.1f}x)"
