"""The receivers beside the node, each as it is installed and started afresh in an empty folder."""

import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pynetdicom

from benchmarks.machine import first_line, package
from tests.support.processes import Process, answers, free_port
from tests.support.servers import Server

AET = "NODE"
# Without one dcmrecv takes nothing but C-ECHO.
_PROFILE = """[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Storage]
PresentationContext1 = CTImageStorage\\Uncompressed
[[Profiles]]
[Default]
PresentationContexts = Storage
"""
ROOT = Path(__file__).resolve().parents[2]


class Receiver(Server):
    """One storage SCP on a loopback port. `promise` is what has happened by the time that a sender hears success."""

    name: ClassVar[str]
    promise: ClassVar[str]
    program: ClassVar[str]

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.received = folder / "received"
        self.received.mkdir(parents=True)
        super().__init__(folder)
        self.port = free_port()
        self.env = env

    @classmethod
    def version(cls) -> str:
        """What it calls itself, "" where it is not installed."""
        return first_line([find(cls.program), "--version"])

    def held(self) -> int:
        """How many instances it holds."""
        return sum(1 for entry in os.scandir(self.received) if entry.is_file())

    def memory(self) -> dict[str, int]:
        """The most bytes that its processes have had resident so far, by process."""
        return {"": peak(self.process.pid)}

    def settle(self) -> None:
        """Return when it has nothing left to do from its start."""

    def ready(self) -> bool:
        return answers(self.port)

    def _launch(self) -> None:
        self._process = Process(self.command(), self.log, env=self.env, cwd=ROOT)


class Orthanc(Receiver):
    """Orthanc with Debian's defaults: files in folders, SQLite, no plug-in."""

    name = "Orthanc"
    promise = "fsync, SQLite index"
    program = "Orthanc"
    plugins: ClassVar[tuple[Path, ...]] = ()

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__(folder, env)
        self._http_port = free_port()

    @classmethod
    def version(cls) -> str:
        return first_line([find(cls.program), "--version"]) and f"Orthanc {package('orthanc')}"

    def command(self) -> list[str]:
        storage = str(self.received)
        settings = {
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "HttpPort": self._http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomPort": self.port,
            "Plugins": [str(one) for one in self.plugins],
        }
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(settings))
        return [find(self.program), str(path)]

    def ready(self) -> bool:
        return answers(self.port) and answers(self._http_port)

    def held(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._http_port}/statistics", timeout=60) as answer:
            return int(json.load(answer)["CountInstances"])


class Dcmrecv(Receiver):
    """DCMTK's newer receiver."""

    name = "DCMTK dcmrecv"
    promise = "no sync, no index"
    program = "dcmrecv"

    def command(self) -> list[str]:
        profile = self.folder / "profile.cfg"
        profile.write_text(_PROFILE)
        given = ["--aetitle", AET, "--config-file", str(profile), "Default", "--output-directory", str(self.received)]
        return [find(self.program), *given, str(self.port)]


class Storescp(Receiver):
    """DCMTK's older receiver."""

    name = "DCMTK storescp"
    promise = "no sync, no index"
    program = "storescp"
    options: ClassVar[tuple[str, ...]] = ()

    def command(self) -> list[str]:
        given = ["--aetitle", AET, "--output-directory", str(self.received), *self.options]
        return [find(self.program), *given, str(self.port)]


class ForkingStorescp(Storescp):
    """The same with a process for each association."""

    name = "DCMTK storescp --fork"
    options = ("--fork",)


class DicomRs(Receiver):
    """The receiver of dicom-rs."""

    name = "dicom-rs storescp"
    promise = "no sync, no index"
    program = "dicom-storescp"
    options: ClassVar[tuple[str, ...]] = ()

    def command(self) -> list[str]:
        return [find(self.program), *self.options, "-p", str(self.port), "-o", str(self.received)]


class AsyncDicomRs(DicomRs):
    """The same, serving several associations at once."""

    name = "dicom-rs storescp --non-blocking"
    options = ("--non-blocking",)


class StockPynetdicom(Receiver):
    """pynetdicom as its documentation shows it: every instance decoded and saved."""

    name = "pynetdicom, decode and save"
    promise = "no sync, no index"
    program = "pynetdicom"

    @classmethod
    def version(cls) -> str:
        return f"pynetdicom {pynetdicom.__version__}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.ingest.stock", str(self.port), str(self.received)]


def find(program: str) -> str:
    """The path of a program, also where Debian and cargo put it outside of everybody's path; else its bare name."""
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "bin"
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", str(cargo)])
    return shutil.which(program, path=path) or program


def peak(pid: int) -> int:
    """The most bytes that a process has had resident (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
