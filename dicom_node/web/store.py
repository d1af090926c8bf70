"""The instances of one STOW-RS request on their way into the spool (PS3.18 10.5), each judged by itself.

Bytes in, parts of the response out; nothing here knows of sockets or HTTP. An instance is stored when all of it is
durable, before the next is looked at; what is refused is read to its end, recorded, and costs no other.
"""

import time
from dataclasses import dataclass

from dicom_node import elements, syntaxes
from dicom_node.dimse import Status
from dicom_node.elements import NoFileMeta, OutOfData
from dicom_node.intake.faults import Fault
from dicom_node.intake.header import Uids, UnreadableHeader, read_header
from dicom_node.listener.events import ListenerEvents
from dicom_node.outside import ascii_words, is_uid
from dicom_node.spool import PART, AssociationWriter, SpoolUnavailable
from dicom_node.web.multipart import Malformed, MultipartReader, PartBegins, PartEnds, media_type
from dicom_node.web.stored import Part
from domain.errors import UnusableInput

DICOM = "application/dicom"
# What an answer names: 65,536 of them are some 16 MB of it.
MOST_PARTS = 1 << 16
# Bytes of a preamble and a file meta: a few UIDs, but private information may be added to it (PS3.10 7.1).
_LARGEST_META = 1 << 20
_LEAST_META = 132  # preamble and prefix
_NEXT = 2  # bytes of an element that tell its group


class TooMany(UnusableInput):
    """More parts than an answer names."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Failure Reason (PS3.18 table I.2-2), and in words for the record; `passing` where it is ours, and may pass."""

    status: Status
    reason: str
    passing: bool = False


@dataclass(slots=True)
class _Instance:
    """A part that is on its way. Without `meta` its file meta has not come to its end."""

    started: float
    head: bytearray
    tried: int = 0  # bytes of the head at the last look at it
    begun: bool = False
    looked: bool = False  # whether the data set's own UIDs were compared
    sop_class: str = ""
    sop_instance: str = ""
    transfer_syntax: str = ""
    size: int = 0
    refusal: Refusal | None = None


class StoreRequest:
    """Takes the body of a request into `spool`. `study` is the one that its address names, or "".

    `max_instance` is what one data set may have in bytes. `parts` are what became of each, in their order.
    """

    def __init__(
        self, spool: AssociationWriter, events: ListenerEvents, boundary: bytes, study: str, max_instance: int
    ) -> None:
        self.parts: list[Part] = []
        self.bytes = 0
        self._spool = spool
        self._events = events
        self._multipart = MultipartReader(boundary)
        self._study = study
        self._max_instance = max_instance
        self._instance: _Instance | None = None
        self._passing = 0

    @property
    def stored(self) -> int:
        """How many are stored."""
        return sum(one.stored for one in self.parts)

    @property
    def may_pass(self) -> bool:
        """Whether nothing was stored, and for no other reason than that we have no room now."""
        return bool(self.parts) and self._passing == len(self.parts)

    def take(self, data: bytes | memoryview) -> None:
        """The next bytes of the body; raises Malformed or TooMany, and then nothing more may be given."""
        for event in self._multipart.feed(data):
            if isinstance(event, PartBegins):
                self._begin(event.fields.get("content-type", DICOM))
            elif isinstance(event, PartEnds):
                self._end()
            else:
                self._add(event)

    def finish(self) -> None:
        """All of the body has come; raises Malformed where it has not, or held nothing."""
        self._multipart.finish()
        if not self.parts:
            raise Malformed("the body holds no part")

    def abandon(self) -> None:
        """Nothing more comes: what was begun is not stored."""
        self._spool.abandon()
        self._instance = None

    def _begin(self, content_type: str) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise TooMany(f"a request may have {MOST_PARTS} parts at most")
        self._instance = _Instance(time.perf_counter(), bytearray())
        if media_type(content_type).name != DICOM:
            self._instance.refusal = Refusal(Status.CANNOT_UNDERSTAND, f"a part is no {DICOM}")

    def _add(self, data: memoryview) -> None:
        one = self._instance
        assert one is not None
        if one.refusal is not None:
            return
        if one.begun:
            self._store(one, data)
            return
        one.head += data
        if len(one.head) < _LEAST_META:
            return
        # A head in many small pieces is looked at again when it has doubled, and at the part's end.
        if len(one.head) >= 2 * one.tried:
            self._read_meta(one, ended=False)

    def _read_meta(self, one: _Instance, *, ended: bool) -> None:
        one.tried = len(one.head)
        try:
            meta, begins = elements.file_meta(bytes(one.head[:_LARGEST_META]))
            if begins + _NEXT > len(one.head) and not ended:
                raise OutOfData("another element of it may follow")
        except OutOfData:
            if len(one.head) >= _LARGEST_META:
                one.refusal = Refusal(Status.CANNOT_UNDERSTAND, "its file meta information is too long")
            elif ended:
                one.refusal = Refusal(Status.CANNOT_UNDERSTAND, "it ends within its file meta information")
            return
        except NoFileMeta:
            one.refusal = Refusal(Status.CANNOT_UNDERSTAND, "it has no file meta information (PS3.10 7.1)")
            return
        except UnusableInput:
            one.refusal = Refusal(Status.CANNOT_UNDERSTAND, "its file meta information cannot be read")
            return
        one.sop_class, one.sop_instance, one.transfer_syntax = (
            ascii_words(meta.get(number, b"")) for number in (0x02, 0x03, 0x10)
        )
        if unknown := syntaxes.fault(one.sop_class, one.transfer_syntax):
            one.refusal = Refusal(*unknown)
        if one.refusal is None:
            uid = one.sop_instance if is_uid(one.sop_instance) else ""
            self._spool.begin(one.sop_class, uid, one.transfer_syntax, 0)
            one.begun = True
            rest = bytes(one.head[begins:])
            one.head.clear()
            self._store(one, memoryview(rest))

    def _store(self, one: _Instance, data: memoryview) -> None:
        one.size += len(data)
        if one.size > self._max_instance:
            self._refuse(one, Refusal(Status.OUT_OF_RESOURCES, f"data set is longer than {self._max_instance} bytes"))
        spool = self._spool
        while data and one.refusal is None:
            if spool.fill == PART:
                self._flush(one)
                continue
            part = min(len(data), PART - spool.fill)
            spool.buffer[spool.fill : spool.fill + part] = data[:part]
            spool.fill += part
            data = data[part:]

    def _flush(self, one: _Instance) -> None:
        self._look(one)
        if one.refusal is None:
            try:
                self._spool.flush()
            except SpoolUnavailable as error:
                self._refuse(one, Refusal(Status.OUT_OF_RESOURCES, str(error), passing=True))

    def _look(self, one: _Instance) -> None:
        """Compare what the data set names itself with its file meta and the request's address (PS3.18 10.5.1)."""
        if one.looked:
            return
        one.looked = True
        if not one.size:
            self._refuse(one, Refusal(Status.CANNOT_UNDERSTAND, "data set is empty"))
            return
        uids, refusal = _named(one, self._study, bytes(self._spool.buffer[: self._spool.fill]))
        if refusal is not None:
            self._refuse(one, refusal)
        elif uids.sop and uids.sop != one.sop_instance:
            self._rename(one, uids.sop)
        elif not is_uid(one.sop_instance):
            self._refuse(one, Refusal(Status.CANNOT_UNDERSTAND, "its SOP Instance UID is missing or no UID"))

    def _rename(self, one: _Instance, uid: str) -> None:
        """Who writes new UIDs into data sets often leaves the file meta as it was; what is stored is the data set."""
        spool, one.sop_instance = self._spool, uid
        fill = spool.fill
        spool.begin(one.sop_class, uid, one.transfer_syntax, 0)  # of which nothing is written yet
        spool.fill = fill

    def _refuse(self, one: _Instance, refusal: Refusal) -> None:
        one.refusal = one.refusal or refusal
        self._spool.abandon()

    def _end(self) -> None:
        one, self._instance = self._instance, None
        assert one is not None
        if one.refusal is None and not one.begun:
            self._read_meta(one, ended=True)
        if one.refusal is None:
            self._commit(one)
        self._note(one)

    def _commit(self, one: _Instance) -> None:
        self._look(one)
        if one.refusal is None:
            try:
                self._spool.commit()
            except SpoolUnavailable as error:
                self._refuse(one, Refusal(Status.OUT_OF_RESOURCES, str(error), passing=True))

    def _note(self, one: _Instance) -> None:
        refusal = one.refusal
        named = is_uid(one.sop_instance)
        uids = (one.sop_class, one.sop_instance) if named else ("", "")
        if refusal is None:
            self.parts.append(Part(*uids))
            self.bytes += one.size
        else:
            self._spool.refuse(*uids, refusal.status, refusal.reason)
            self.parts.append(Part(*uids, refusal.status, stored=False))
            self._passing += refusal.passing
        outcome = refusal.status.name.lower() if refusal else "stored"
        self._events.instance(self._spool.peer.calling, outcome, one.size, time.perf_counter() - one.started)


def _named(one: _Instance, study: str, start: bytes) -> tuple[Uids, Refusal | None]:
    """What a data set that begins with `start` names itself, and why it is not what was announced, if so.

    What else is wrong with it is the index's to judge, which keeps it for inspection, as what comes by C-STORE.
    """
    sop_class = ""
    try:
        header = read_header(start, one.transfer_syntax)
        uids, sop_class = Uids(header.study_uid, header.series_uid, header.sop_uid), header.sop_class
    except UnreadableHeader as error:
        if error.fault is Fault.NO_DATA_SET:
            return error.uids, Refusal(Status.CANNOT_UNDERSTAND, "it holds no DICOM data set")
        uids = error.uids
    except Exception:  # the wall that the index has, too: whatever a reader is brought to, it judges there
        return Uids(), None
    if sop_class and sop_class != one.sop_class:
        return uids, Refusal(Status.DATA_SET_MISMATCH, "its file meta names another SOP class than its data set")
    if study and uids.study != study:
        return uids, Refusal(Status.DATA_SET_MISMATCH, "it is of another study than the address names")
    return uids, None
