"""One connection to an Orthanc that is followed, and the association that what it brings has in the spool.

An instance is taken by the rules of a C-STORE: the same SOP classes, transfer syntaxes and size, and the same statuses
in the record of what is refused.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from config.peers import Peer as Archive
from dicom_node import syntaxes
from dicom_node.dimse import Status
from dicom_node.orthanc.files import Opened, opened
from dicom_node.orthanc.rest import NotFound, NotNow, Orthanc, Refused
from dicom_node.outside import is_uid
from dicom_node.spool import AssociationWriter, Close, Peer, SpoolWriter
from domain.errors import UnusableInput
from domain.ids import IMPLEMENTATION_CLASS_UID, is_derived
from domain.json_records import JsonObject


class Taken(StrEnum):
    """What became of an instance that is new at a source."""

    STORED = "stored"
    OWN = "own"  # a result that we sent there
    GONE = "gone"  # it was deleted since
    REFUSED = "refused"


@dataclass(frozen=True)
class Rules:
    """What is taken: `longest` bytes of a data set; `called` is our AE title, by which what we sent there is known.

    `timeout` (s) is for each answer.
    """

    called: str
    longest: int
    timeout: float = 30.0


class Line:
    """For one thread at a time. `sign` is called with each piece of an instance that comes; it may raise Stopped."""

    def __init__(
        self, source: Archive, writer: SpoolWriter, rules: Rules, sign: Callable[[], None] = lambda: None
    ) -> None:
        host, _ = source.endpoint
        self._peer = Peer(source.calling, rules.called, host)
        self._orthanc = Orthanc(source, rules.timeout)
        # What is asked while a file comes.
        self._aside = Orthanc(source, rules.timeout)
        self._writer = writer
        self._rules = rules
        self._sign = sign
        self._association: AssociationWriter | None = None
        self._counts: Counter[str] = Counter()

    def take(self, instance: str) -> Taken:
        """Fetch an instance by the id that Orthanc has for it; what is STORED is durable.

        Raises NotNow where this one is not given and nobody says why it never will be, Retryable where the source is
        away or the spool takes nothing.
        """
        try:
            with self._orthanc.file(instance) as pieces:
                file = opened(pieces)
                return Taken.OWN if self._is_own(file, instance) else self._stored(file)
        except NotFound:
            return Taken.GONE
        except UnusableInput as error:
            return self.refuse(Status.CANNOT_UNDERSTAND, f"the source gave no DICOM file: {error.sentence}")
        except Refused as error:
            raise NotNow(*error.lines) from error

    def refuse(self, status: Status, reason: str, sop_class: str = "", sop_instance: str = "") -> Taken:
        """Record that an instance is not taken."""
        self._opened().refuse(sop_class, sop_instance, status, reason)
        self._counts["refused"] += 1
        return Taken.REFUSED

    def end(self, how: Close, reason: str) -> None:
        """Nothing more comes for now: close the connections, and record the end of the association."""
        self._orthanc.close()
        self._aside.close()
        if self._association is not None:
            counts = {what: self._counts[what] for what in ("stored", "refused", "bytes")}
            self._writer.close_association(self._association, how, reason, **counts)
        self._association = None
        self._counts.clear()

    def _is_own(self, file: Opened, instance: str) -> bool:
        """Whether this node sent it there: by its UID, of a kind that scanners give to nothing, and by its way.

        What came there by HTTP is kept with the file meta that we wrote; what came by C-STORE has our AE title beside.
        """
        if not is_derived(file.sop_instance):
            return False
        if file.implementation == IMPLEMENTATION_CLASS_UID:
            return True
        return self._aside.metadata(instance, "RemoteAET") == self._rules.called

    def _stored(self, file: Opened) -> Taken:
        status, reason = _judge(file)
        if status is Status.SUCCESS:
            status, reason = self._written(file)
        if status is not Status.SUCCESS:
            return self.refuse(status, reason, file.sop_class, file.sop_instance)
        return Taken.STORED

    def _written(self, file: Opened) -> tuple[Status, str]:
        """Status and reason; SUCCESS once all of it is durable."""
        association, longest = self._opened(), self._rules.longest
        association.begin(file.sop_class, file.sop_instance, file.transfer_syntax, 0)
        try:
            size = 0
            for piece in file.pieces:
                self._sign()
                size += len(piece)
                if size > longest:
                    return Status.OUT_OF_RESOURCES, f"data set is longer than {longest} bytes"
                association.write(piece)
            if not size:
                return Status.CANNOT_UNDERSTAND, "data set is empty"
            association.commit()
        finally:
            association.abandon()
        self._counts["stored"] += 1
        self._counts["bytes"] += size
        return Status.SUCCESS, ""

    def _opened(self) -> AssociationWriter:
        if self._association is None:
            self._association = self._writer.open_association(self._peer, _OPENING)
        return self._association


# An association has these of its negotiation, of which there was none.
_OPENING: JsonObject = {
    "implementation_class_uid": "",
    "implementation_version": "REST",
    "max_pdu": 0,
    "contexts": [],
}


def _judge(file: Opened) -> tuple[Status, str]:
    """As the listener judges a C-STORE and the presentation context that it comes in."""
    if not is_uid(file.sop_instance):
        return Status.INVALID_INSTANCE, "Media Storage SOP Instance UID is no UID"
    return syntaxes.fault(file.sop_class, file.transfer_syntax) or (Status.SUCCESS, "")
