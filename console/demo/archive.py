"""The archives that a demonstration can deliver to: Orthanc where it is installed, else a storage SCP and a folder.

`python -P -m dicom_node_start console.demo.archive FOLDER AET PORT` is that storage SCP.
"""

import json
import os
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from config.private import keep_to_owner
from config.programs import program
from dicom_node.archive import FolderArchive
from domain.errors import Permanent, Unavailable

AET = "ARCHIVE"
_HOST = "127.0.0.1"
_DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
# Debian keeps Orthanc in a folder that is not in everybody's path.
_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class Archive(Protocol):
    """What the demonstration needs of an archive."""

    name: str
    port: int

    def command(self) -> Sequence[str]:
        """The command line, once everything that it names has been prepared."""
        ...

    def waits_for(self) -> str:
        """What it cannot take associations without, "" once it can."""
        ...

    def where(self) -> str:
        """Where a person finds what it holds."""
        ...

    def dicomweb(self) -> str:
        """Root of its DICOMweb services; "" where it has none."""
        ...

    def fetch(self, sop_instance: str) -> bytes:
        """An instance as it holds it, a Part 10 file; raises Permanent where it does not."""
        ...


class OrthancArchive:
    """Orthanc on loopback, with its web pages, and DICOMweb where the plug-in is installed."""

    name = "Orthanc"

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self.port, self._http = free_port(), free_port()

    def command(self) -> Sequence[str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration(), indent=2))
        return [self._program, str(configuration)]

    def waits_for(self) -> str:
        return "" if answers(self.port) and answers(self._http) else "its ports"

    def where(self) -> str:
        return f"http://{_HOST}:{self._http}/app/explorer.html"

    def dicomweb(self) -> str:
        return f"http://{_HOST}:{self._http}/dicom-web" if _DICOMWEB.exists() else ""

    def fetch(self, sop_instance: str) -> bytes:
        found: list[dict[str, str]] = json.loads(self._ask("/tools/lookup", sop_instance.encode("ascii")))
        instances = [one["ID"] for one in found if one["Type"] == "Instance"]
        if not instances:
            raise Permanent(f"the archive does not hold {sop_instance}")
        return self._ask(f"/instances/{instances[0]}/file")

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        try:
            with urllib.request.urlopen(f"http://{_HOST}:{self._http}{path}", body, timeout=60) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, TimeoutError) as error:
            raise Unavailable(f"the archive does not answer: {error}") from error

    def _configuration(self) -> dict[str, object]:
        folder = str(self._folder / "storage")
        return {
            "Name": "dicom-node demonstration",
            "StorageDirectory": folder,
            "IndexDirectory": folder,
            "Plugins": [str(_DICOMWEB)] if _DICOMWEB.exists() else [],
            "HttpPort": self._http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": AET,
            "DicomPort": self.port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "UnknownSopClassAccepted": True,
        }


class FolderProcess:
    """The node's own small storage SCP as a process; every instance is a file in its folder."""

    name = "storage SCP"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()

    def command(self) -> Sequence[str]:
        return [*program("console.demo.archive"), str(self._folder), AET, str(self.port)]

    def waits_for(self) -> str:
        return "" if answers(self.port) else "its port"

    def where(self) -> str:
        return str(self._folder)

    def dicomweb(self) -> str:
        return ""

    def fetch(self, sop_instance: str) -> bytes:
        try:
            return (self._folder / f"{sop_instance}.dcm").read_bytes()
        except OSError as error:
            raise Permanent(f"the archive does not hold {sop_instance}") from error


def choose(folder: Path) -> Archive:
    """Orthanc where this machine has it."""
    program = shutil.which("Orthanc", path=os.pathsep.join([os.environ.get("PATH", ""), *_PATH]))
    return OrthancArchive(program, folder) if program else FolderProcess(folder)


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((_HOST, port)) == 0


def main() -> None:
    """Take everything until SIGTERM or SIGINT."""
    folder, aet, port = sys.argv[1:]
    endings = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    with FolderArchive(Path(folder), aet, int(port)):
        signal.sigwait(endings)


if __name__ == "__main__":
    keep_to_owner()
    main()
