"""Those who send: command-line programs of four toolkits, each as it is installed."""

import os
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.ingest.receivers import AET, find
from benchmarks.ingest.studies import Files
from benchmarks.machine import first_line, package

# Turns Nagle's algorithm off in DCMTK's programs and in those that are built with it.
PROMPT: Mapping[str, str] = {"TCP_NODELAY": "1"}
_LONGEST = 300.0


@dataclass(frozen=True)
class Sender:
    """A program that sends a folder in one association.

    `reliable` is False where its exit status says nothing, so that only the receiver can tell what arrived. `env` is
    what it has in its environment beside our own.
    """

    name: str
    command: Callable[[int, Files], list[str]]
    version: Callable[[], str]
    reliable: bool = True
    env: Mapping[str, str] = field(default_factory=dict)


def _dcmsend(port: int, files: Files) -> list[str]:
    return [find("dcmsend"), "--call", AET, "--scan-directories", "127.0.0.1", str(port), str(files.folder)]


def _storescu(port: int, files: Files) -> list[str]:
    return [find("storescu"), "--call", AET, "--scan-directories", "127.0.0.1", str(port), str(files.folder)]


def _gdcmscu(port: int, files: Files) -> list[str]:
    return [find("gdcmscu"), "--store", "--call", AET, "-r", "-i", str(files.folder), "127.0.0.1", str(port)]


def _send_image(port: int, files: Files) -> list[str]:
    return [find("send_image"), "-q", "-c", AET, "127.0.0.1", str(port), *map(str, files.paths)]


def _debian(program: str, name: str) -> Callable[[], str]:
    return lambda: f"{name} {package(name)}" if Path(find(program)).is_absolute() else ""


DCMSEND = Sender("DCMTK dcmsend", _dcmsend, lambda: first_line([find("dcmsend"), "--version"]))
PROMPT_DCMSEND = replace(DCMSEND, env=PROMPT)
SENDERS = (
    DCMSEND,
    Sender("DCMTK storescu", _storescu, lambda: first_line([find("storescu"), "--version"])),
    # It has sent everything and is released when it dies of its own clean-up.
    Sender("GDCM gdcmscu", _gdcmscu, _debian("gdcmscu", "libgdcm-tools"), reliable=False),
    Sender("CTN send_image", _send_image, _debian("send_image", "ctn")),
)


def send(sender: Sender, port: int, batches: Sequence[Files], log: Path) -> None:
    """Send each of `batches` in an association of its own, all at once; returns when the last program has ended."""
    with ExitStack() as stack:
        out = stack.enter_context(log.open("ab"))
        running = [
            stack.enter_context(
                subprocess.Popen(
                    sender.command(port, files),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **sender.env},
                )
            )
            for files in batches
        ]
        codes = [_wait(program) for program in running]
    if sender.reliable and any(codes):
        raise AssertionError(f"{sender.name} ended with status {codes}; see {log}")


def _wait(program: subprocess.Popen[bytes]) -> int:
    # Popen.wait with a limit looks every 50 ms, which is too coarse for what is measured here.
    ended = os.pidfd_open(program.pid)
    try:
        if not select.select([ended], [], [], _LONGEST)[0]:
            program.kill()
    finally:
        os.close(ended)
    return program.wait()
