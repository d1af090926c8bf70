"""What TLS costs who receives: the node's listener beside DCMTK's receivers, each with and without, sent to in turn.

DCMTK's storescu sends, as it is and with its certificate, without Nagle's algorithm on either side. The listener
syncs, as it always does; nothing indexes meanwhile. Processor time is the receiver's own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import machine, table
from benchmarks.ingest.receivers import _PROFILE, AET, ROOT, find
from benchmarks.ingest.senders import PROMPT
from benchmarks.ingest.studies import Files, large, small
from dicom_node.tls.authority import Files as KeyPair
from tests.support.certificates import Site
from tests.support.processes import Process, answers, free_port, wait_for

_CALLER = "SENDER"
_SAID = """{rounds} rounds, each of the receivers in turn; medians. Seconds that storescu took for {large} slices of
512 KB and {small} of 39 KB in one association each, and processor seconds of the receiver. TLS is what both sides agree
on by themselves, with certificates (ECDSA P-256) of both."""


@dataclass
class _Receiver:
    """One that runs, at a port without TLS and at one with it; the programs are one process or two."""

    name: str
    ports: dict[bool, int]
    pids: dict[bool, int]
    took: dict[tuple[bool, int], list[tuple[float, float]]] = field(default_factory=dict)


def run(arguments: Sequence[str]) -> None:
    """Run it; `--rounds N`, `--quick` for a look that is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tls", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="few images, three rounds; the results are not kept")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    rounds, counts = (3, (50, 200)) if options.quick else (options.rounds, (200, 600))
    with tempfile.TemporaryDirectory(prefix="dicom-node-tls-") as name, ExitStack() as stack:
        folder = Path(name)
        site = Site(folder / "site")
        sent = [
            make("s", count).write(folder / make.__name__) for make, count in zip((large, small), counts, strict=True)
        ]
        receivers = [stack.enter_context(make(folder, site)) for make in (_node, _storescp, _dcmrecv)]
        for number in range(rounds + 1):
            for one in receivers:
                _round(one, sent, site, keep=number > 0)
        said = _SAID.format(rounds=rounds, large=counts[0], small=counts[1])
        text = f"{machine.describe(folder)}.\n\n{said}\n\n{_table(receivers)}"
    print(f"\n{text}")
    if not options.quick:
        table.keep("TLS", text)


def _round(receiver: _Receiver, sent: Sequence[Files], site: Site, *, keep: bool) -> None:
    for secure in (False, True):
        for size, files in enumerate(sent):
            before, began = _processor(receiver.pids[secure]), time.monotonic()
            _send(receiver.ports[secure], files, site.partner(_CALLER) if secure else None, site)
            took = time.monotonic() - began, _processor(receiver.pids[secure]) - before
            if keep:
                receiver.took.setdefault((secure, size), []).append(took)


def _send(port: int, files: Files, shown: KeyPair | None, site: Site) -> None:
    secure = ["+tls", str(shown.key), str(shown.certificate), "+cf", str(site.ca)] if shown else []
    called = ["-aet", _CALLER, "-aec", AET, "--scan-directories", "127.0.0.1", str(port), str(files.folder)]
    subprocess.run([find("storescu"), *secure, *called], check=True, env={**os.environ, **PROMPT}, capture_output=True)


def _processor(pid: int) -> float:
    """Processor seconds of a process so far (proc(5))."""
    spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _node(folder: Path, site: Site) -> Iterator[_Receiver]:
    plain, secure = free_port(), free_port()
    settings = folder / "node.toml"
    settings.write_text(
        f'[listener]\naet = "{AET}"\nport = {plain}\ncallers = [{{ aet = "{_CALLER}" }}]\n'
        f'[listener.tls]\nport = {secure}\nca = "{site.ca}"\ncertificate = "{site.node.certificate}"\n'
        f'key = "{site.node.key}"\n[spool]\ncapacity = {16 << 30}\ndisk_floor = 0\n'
    )
    command = [
        sys.executable,
        "-m",
        "console.cli.main",
        "listen",
        "--data",
        str(folder / "data"),
        "--config",
        str(settings),
    ]
    with _started(command, folder / "node.log", secure) as process:
        yield _Receiver(
            "this node's listener, synced", {False: plain, True: secure}, dict.fromkeys((False, True), process.pid)
        )


@contextmanager
def _storescp(folder: Path, site: Site) -> Iterator[_Receiver]:
    with _pair("DCMTK storescp, no sync", folder / "storescp", site, ["storescp", "--aetitle", AET]) as both:
        yield both


@contextmanager
def _dcmrecv(folder: Path, site: Site) -> Iterator[_Receiver]:
    profile = folder / "profile.cfg"
    profile.write_text(_PROFILE)
    words = ["dcmrecv", "--aetitle", AET, "--config-file", str(profile), "Default"]
    with _pair("DCMTK dcmrecv, no sync", folder / "dcmrecv", site, words) as both:
        yield both


@contextmanager
def _pair(name: str, folder: Path, site: Site, words: Sequence[str]) -> Iterator[_Receiver]:
    """The same program once without TLS and once with it."""
    folder.mkdir()
    secure = ["+tls", str(site.node.key), str(site.node.certificate), "+cf", str(site.ca)]
    with ExitStack() as stack:
        one = _Receiver(name, {}, {})
        for tls in (False, True):
            port = one.ports[tls] = free_port()
            command = [
                find(words[0]),
                *words[1:],
                *(secure if tls else []),
                "--output-directory",
                str(folder),
                str(port),
            ]
            one.pids[tls] = stack.enter_context(_started(command, folder.with_suffix(f".{tls}.log"), port)).pid
        yield one


@contextmanager
def _started(command: list[str], log: Path, port: int) -> Iterator[Process]:
    process = Process(command, log, env={**os.environ, **PROMPT}, cwd=ROOT)
    try:
        wait_for(lambda: answers(port), 60, command[0])
        yield process
    finally:
        process.kill()


def _table(receivers: Sequence[_Receiver]) -> str:
    heads = ("", "512 KB", "with TLS", "39 KB", "with TLS", "processor, 512 KB", "with TLS")
    rows = []
    for one in receivers:
        middle = {key: tuple(median(column) for column in zip(*took, strict=True)) for key, took in one.took.items()}
        cells = [middle[tls, size][0] for size in (0, 1) for tls in (False, True)]
        spent = [middle[tls, 0][1] for tls in (False, True)]
        rows.append((one.name, *map(table.seconds, (*cells, *spent))))
    return table.table(heads, rows)
