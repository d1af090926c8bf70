"""Archives that take some classes and no others: one of our own making on pynetdicom, and DCMTK's storescp."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydicom import Dataset
from pydicom.filewriter import dcmwrite
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from domain.profiles import EXPLICIT, IMPLICIT
from tests.support.processes import free_port
from tests.support.servers import StorageScp
from tests.support.sockets import close_for_certain

close_for_certain()

# The names of transfer syntaxes in DCMTK's configuration files.
_DCMTK = {EXPLICIT: "LittleEndianExplicit", IMPLICIT: "LittleEndianImplicit"}


class Receiver:
    """A storage SCP in this process that accepts the given presentation contexts alone, for as long as its `with`.

    `contexts` are transfer syntaxes by SOP class; they may be changed while it runs, for associations to come.
    """

    def __init__(self, aet: str, contexts: Mapping[str, Sequence[str]], verification: bool = True) -> None:
        self.aet, self.port = aet, free_port()
        self.received: list[Dataset] = []
        self.associations = 0
        self._ae = AE(aet)
        self._ae.require_called_aet = True
        self._server: ThreadedAssociationServer | None = None
        self._unrestricted = False
        self.accept(contexts, verification)

    @property
    def destination(self) -> str:
        """AET@HOST:PORT, as the node's `--destination` takes it."""
        return f"{self.aet}@127.0.0.1:{self.port}"

    def accept(self, contexts: Mapping[str, Sequence[str]], verification: bool = True) -> None:
        """Take these from now on."""
        self._ae.supported_contexts = []
        if verification:
            self._ae.add_supported_context(Verification)
        for sop_class, syntaxes in contexts.items():
            self._ae.add_supported_context(sop_class, list(syntaxes))
        if self._server is not None:
            self._server.contexts = self._ae.supported_contexts

    def classes(self) -> list[str]:
        """The SOP classes of what it received, in order of their names."""
        return sorted(str(one.SOPClassUID) for one in self.received)

    def save(self, folder: Path) -> list[Path]:
        """What it received, as files."""
        paths = []
        for one in self.received:
            paths.append(folder / f"{one.Modality}-{one.SOPInstanceUID}.dcm")
            dcmwrite(paths[-1], one, enforce_file_format=True)
        return paths

    def __enter__(self) -> Self:
        # An archive in this process that takes everything has told the library to, for every SCP here.
        self._unrestricted, _config.UNRESTRICTED_STORAGE_SERVICE = _config.UNRESTRICTED_STORAGE_SERVICE, False
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._count)]
        self._server = self._ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ae.shutdown()
        _config.UNRESTRICTED_STORAGE_SERVICE = self._unrestricted

    def _count(self, _: Any) -> None:
        self.associations += 1

    def _store(self, event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.received.append(dataset)
        return 0x0000


class ChoosyStorageScp(StorageScp):
    """DCMTK's storescp with a configuration file that names what it takes: transfer syntaxes by SOP class."""

    def __init__(self, folder: Path, contexts: Mapping[str, Sequence[str]], aet: str = "CHOOSY") -> None:
        super().__init__(folder, aet)
        self._contexts = contexts

    def command(self) -> list[str]:
        self.received.mkdir(exist_ok=True)
        configuration = self.folder / "storescp.cfg"
        configuration.write_text(self._configuration())
        options = ["--config-file", str(configuration), "Some", "--bit-preserving"]
        options += ["--output-directory", str(self.received)]
        return [self._program, "--aetitle", self.aet, *options, str(self.port)]

    def _configuration(self) -> str:
        syntaxes, contexts = "", ""
        for number, (sop_class, taken) in enumerate(self._contexts.items(), start=1):
            lines = "\n".join(f"TransferSyntax{place} = {_DCMTK[one]}" for place, one in enumerate(taken, start=1))
            syntaxes += f"[Syntaxes{number}]\n{lines}\n"
            contexts += f"PresentationContext{number} = {sop_class}\\Syntaxes{number}\n"
        return (
            f"[[TransferSyntaxes]]\n{syntaxes}[[PresentationContexts]]\n[Contexts]\n{contexts}"
            "[[Profiles]]\n[Some]\nPresentationContexts = Contexts\n"
        )
