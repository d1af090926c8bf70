"""Those who send studies to the node: DCMTK's storescu as a scanner, and a sender that a test can stop in mid-study."""

import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.association import Association

from config.peers import Destination
from dicom_node.part10 import head
from dicom_node.scu.store import Outcome, Outgoing, Verdict, send
from tests.support.counterparts import require
from tests.support.ingest import encoded
from tests.support.node import Node
from tests.support.phantoms import write
from tests.support.sockets import close_for_certain

close_for_certain()


def storescu(node: Node, folder: Path, aet: str = "SCANNER", timeout: float = 240) -> None:
    """Send every file under `folder` in one association; fails unless each was answered with success."""
    # Aborts at the first instance that is not stored (no +IP or the like), and says so by its exit status.
    options = ["-aet", aet, "-aec", node.aet, "+sd", "+r"]
    command = [require("storescu"), *options, "127.0.0.1", str(node.port), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"storescu: status {done.returncode}\n{done.stdout}{done.stderr}"


def scan(node: Node, datasets: Iterable[Dataset], folder: Path) -> None:
    """Send data sets as a scanner does that has them as files in `folder`."""
    write(datasets, folder)
    storescu(node, folder)


def instance(dataset: Dataset, cut: int | None = None) -> Outgoing:
    """A data set as an instance to be sent; only its first `cut` bytes, or without its last -`cut`, where given."""
    meta = head(dataset.SOPClassUID, dataset.SOPInstanceUID, ExplicitVRLittleEndian)
    data = encoded(dataset)[:cut]
    return Outgoing(meta + data, dataset.SOPClassUID, dataset.SOPInstanceUID, ExplicitVRLittleEndian)


def paced(node: Node, instances: Sequence[Outgoing], aet: str = "SCANNER") -> Iterator[Outcome]:
    """Send in one association, the next instance when the test asks for its outcome; it ends where the node ends it."""
    door = Destination(name="node", aet=node.aet, host="127.0.0.1", port=node.port)
    return send(instances, door, aet, timeout=60)


def acknowledged(outcomes: Iterable[Outcome]) -> list[str]:
    """SOP Instance UIDs of those that were answered with success."""
    return [one.sent.sop_instance for one in outcomes if one.verdict is Verdict.STORED]


def keep_responses_for_their_request(association: Association) -> None:
    """Close a gap in pynetdicom's requestor: its own thread may take a response that comes at once.

    That thread says that it is paused, asks whether it may go on, and only then takes the word back. A request that is
    made in between believes it paused, and the thread goes on to swallow the response; against a receiver that
    answers within a tenth of a millisecond this was seen now and then. Here the answer to "may I go on" and the word
    are changed under one lock.
    """
    association._reactor_checkpoint = _Checkpoint(association)


class _Checkpoint(threading.Event):
    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._turn = threading.Lock()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        while True:
            super().wait(timeout)
            with self._turn:
                if self.is_set():
                    self._association._is_paused = False
                    return True

    def clear(self) -> None:
        with self._turn:
            super().clear()
