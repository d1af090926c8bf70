"""Storage commitment's data sets (PS3.4 annex J, PS3.3 C.14): what is asked and what is reported, read and written.

Little endian, with VRs or without; what is read is walked through within bounds, and nothing of it is kept but UIDs.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dicom_node import elements
from dicom_node.outside import LONGEST_UID, ascii_words, is_uid
from domain.errors import NodeError, UnusableInput

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"  # well-known (PS3.4 J.3.5)
REQUEST = 1  # Action Type ID (PS3.4 table J.3-1)
SUCCESSFUL, WITH_FAILURES = 1, 2  # Event Type IDs (PS3.4 table J.3-2)

# A request or report of more is refused: the largest studies have a tenth of this.
MOST_REFERENCES = 50_000
# An item has a head, two or three elements and perhaps a delimiter; the rest is for what others put beside them.
_STEPS = 16 * MOST_REFERENCES

_REFERENCED, _FAILED = 0x0008_1199, 0x0008_1198
_CLASS, _INSTANCE, _TRANSACTION, _REASON = 0x0008_1150, 0x0008_1155, 0x0008_1195, 0x0008_1197
_US = struct.Struct("<H")


class NoCommitment(NodeError):
    """The data set lacks what a request or a report must have, or has what it may not."""


class TooManyReferences(NoCommitment):
    """It names more instances than are taken at once."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance by its SOP class and UID."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True)
class CommitmentRequest:
    """What is asked in an N-ACTION: whether these instances are kept."""

    transaction: str
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class CommitmentReport:
    """What is said in an N-EVENT-REPORT; `failed` with a reason each (PS3.3 C.14.1.1)."""

    transaction: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...] = ()

    @property
    def event(self) -> int:
        """Its Event Type ID."""
        return WITH_FAILURES if self.failed else SUCCESSFUL


def read_request(data: bytes, transfer_syntax: str) -> CommitmentRequest:
    """The request in a data set; an instance that it names twice is one. Raises NoCommitment."""
    transaction, referenced, _ = _read(data, transfer_syntax)
    if not referenced:
        raise NoCommitment("Referenced SOP Sequence is missing or empty")
    return CommitmentRequest(transaction, tuple(dict.fromkeys(reference for reference, _ in referenced)))


def read_report(data: bytes, transfer_syntax: str) -> CommitmentReport:
    """The report in a data set; raises NoCommitment."""
    transaction, referenced, failed = _read(data, transfer_syntax)
    if not (referenced or failed):
        raise NoCommitment("it reports of no instance")
    return CommitmentReport(transaction, tuple(reference for reference, _ in referenced), tuple(failed))


def encode_request(request: CommitmentRequest, transfer_syntax: str) -> bytes:
    """The data set of an N-ACTION."""
    write = _Writer(transfer_syntax)
    items = (write.reference(one) for one in request.references)
    return write.uid(_TRANSACTION, request.transaction) + write.sequence(_REFERENCED, items)


def encode_report(report: CommitmentReport, transfer_syntax: str) -> bytes:
    """The data set of an N-EVENT-REPORT; a sequence without items is left out (PS3.4 table J.3-2)."""
    write = _Writer(transfer_syntax)
    failed = [write.reference(one) + write.number(_REASON, reason) for one, reason in report.failed]
    committed = [write.reference(one) for one in report.committed]
    return b"".join(
        (
            write.uid(_TRANSACTION, report.transaction),
            write.sequence(_FAILED, failed) if failed else b"",
            write.sequence(_REFERENCED, committed) if committed else b"",
        )
    )


_Found = list[tuple[Reference, int]]


def _read(data: bytes, transfer_syntax: str) -> tuple[str, _Found, _Found]:
    transaction = ""
    found: dict[int, list[dict[int, bytes]]] = {_REFERENCED: [], _FAILED: []}
    course = elements.Course(elements.steps(_STEPS))
    try:
        for path, tag, start, end in elements.walk(data, transfer_syntax, into=found.keys(), course=course):
            if not path and tag == _TRANSACTION:
                transaction = ascii_words(data[start:end], LONGEST_UID + 1)
            elif len(path) == 1 and path[0] in found:
                _note(found[path[0]], tag, data[start:end])
    except elements.TooManyElements as error:
        raise TooManyReferences("it has more elements than are read") from error
    except UnusableInput as error:
        raise NoCommitment("the data set cannot be read") from error
    if not is_uid(transaction):
        raise NoCommitment("Transaction UID is missing or no UID")
    return transaction, list(_references(found[_REFERENCED])), list(_references(found[_FAILED]))


def _note(items: list[dict[int, bytes]], tag: int, value: bytes) -> None:
    if tag == elements.ITEM:
        if len(items) == MOST_REFERENCES:
            raise TooManyReferences(f"it names more than {MOST_REFERENCES} instances")
        items.append({})
    elif tag in (_CLASS, _INSTANCE, _REASON) and items:
        items[-1][tag] = value


def _references(items: Sequence[dict[int, bytes]]) -> Iterator[tuple[Reference, int]]:
    for item in items:
        sop_class, instance = (ascii_words(item.get(tag, b""), LONGEST_UID + 1) for tag in (_CLASS, _INSTANCE))
        if not (is_uid(sop_class) and is_uid(instance)):
            raise NoCommitment("an item names no SOP class and instance by their UIDs")
        reason = item.get(_REASON, b"")
        yield Reference(sop_class, instance), _US.unpack(reason)[0] if len(reason) == _US.size else 0


class _Writer:
    """Elements in little endian, with VRs where the transfer syntax has them."""

    def __init__(self, transfer_syntax: str) -> None:
        self._explicit = transfer_syntax != elements.IMPLICIT

    def uid(self, tag: int, value: str) -> bytes:
        encoded = value.encode("ascii", "replace")
        return self._element(tag, b"UI", encoded + b"\0" * (len(encoded) % 2))

    def number(self, tag: int, value: int) -> bytes:
        return self._element(tag, b"US", _US.pack(value))

    def reference(self, one: Reference) -> bytes:
        return self.uid(_CLASS, one.sop_class) + self.uid(_INSTANCE, one.sop_instance)

    def sequence(self, tag: int, items: Iterable[bytes]) -> bytes:
        value = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
        if not self._explicit:
            return self._element(tag, b"", value)
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"SQ", 0, len(value)) + value

    def _element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        if self._explicit:
            return struct.pack("<HH2sH", group, number, vr, len(value)) + value
        return struct.pack("<HHI", group, number, len(value)) + value
