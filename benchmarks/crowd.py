"""What two thousand connections that say nothing cost a sender that works: the listener beside DCMTK's storescp.

Each receiver is sent the same files alone, and then while the crowd is there: a third says nothing, a third half of a
request, a third a whole one and no more.
"""

import argparse
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from statistics import median

from benchmarks import machine, table
from benchmarks.ingest.receivers import AET, ROOT, find
from benchmarks.ingest.senders import PROMPT
from benchmarks.ingest.studies import Files, small
from tests.support.listening import request
from tests.support.processes import Process, answers, free_port, wait_for

_CROWD = 2000
_WORDS = (b"", request(called=AET)[:50], request(called=AET))
_CONNECT = 1.0  # s after which a receiver takes no more connections
_LONGEST = 60.0  # s
_SAID = """{rounds} rounds, each of the receivers in turn; medians. Seconds that storescu took for {count} slices of
39 KB in one association, alone, and while {crowd} connections were there that say nothing, half of a request, or a
request and no more, so many as a receiver took; {longest:.0f} s is the end of waiting."""


def run(arguments: Sequence[str]) -> None:
    """Run it; `--rounds N`, `--quick` for a look that is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks crowd", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="few images, one round; the results are not kept")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rounds, count = (1, 200) if options.quick else (options.rounds, 600)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    took: dict[tuple[str, bool], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="dicom-node-crowd-") as name:
        folder = Path(name)
        files = small("c", count).write(folder / "files")
        for number in range(rounds):
            for said, start in _RECEIVERS.items():
                with start(folder / f"{number}-{said}") as port:
                    took.setdefault((said, False), []).append(_send(port, files))
                    with _crowd(port):
                        took.setdefault((said, True), []).append(_send(port, files))
        said = _SAID.format(rounds=rounds, count=count, crowd=_CROWD, longest=_LONGEST)
        text = f"{machine.describe(folder)}.\n\n{said}\n\n{_table(took)}"
    print(f"\n{text}")
    if not options.quick:
        table.keep("Crowd", text)


def _send(port: int, files: Files) -> float:
    """Seconds until all is sent, `_LONGEST` where it is not by then."""
    command = [find("storescu"), "-aec", AET, "--scan-directories", "127.0.0.1", str(port), str(files.folder)]
    began = time.perf_counter()
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, env={**os.environ, **PROMPT}, capture_output=True, timeout=_LONGEST, check=False)
        if done.returncode == 0:
            return time.perf_counter() - began
    return _LONGEST


@contextmanager
def _crowd(port: int) -> Iterator[None]:
    with ExitStack() as stack:
        with suppress(OSError):  # it takes no more
            for number in range(_CROWD):
                one = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), _CONNECT)))
                with suppress(ConnectionError):
                    one.sendall(_WORDS[number % len(_WORDS)])
        yield


@contextmanager
def _node(folder: Path) -> Iterator[int]:
    port = free_port()
    settings = folder.with_suffix(".toml")
    settings.write_text(f'[listener]\naet = "{AET}"\nport = {port}\n[spool]\ndisk_floor = 0\n')
    command = [sys.executable, "-m", "console.cli.main", "listen", "--data", str(folder), "--config", str(settings)]
    with _started(command, folder.with_suffix(".log"), port):
        yield port


@contextmanager
def _storescp(folder: Path) -> Iterator[int]:
    port = free_port()
    folder.mkdir()
    # A process for each association: without it the first that says nothing is the only one that is heard.
    command = [find("storescp"), "--fork", "--aetitle", AET, "--output-directory", str(folder), str(port)]
    with _started(command, folder.with_suffix(".log"), port):
        yield port


@contextmanager
def _started(command: list[str], log: Path, port: int) -> Iterator[None]:
    process = Process(command, log, env={**os.environ, **PROMPT}, cwd=ROOT)
    try:
        wait_for(lambda: answers(port), 60, command[0])
        yield
    finally:
        process.kill()


_RECEIVERS: Mapping[str, Callable[[Path], AbstractContextManager[int]]] = {
    "this node's listener, synced": _node,
    "DCMTK storescp --fork, no sync": _storescp,
}


def _table(took: Mapping[tuple[str, bool], Sequence[float]]) -> str:
    rows = []
    for said in _RECEIVERS:
        alone, beside = median(took[said, False]), median(took[said, True])
        rows.append((said, table.seconds(alone), table.seconds(beside), f"{beside / alone:.2f}x"))
    return table.table(("", "alone", "beside the crowd", "ratio"), rows)
