"""A small archive: takes every instance that anybody sends and writes it, as received, to a folder. For trials.

It promises nothing that an archive must: no index, no query, no syncing to disk.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from pynetdicom import AE, _config, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from dicom_node.part10 import head
from domain.errors import ConfigurationError

_SUCCESS, _OUT_OF_RESOURCES = 0x0000, 0xA700


class FolderArchive:
    """A storage SCP for as long as its `with` block lasts; `port` 0 takes a free one, `self.port` tells which.

    Files are FOLDER/SOP-INSTANCE-UID.dcm. `stored` is called with each file once it is whole, from another thread.
    """

    def __init__(
        self,
        folder: Path,
        aet: str,
        port: int = 0,
        stored: Callable[[Path], None] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._folder = folder
        self._aet = aet
        self._address = (host, port)
        self._stored = stored
        self._server: ThreadedAssociationServer | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1]) if self._server else self._address[1]

    def files(self) -> list[Path]:
        """Everything that it holds."""
        return sorted(self._folder.glob("*.dcm"))

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Without this an SCP takes only the storage classes that the library knows; and it must not log data sets.
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        _config.LOG_HANDLER_LEVEL = "none"
        ae = AE(self._aet)
        ae.add_supported_context(Verification)
        try:
            self._server = ae.start_server(self._address, block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        except OSError as error:
            raise ConfigurationError(f"port {self._address[1]} cannot be opened: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.ae.shutdown()

    def _store(self, event: Event) -> int:
        request = event.request
        uid = str(request.AffectedSOPInstanceUID)
        target = self._folder / f"{uid}.dcm"
        draft = target.with_suffix(f".{os.getpid()}.{id(request)}.part")
        if target.parent != self._folder:
            return 0x0117  # a UID with a path in it is none
        try:
            draft.write_bytes(
                head(str(request.AffectedSOPClassUID), uid, str(event.context.transfer_syntax))
                + request.DataSet.getvalue()
            )
            draft.replace(target)
        except OSError:
            return _OUT_OF_RESOURCES
        if self._stored is not None:
            self._stored(target)
        return _SUCCESS
