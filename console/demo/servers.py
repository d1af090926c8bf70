"""The processes of a demonstration: a node as `dicom-node up` runs it, and an archive. Nothing outlives it.

Each child leads a process group of its own, so that a terminal's Ctrl-C reaches the demonstration alone, which then
winds the children down in order; and the kernel ends them should the demonstration be killed.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from config.programs import program
from config.settings import Settings
from console.demo.archive import AET, Archive
from console.demo.stall import StallWatch
from domain.errors import NodeError, Unavailable
from models import installed
from roles.database import KEEPER
from roles.reports import ask
from roles.run_files import running
from roles.supervisor import missing, role_processes

NODE_AET = "DICOM_NODE"
SETTLE = 2.0  # s of silence that complete the study; 5 by default, but here the sender is known to be done
_GRACE = 45.0  # s that `up` may take to wind down: its roles, then its database
_LOOK = 0.1


class Interrupted(NodeError):
    """Somebody asked the demonstration to end."""


class Program:
    """A child process with a log file, for as long as its `with` block lasts."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self._name = name
        self._command = [*program("console.demo.leash"), str(os.getpid()), *command]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={key: value for key, value in os.environ.items() if not key.startswith("DICOM_NODE_")},
                process_group=0,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def await_ready(self, waits_for: Callable[[], str], watch: StallWatch, stop: threading.Event) -> None:
        """Wait until there is nothing that it `waits_for`.

        Raises Unavailable with the end of its log where it ends or takes too long, or Interrupted.
        """
        assert self._process is not None
        while what := waits_for():
            if self._process.poll() is not None:
                raise Unavailable(*self._with_log("ended by itself"))
            try:
                watch.look(f"{self._name} is not ready, it waits for: {what}")
            except Unavailable as error:
                raise Unavailable(*error.lines, *self._with_log("is not ready")) from error
            pause(stop, _LOOK)

    def _with_log(self, how: str) -> list[str]:
        last = self._log.read_text(errors="replace").splitlines()[-5:]
        return [f"{self._name} {how}; its log {self._log} says:", *last]


class NodeProcess:
    """The node that a demonstration runs on the data folder `data`, with a user's own models and settings if any."""

    def __init__(self, data: Path, archive: Archive, models: Path | None, config: Path | None = None) -> None:
        self._data = data
        self._archive = archive
        self._models = models
        self._config = config

    @property
    def packages(self) -> Path:
        """The folder of its model packages."""
        return self._models or installed.folder(Settings())

    def command(self) -> Sequence[str]:
        """`dicom-node up`, as a trial would call it; it takes a free port."""
        destination = f"{AET}@127.0.0.1:{self._archive.port}"
        options = ["--data", str(self._data), "--aet", NODE_AET, "--port", "0", "--destination", destination]
        models = ["--models", str(self._models)] if self._models else []
        config = ["--config", str(self._config)] if self._config else []
        return [*program("console.cli.main"), "up", *options, "--settle", f"{SETTLE:g}", *models, *config]

    def waits_for(self) -> str:
        """Which of its processes are not ready, and what each waits for; "" when all are."""
        reports = {role: ask(self._data, role) for role in role_processes(Settings())}
        return missing(reports)

    def address(self) -> str:
        """AET@HOST:PORT of its listener."""
        return f"{NODE_AET}@127.0.0.1:{ask(self._data, 'listen').dicom_port}"

    def database(self) -> str:
        """URL of its database."""
        kept = running(self._data, KEEPER)
        return kept.facts.url if kept else ""


def pause(stop: threading.Event, seconds: float) -> None:
    """Wait; raises Interrupted when asked to end."""
    if stop.wait(seconds):
        raise Interrupted("interrupted")
