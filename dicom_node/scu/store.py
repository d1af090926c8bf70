"""Sends instances to an archive by C-STORE (PS3.4 annex B), as they are encoded, and says what became of each.

One association carries all objects of a call. Nothing is decoded, converted or logged; no database is touched.
"""

import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from config.settings import Destination
from dicom_node.scu.requestor import MOST_CONTEXTS, Association, Context, associate
from domain.errors import Retryable, UnusableInput

_VERIFICATION: Context = ("1.2.840.10008.1.1", "1.2.840.10008.1.2")
# Value representations with a length of four bytes (PS3.5 7.1.2).
_LONG_FORM = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_C_STORE, _C_ECHO = 0x0001, 0x0030
_WITH_DATA, _WITHOUT_DATA = 0x0001, 0x0101
_LARGEST_META = 1 << 20  # bytes of a file meta value; they are UIDs, so more is not a DICOM file


class Verdict(StrEnum):
    """What became of an object."""

    STORED = "stored"
    REFUSED = "refused"  # the destination never will take it
    RETRY = "retry"


@dataclass(frozen=True)
class Outgoing:
    """A Part 10 file, as a path or as bytes, and what its association must know of it."""

    file: Path | bytes
    sop_class: str
    sop_instance: str
    transfer_syntax: str

    @property
    def context(self) -> Context:
        """The presentation context that it needs."""
        return self.sop_class, self.transfer_syntax

    @property
    def size(self) -> int:
        """Bytes of the file; 0 where it cannot be read."""
        if isinstance(self.file, bytes):
            return len(self.file)
        try:
            return self.file.stat().st_size
        except OSError:
            return 0


@dataclass(frozen=True)
class Outcome:
    """What became of `sent`; `status` is the peer's C-STORE status where it gave one.

    `unaccepted` says that the peer did not accept the presentation context, so that another form of it may go.
    """

    sent: Outgoing
    verdict: Verdict
    reason: str
    status: int | None = None
    unaccepted: bool = False


@dataclass(frozen=True)
class Echo:
    """A C-ECHO's answer: milliseconds from request to response, and the name that the peer gives its software."""

    milliseconds: float
    implementation: str
    status: int


def send(
    objects: Sequence[Outgoing],
    destination: Destination,
    our_aet: str,
    timeout: float = 30.0,
    together: bool = False,
) -> Iterator[Outcome]:
    """Send `objects` and yield one outcome each, as it becomes known; never raises for what the destination does.

    More than 128 different pairs of SOP class and transfer syntax take several associations. A rejected association is
    RETRY even where the peer calls it permanent: the usual cause is an AE title that an administrator will enter yet.
    `timeout` (s) is for each connection, each answer and each pause in the flow. With `together` nothing is sent in an
    association that lacks a presentation context for anything: objects that refer to each other arrive together.
    """
    for batch in _batches(objects):
        waiting = list(batch)
        try:
            contexts = list(dict.fromkeys(one.context for one in batch))
            with associate(destination, our_aet, contexts, timeout) as association:
                if together and association.negotiated.refused:
                    yield from _unsent(association, batch)
                    waiting.clear()
                while waiting:
                    outcome = _store(association, waiting[0], len(batch) - len(waiting) + 1)
                    del waiting[0]
                    yield outcome
        except Retryable as error:
            yield from (Outcome(one, Verdict.RETRY, str(error)) for one in waiting)


def echo(destination: Destination, our_aet: str, timeout: float = 30.0) -> Echo:
    """Ask `destination` whether it is there (PS3.4 annex A); raises Retryable with the reason where it is not."""
    with associate(destination, our_aet, [_VERIFICATION], timeout) as association:
        if _VERIFICATION not in association.negotiated.accepted:
            raise Retryable("the destination takes no C-ECHO")
        begun = time.perf_counter()
        status = _status(association.request(_VERIFICATION, _command(_C_ECHO, _VERIFICATION[0], 1)))
        return Echo((time.perf_counter() - begun) * 1000, association.negotiated.implementation, status)


def outgoing(path: Path) -> Outgoing:
    """The Part 10 file at `path`; raises UnusableInput where it is none, or one that cannot be read."""
    try:
        with path.open("rb") as file:
            meta = _file_meta(file)
    except OSError as error:
        raise UnusableInput(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        return Outgoing(path, *(meta[number].rstrip(b"\0 ").decode("ascii") for number in (0x02, 0x03, 0x10)))
    except (KeyError, UnicodeDecodeError) as error:
        raise UnusableInput("its file meta lacks the SOP class, the SOP instance or the transfer syntax") from error


def judge(status: int) -> tuple[Verdict, str]:
    """What a C-STORE status means for the object (PS3.4 B.2.3, PS3.7 annex C)."""
    if status == 0x0000:
        return Verdict.STORED, ""
    if status & 0xF000 == 0xB000 or status == 0x0001:
        return Verdict.STORED, f"stored with warning {status:04X}"
    if status == 0x0111:  # our UIDs are derived from the content, so what is there is the same object
        return Verdict.STORED, "was there already"
    if status in _LASTING or status & 0xFF00 == 0xA900 or status & 0xF000 == 0xC000:
        return Verdict.REFUSED, f"the destination refused it: {_meaning(status)} ({status:04X})"
    return Verdict.RETRY, f"the destination could not store it: {_meaning(status)} ({status:04X})"


# PS3.7 annex C: statuses that the same object will get again.
_LASTING = {
    0x0117: "invalid SOP instance UID",
    0x0118: "no such SOP class",
    0x0122: "SOP class not supported",
    0x0211: "unrecognised operation",
    0x0212: "mistyped argument",
}


def _meaning(status: int) -> str:
    if status & 0xFF00 == 0xA700:
        return "out of resources"
    if status & 0xFF00 == 0xA900:
        return "data set does not match SOP class"
    if status & 0xF000 == 0xC000:
        return "cannot understand it"
    return _LASTING.get(status) or {0x0110: "processing failure", 0x0124: "not authorised"}.get(status, "failure")


def _batches(objects: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    contexts = list(dict.fromkeys(one.context for one in objects))
    for start in range(0, len(contexts), MOST_CONTEXTS):
        together = set(contexts[start : start + MOST_CONTEXTS])
        yield [one for one in objects if one.context in together]


def _unsent(association: Association, batch: Sequence[Outgoing]) -> Iterator[Outcome]:
    for one in batch:
        refused = _unaccepted(association, one)
        yield refused or Outcome(one, Verdict.RETRY, "it waits for what goes with it, which the destination refused")


def _unaccepted(association: Association, one: Outgoing) -> Outcome | None:
    reason = association.negotiated.refused.get(one.context)
    return Outcome(one, Verdict.REFUSED, reason, unaccepted=True) if reason else None


def _store(association: Association, one: Outgoing, number: int) -> Outcome:
    if refused := _unaccepted(association, one):
        return refused
    command = _command(_C_STORE, one.sop_class, (number - 1) % 0xFFFF + 1, one.sop_instance)
    try:
        with _opened(one.file) as file:
            _file_meta(file)
            answer = association.request(one.context, command, _pieces(file, association.chunk))
    except UnusableInput as error:
        return Outcome(one, Verdict.REFUSED, str(error))
    status = _status(answer)
    verdict, reason = judge(status)
    return Outcome(one, verdict, reason, status)


@contextmanager
def _opened(file: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(file, bytes):
        yield BytesIO(file)
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise UnusableInput(f"its file cannot be read: {error.strerror}") from error
    with opened:
        yield opened


def _file_meta(file: BinaryIO) -> dict[int, bytes]:
    """The elements of group 0002 (PS3.10 7.1) by element number; leaves `file` at the first byte of the data set."""
    if file.read(132)[128:] != b"DICM":
        raise UnusableInput("it is not a DICOM Part 10 file")
    found: dict[int, bytes] = {}
    while True:
        start = file.tell()
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            file.seek(start)
            return found
        size = struct.unpack("<I", file.read(4))[0] if head[4:6] in _LONG_FORM else struct.unpack("<H", head[6:])[0]
        if size > _LARGEST_META:
            raise UnusableInput("its file meta is damaged")
        found[struct.unpack("<H", head[2:4])[0]] = file.read(size)


def _pieces(file: BinaryIO, chunk: int) -> Iterator[memoryview]:
    piece = file.read(chunk)
    if not piece:
        raise UnusableInput("its file holds no data set")
    while piece:
        # Only a deflated data set can end at an odd byte; PS3.5 A.5 pads it with a null.
        yield memoryview(piece + b"\0" * (len(piece) % 2))
        piece = file.read(chunk)


def _command(field: int, sop_class: str, message: int, sop_instance: str | None = None) -> bytes:
    """A request's command set, implicit VR little endian (PS3.7 6.3.1, 9.3.1.1, 9.3.5.1)."""
    elements = _uid(0x0002, sop_class) + _number(0x0100, field) + _number(0x0110, message)
    if sop_instance is None:
        elements += _number(0x0800, _WITHOUT_DATA)
    else:
        elements += _number(0x0700, 0) + _number(0x0800, _WITH_DATA) + _uid(0x1000, sop_instance)
    return struct.pack("<HHII", 0, 0, 4, len(elements)) + elements


def _number(element: int, value: int) -> bytes:
    return struct.pack("<HHIH", 0, element, 2, value)


def _uid(element: int, value: str) -> bytes:
    text = value.encode("ascii")
    text += b"\0" * (len(text) % 2)
    return struct.pack("<HHI", 0, element, len(text)) + text


def _status(command: bytes) -> int:
    """(0000,0900) of a response."""
    position = 0
    while position + 8 <= len(command):
        group, element, size = struct.unpack_from("<HHI", command, position)
        if (group, element, size) == (0, 0x0900, 2) and position + 10 <= len(command):
            return int(struct.unpack_from("<H", command, position + 8)[0])
        position += 8 + size
    raise Retryable("the destination answered without a status")
