"""Sends instances to an archive by C-STORE (PS3.4 annex B), as they are encoded, and says what became of each.

One association carries all objects of a call. Nothing is decoded, converted or logged; no database is touched.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from config.peers import Peer
from dicom_node import elements
from dicom_node.dimse import Malformed, Operation, decode_status, encode_request
from dicom_node.elements import OutOfData
from dicom_node.pdu import MOST_CONTEXTS
from dicom_node.scu.negotiation import Context
from dicom_node.scu.requestor import Association, associate
from dicom_node.syntaxes import VERIFICATION
from domain.errors import Retryable, UnusableInput
from domain.statuses import SUCCESS, described, is_warning, outcome


class TakesNoEcho(Retryable):
    """A destination that takes associations, and no Verification in them."""


_VERIFICATION: Context = (VERIFICATION, elements.IMPLICIT)
# Bytes of a file meta: a few UIDs, but private information may be added to it (PS3.10 7.1).
_USUAL_META, _LARGEST_META = 4 << 10, 1 << 20


class Verdict(StrEnum):
    """What became of an object."""

    STORED = "stored"
    REFUSED = "refused"  # the destination never will take it
    RETRY = "retry"


@dataclass(frozen=True)
class Outgoing:
    """A Part 10 file, as a path or as bytes, and what its association must know of it.

    `bare` is a file of a data set alone, without preamble and file meta information.
    """

    file: Path | bytes
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    bare: bool = False

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

    `unaccepted` says that the peer did not accept the presentation context, so that another form of it may go;
    `unanswered` that it was under way when the association ended, so that it may be there; `unreached` that no
    association could be had.
    """

    sent: Outgoing
    verdict: Verdict
    reason: str
    status: int | None = None
    unaccepted: bool = False
    unanswered: bool = False
    unreached: bool = False


@dataclass(frozen=True)
class Echo:
    """A C-ECHO's answer: milliseconds from request to response, and the name that the peer gives its software."""

    milliseconds: float
    implementation: str
    status: int


def send(
    objects: Sequence[Outgoing],
    destination: Peer,
    our_aet: str,
    timeout: float = 30.0,
    together: bool = False,
) -> Iterator[Outcome]:
    """Send `objects` and yield one outcome each, as it becomes known; never raises for what the destination does.

    More than 128 different pairs of SOP class and transfer syntax take several associations. A rejected association is
    RETRY even where the peer calls it permanent: the usual cause is an AE title that an administrator will enter yet.
    `timeout` (s) is for each connection and each answer as a whole, and bounds how long an object may take by its size.
    With `together` nothing is sent in an association that lacks a presentation context for anything: objects that refer
    to each other arrive together. A file of ours that cannot be read is tried again.
    """
    for batch in _batches(objects):
        waiting, opened = list(batch), False
        try:
            contexts = list(dict.fromkeys(one.context for one in batch))
            with associate(destination, our_aet, contexts, timeout) as association:
                opened = True
                if together and association.negotiated.refused:
                    yield from _unsent(association, batch)
                    waiting.clear()
                while waiting:
                    outcome = _store(association, waiting[0], len(batch) - len(waiting) + 1)
                    del waiting[0]
                    yield outcome
        except Retryable as error:
            for number, one in enumerate(waiting):
                under_way = opened and number == 0
                yield Outcome(one, Verdict.RETRY, str(error), unanswered=under_way, unreached=not opened)


def echo(destination: Peer, our_aet: str, timeout: float = 30.0) -> Echo:
    """Ask `destination` whether it is there (PS3.4 annex A); raises Retryable with the reason where it is not."""
    with associate(destination, our_aet, [_VERIFICATION], timeout) as association:
        if _VERIFICATION not in association.negotiated.accepted:
            raise TakesNoEcho("the destination takes no C-ECHO")
        begun = time.perf_counter()
        status = _status(association.request(_VERIFICATION, encode_request(Operation.C_ECHO, 1, _VERIFICATION[0])))
        return Echo((time.perf_counter() - begun) * 1000, association.negotiated.implementation, status)


def outgoing(path: Path) -> Outgoing:
    """The Part 10 file at `path`; raises UnusableInput where it is none, or one that cannot be read."""
    try:
        with path.open("rb") as file:
            meta = _file_meta(file)
    except OSError as error:
        raise UnusableInput(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        sop_class, instance, syntax = (meta[number].rstrip(b"\0 ").decode("ascii") for number in (0x02, 0x03, 0x10))
    except (KeyError, UnicodeDecodeError) as error:
        raise UnusableInput("its file meta lacks the SOP class, the SOP instance or the transfer syntax") from error
    return Outgoing(path, sop_class, instance, syntax)


def judge(status: int) -> tuple[Verdict, str]:
    """What a C-STORE status means for the object (PS3.4 B.2.3, PS3.7 annex C)."""
    if status == SUCCESS:
        return Verdict.STORED, ""
    if is_warning(status):
        return Verdict.STORED, outcome(status, stored=True)
    if status == 0x0111:  # our UIDs are derived from the content, so what is there is the same object
        return Verdict.STORED, "was there already"
    if status in _LASTING or status & 0xFF00 == 0xA900 or status & 0xF000 == 0xC000:
        return Verdict.REFUSED, f"the destination refused it: {described(status)}"
    return Verdict.RETRY, f"the destination could not store it: {described(status)}"


# PS3.7 annex C: statuses that the same object will get again.
_LASTING = {0x0117, 0x0118, 0x0122, 0x0211, 0x0212}


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
    command = encode_request(Operation.C_STORE, (number - 1) % 0xFFFF + 1, one.sop_class, one.sop_instance)
    try:
        with _opened(one.file) as file:
            with _own_file():
                if not one.bare:
                    _file_meta(file)
            answer = association.request(one.context, command, _pieces(file, association.chunk))
    except UnusableInput as error:
        return Outcome(one, Verdict.REFUSED, str(error))
    except _Unreadable as error:
        return Outcome(one, Verdict.RETRY, str(error))
    status = _status(answer)
    verdict, reason = judge(status)
    return Outcome(one, verdict, reason, status)


@contextmanager
def _opened(file: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(file, bytes):
        yield BytesIO(file)
        return
    with _own_file():
        opened = file.open("rb")
    with opened:
        yield opened


@contextmanager
def _own_file() -> Iterator[None]:
    """What goes wrong with a file of ours says nothing of the object or of the destination, and may pass."""
    try:
        yield
    except OSError as error:
        raise _Unreadable(f"its file cannot be read: {error.strerror or error}") from error


class _Unreadable(Retryable):
    """A file of ours could not be read, before anything of it was sent."""


def _file_meta(file: BinaryIO) -> dict[int, bytes]:
    """The elements of group 0002 by element number; leaves `file` at the first byte of the data set."""
    start = file.read(_USUAL_META)
    try:
        found, begins = elements.file_meta(start)
    except OutOfData:
        found, begins = elements.file_meta(start + file.read(_LARGEST_META))
    file.seek(begins)
    return found


def _pieces(file: BinaryIO, chunk: int) -> Iterator[memoryview]:
    with _own_file():
        piece = file.read(chunk)
    if not piece:
        raise UnusableInput("its file holds no data set")
    while piece:
        # Only a deflated data set can end at an odd byte; PS3.5 A.5 pads it with a null.
        yield memoryview(piece + b"\0" * (len(piece) % 2))
        try:
            piece = file.read(chunk)
        except OSError as error:  # the message is begun: the association ends with it
            raise Retryable(f"its file cannot be read: {error.strerror or error}") from error


def _status(command: bytes) -> int:
    try:
        return decode_status(command)
    except Malformed as error:
        raise Retryable(f"the destination's answer cannot be read: {error}") from error
