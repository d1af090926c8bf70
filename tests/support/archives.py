"""Archives that answer queries: DCMTK's dcmqrscp, and one of our own making on pynetdicom."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt

from tests.support import counterparts
from tests.support.processes import answers, free_port
from tests.support.servers import Server
from tests.support.sockets import close_for_certain

close_for_certain()


class QueryArchive(Server):
    """DCMTK's dcmqrscp: C-STORE, C-FIND, C-MOVE and C-GET. `movers` are the ports by AE title that it sends to."""

    def __init__(self, folder: Path, aet: str = "QRSCP", movers: dict[str, int] | None = None) -> None:
        super().__init__(folder)
        self.aet, self.port = aet, free_port()
        self._movers = movers or {}
        self._program = counterparts.require("dcmqrscp")

    def command(self) -> list[str]:
        held = self.folder / "held"
        held.mkdir(parents=True, exist_ok=True)
        hosts = "".join(f"to{port} = ({aet}, 127.0.0.1, {port})\n" for aet, port in self._movers.items())
        configuration = self.folder / "dcmqrscp.cfg"
        configuration.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\n{self.aet} {held} RW (200, 1024mb) ANY\nAETable END\n"
        )
        return [self._program, "--config", str(configuration)]

    def ready(self) -> bool:
        return answers(self.port)


@contextmanager
def answering(model: str, data_sets: Sequence[Dataset], last: int = 0x0000) -> Iterator[tuple[int, list[Dataset]]]:
    """An SCP of C-FIND in this process that gives `data_sets` for every question, and `last`; its port, and what it is
    asked.
    """
    asked: list[Dataset] = []

    def handle(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked.append(event.identifier)
        for one in data_sets:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, one
        yield last, None

    entity = AE("FINDER")
    entity.add_supported_context(model)
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, handle)])
    try:
        yield port, asked
    finally:
        server.shutdown()
        entity.shutdown()
