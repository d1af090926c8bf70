"""Archives that only store, of makes that we did not write: each in a folder of its own, on a free port."""

from pathlib import Path

from tests.support import pixelmed
from tests.support.listening import program
from tests.support.processes import answers, free_port
from tests.support.servers import Server


class Store(Server):
    """What they share. Those of a kind say how they are called."""

    aet = "STORE"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self.port = free_port()

    @property
    def held(self) -> Path:
        """Where the files are."""
        return self.folder / "held"

    def files(self) -> list[Path]:
        """What it has received, as it keeps it."""
        return [path for path in self.held.rglob("*") if path.is_file()]

    def command(self) -> list[str]:
        self.held.mkdir(exist_ok=True)
        return self._command()

    def ready(self) -> bool:
        return answers(self.port)

    def _command(self) -> list[str]:
        raise NotImplementedError


class Ctn(Store):
    """CTN's simple_storage."""

    def _command(self) -> list[str]:
        return [program("simple_storage"), "-s", "-c", self.aet, "-x", f"{self.held}/", str(self.port)]

    def ready(self) -> bool:
        # It dies of a connection on which nothing is said.
        return f":{self.port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text("ascii")


class PixelMed(Store):
    """PixelMed's StorageSOPClassSCPDispatcher."""

    def _command(self) -> list[str]:
        return [*pixelmed.network("StorageSOPClassSCPDispatcher"), str(self.port), self.aet, str(self.held)]
