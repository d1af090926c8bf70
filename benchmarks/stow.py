"""STOW-RS into this node and into Orthanc, and C-STORE into this node beside it: one sender, one run, all in turn."""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, table
from benchmarks.ingest import studies
from benchmarks.ingest.node import DurablePostgres, Node
from benchmarks.ingest.receivers import Orthanc, Receiver
from config.peers import Destination
from dicom_node.scu.kinds import send
from dicom_node.scu.store import Outgoing, Verdict, outgoing
from tests.support.processes import free_port, wait_for

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_SAID = """{rounds} rounds, medians; the sender is this node's, on the same {cores} cores. Seconds until the last answer
and until all is indexed. Both answer when the data is synced."""

_WAYS = {"this node": ("STOW-RS", "C-STORE"), "Orthanc": ("STOW-RS",)}


class WebNode(Node):
    """The node with its door for HTTP beside the listener."""

    roles = ("listen", "web", "index")

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.http = free_port()
        self.env = {**self.env, "DICOM_NODE_WEB__PORT": str(self.http)}

    @property
    def url(self) -> str:
        """The root of its service."""
        return f"http://127.0.0.1:{self.http}/dicom-web"


class WebOrthanc(Orthanc):
    """Orthanc with its plugin for DICOMweb."""

    plugins = (_PLUGIN,)

    @property
    def url(self) -> str:
        """The root of its service."""
        return f"http://127.0.0.1:{self._http_port}/dicom-web"


@dataclass(frozen=True)
class _Sample:
    sent: float
    whole: float


def run(arguments: Sequence[str]) -> None:
    """Run it; `--quick` for a look at small sets that is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks stow", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="small sets, one round; the results are not kept")
    options = parser.parse_args(arguments)
    rounds, large, small = (1, 60, 200) if options.quick else (3, 300, 1000)
    folder = Path(tempfile.mkdtemp(prefix="dicom-node-stow-"))
    try:
        with DurablePostgres() as postgres:
            sets = [studies.large("large", large), studies.small("small", small)]
            files = {f"{one.count} of {one.side}x{one.side}": one.write(folder / "studies") for one in sets}
            makers: Mapping[str, Callable[[Path], Receiver]] = {
                "this node": lambda place: WebNode(place, {}, postgres, folder / "log"),
                "Orthanc": lambda place: WebOrthanc(place, {}),
            }
            text = _measured(folder, makers, files, rounds)
        text = f"{machine.describe(folder)}\n\n{_SAID.format(rounds=rounds, cores=os.cpu_count())}\n\n{text}"
    finally:
        shutil.rmtree(folder)
    print(f"\n{text}")
    if not options.quick:
        table.keep("STOW-RS", text)


def _measured(
    folder: Path,
    makers: Mapping[str, Callable[[Path], Receiver]],
    files: Mapping[str, studies.Files],
    rounds: int,
) -> str:
    samples: dict[tuple[str, str, str], list[_Sample]] = defaultdict(list)
    for _ in range(rounds):
        for name, make in makers.items():
            for way in _WAYS[name]:
                with make(Path(tempfile.mkdtemp(dir=folder))) as receiver:
                    receiver.settle()
                    held = 0
                    for leg, sent in files.items():
                        held += len(sent.paths)
                        samples[name, way, leg].append(_sample(receiver, way, sent, held))
                    receiver.stop()
    rows = [
        [
            f"{name}, {way}",
            leg,
            *(table.seconds(statistics.median(one)) for one in _times(found)),
            _pace(files[leg], found),
        ]
        for (name, way, leg), found in samples.items()
    ]
    return table.table(["receiver", "slices", "answered", "indexed", "MB/s answered"], rows)


def _times(found: Sequence[_Sample]) -> tuple[list[float], list[float]]:
    return [one.sent for one in found], [one.whole for one in found]


def _pace(files: studies.Files, found: Sequence[_Sample]) -> str:
    return f"{files.size / statistics.median(one.sent for one in found) / 1e6:.0f}"


def _sample(receiver: Receiver, way: str, files: studies.Files, held: int) -> _Sample:
    objects: list[Outgoing] = [outgoing(path) for path in files.paths]
    assert isinstance(receiver, WebNode | WebOrthanc)
    by_http = {"kind": "dicomweb", "url": receiver.url}
    by_dicom = {"aet": "NODE", "host": "127.0.0.1", "port": receiver.port}
    peer = Destination.model_validate(by_http if way == "STOW-RS" else by_dicom)
    os.sync()
    begun = time.perf_counter()
    outcomes = list(send(objects, peer, "BENCH", 120))
    sent = time.perf_counter() - begun
    assert {one.verdict for one in outcomes} == {Verdict.STORED}, outcomes[0].reason
    wait_for(lambda: receiver.held() >= held, 60, "all to be indexed", interval=0.005)
    return _Sample(sent, time.perf_counter() - begun)
