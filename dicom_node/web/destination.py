"""Sends instances to an archive by STOW-RS (PS3.18 10.5), as they are encoded, under the names that every kind has.

A request carries a batch of files, streamed from disk. There is no negotiation: what an archive refuses for its SOP
class or its transfer syntax is remembered for a while, so that a probe can tell what it takes.
"""

import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.peers import Peer
from dicom_node.outside import words
from dicom_node.part10 import head
from dicom_node.scu.negotiation import Context
from dicom_node.scu.probe import ProbeResult, asked
from dicom_node.scu.store import Echo, Outcome, Outgoing, TakesNoEcho, Verdict, judge
from dicom_node.web import stored
from dicom_node.web.client import HttpClient, asked_of
from dicom_node.web.connection import Answer, explained, quoted
from dicom_node.web.presence import holds
from domain.errors import NodeError, Retryable, Unavailable, UnusableInput
from domain.statuses import described

__all__ = ["echo", "holds", "probe", "send"]

# Of one request: a peer answers when it has all of them, and a broken connection costs them all.
_MOST_FILES, _MOST_BYTES = 64, 32 << 20
_PIECE = 256 << 10
_SOP_CLASS_NOT_SUPPORTED, _SYNTAX_NOT_SUPPORTED = 0x0122, 0xC122  # PS3.18 table I.2-2
# Of a request that holds one file: it is this that the peer does not take. Of several, each is asked for by itself.
_OF_THE_FILES = (400, 409, 413, 415, 500)
_REMEMBERED = 86_400.0  # s


def send(objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float, together: bool) -> Iterator[Outcome]:
    """As `kinds.send`; with `together` who takes a part of a request may still keep that."""
    for batch in _batches(objects):
        yield from _sent(batch, peer, timeout)


def probe(peer: Peer, our_aet: str, timeout: float) -> ProbeResult:
    """Everything but what the peer was seen to refuse, where it is there: DICOMweb does not ask beforehand."""
    try:
        software = _reached(peer, timeout)[0]
    except Retryable as error:
        return ProbeResult(error=error.sentence)
    return ProbeResult(frozenset(asked()) - _refusals.of(peer.address), software)


def echo(peer: Peer, our_aet: str, timeout: float) -> Echo:
    """A search for one study (QIDO-RS), or who offers none is asked whether it stores (OPTIONS, PS3.18 8.9).

    Raises TakesNoEcho where the peer answers and offers neither.
    """
    begun = time.perf_counter()
    software, answer = _reached(peer, timeout)
    if answer.status not in (200, 204) and not _stores(peer, timeout):
        raise TakesNoEcho(f"the peer is there and offers no search: {explained(answer)}")
    return Echo((time.perf_counter() - begun) * 1000, software, 0)


def _reached(peer: Peer, timeout: float) -> tuple[str, Answer]:
    """The name of the peer's software and its answer; raises Retryable where it is not there, or does not let us in."""
    with asked_of(peer, timeout) as client:
        answer = client.request("GET", "/studies", [("limit", "1")], {"accept": stored.JSON})
    if answer.status not in (404, 405, 406, 501):  # who stores may offer no search
        answer.expect(200, 204)
    return words(answer.fields.get("server", "")), answer


def _stores(peer: Peer, timeout: float) -> bool:
    with HttpClient(peer, timeout) as client:
        answer = client.request("OPTIONS", "/studies")
    return answer.status in (200, 204) and "POST" in answer.fields.get("allow", "").upper()


class _Refusals:
    """Which presentation contexts each peer refused, for a day: what it takes may change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[tuple[str, Context], float] = {}

    def note(self, address: str, contexts: Collection[Context]) -> None:
        with self._lock:
            until = time.monotonic() + _REMEMBERED
            self._until.update({(address, context): until for context in contexts})

    def of(self, address: str) -> frozenset[Context]:
        with self._lock:
            now = time.monotonic()
            self._until = {key: until for key, until in self._until.items() if until > now}
            return frozenset(context for where, context in self._until if where == address)


_refusals = _Refusals()


@dataclass(frozen=True)
class _Sized:
    """An object with what stands before its file in the request, and how many bytes its file has."""

    sent: Outgoing
    head: bytes
    size: int


def _batches(objects: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Each within its bounds, and none with an instance twice: an answer knows them by their UIDs alone."""
    batch: dict[str, Outgoing] = {}
    size = 0
    for one in objects:
        if one.sop_instance in batch or len(batch) >= _MOST_FILES or (batch and size + one.size > _MOST_BYTES):
            yield list(batch.values())
            batch, size = {}, 0
        batch[one.sop_instance] = one
        size += one.size
    if batch:
        yield list(batch.values())


def _sent(batch: Sequence[Outgoing], peer: Peer, timeout: float) -> Iterator[Outcome]:
    sized: list[_Sized] = []
    for one in batch:
        try:
            sized.append(_sized(one))
        except OSError as error:  # a file of ours says nothing of the object or of the peer, and may pass
            yield Outcome(one, Verdict.RETRY, f"its file cannot be read: {error.strerror or error}")
    if sized:
        yield from _asked(sized, peer, timeout)


def _sized(one: Outgoing) -> _Sized:
    before = head(one.sop_class, one.sop_instance, one.transfer_syntax) if one.bare else b""
    if isinstance(one.file, bytes):
        return _Sized(one, before, len(one.file))
    with one.file.open("rb") as file:
        return _Sized(one, before, file.seek(0, 2))


def _asked(sized: Sequence[_Sized], peer: Peer, timeout: float) -> Iterator[Outcome]:
    try:
        answer = _post(sized, peer, timeout)
    except Unavailable as error:
        yield from (Outcome(one.sent, Verdict.RETRY, error.sentence, unreached=True) for one in sized)
    except Retryable as error:
        yield from (Outcome(one.sent, Verdict.RETRY, error.sentence, unanswered=True) for one in sized)
    except NodeError as error:  # a setting of ours, which somebody mends
        yield from (Outcome(one.sent, Verdict.RETRY, error.sentence, unreached=True) for one in sized)
    else:
        yield from _judged(sized, answer, peer, timeout)


def _post(sized: Sequence[_Sized], peer: Peer, timeout: float) -> Answer:
    boundary = uuid.uuid4().hex
    opening = f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    closing = f"\r\n--{boundary}--\r\n".encode()
    length = sum(len(opening) + len(one.head) + one.size for one in sized) + len(closing)
    fields = {
        "content-type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "accept": stored.JSON,
    }
    with HttpClient(peer, timeout) as client:
        return client.request("POST", "/studies", (), fields, _body(sized, opening, closing), length)


def _body(sized: Sequence[_Sized], opening: bytes, closing: bytes) -> Iterator[bytes]:
    for one in sized:
        yield opening + one.head
        yield from _file(one.sent.file)
    yield closing


def _file(file: Path | bytes) -> Iterator[bytes]:
    if isinstance(file, bytes):
        yield file
        return
    try:
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE):
                yield piece
    except OSError as error:  # the request is begun: the connection ends with it
        raise Retryable(f"a file cannot be read: {error.strerror or error}") from error


def _judged(sized: Sequence[_Sized], answer: Answer, peer: Peer, timeout: float) -> Iterator[Outcome]:
    said = _said(answer)
    if answer.status in (200, 202, 409) and (said or answer.status == 200):
        yield from _named(sized, said, answer.status, peer, timeout)
    elif answer.status in _OF_THE_FILES and len(sized) > 1:
        yield from _alone(sized, peer, timeout)
    else:
        for one in sized:
            yield _noted(_of_status(one.sent, answer), peer)


def _named(
    sized: Sequence[_Sized], said: Mapping[str, stored.Part], status: int, peer: Peer, timeout: float
) -> Iterator[Outcome]:
    """An answer names an instance as its data set does, and a file meta may name it otherwise."""
    if len(sized) == 1 and len(said) == 1:
        said = {sized[0].sent.sop_instance: next(iter(said.values()))}
    all_stored = status == 200 and all(one.stored for one in said.values()) and len(said) in (0, len(sized))
    unnamed = [one for one in sized if one.sent.sop_instance not in said]
    for one in sized:
        if (part := said.get(one.sent.sop_instance)) is not None:
            yield _noted(_outcome(one.sent, part), peer)
    if all_stored:
        yield from (Outcome(one.sent, Verdict.STORED, "", 0) for one in unnamed)
    elif len(sized) > 1:
        yield from _alone(unnamed, peer, timeout)
    else:
        yield from (Outcome(one.sent, Verdict.RETRY, "the destination's answer does not name it") for one in unnamed)


def _alone(sized: Sequence[_Sized], peer: Peer, timeout: float) -> Iterator[Outcome]:
    """Each in a request of its own, whose answer can be of nothing else."""
    for one in sized:
        yield from _asked([one], peer, timeout)


def _said(answer: Answer) -> dict[str, stored.Part]:
    try:
        return {one.sop_instance: one for one in stored.decode(answer.body, answer.kind)}
    except UnusableInput:
        return {}


def _outcome(one: Outgoing, said: stored.Part) -> Outcome:
    if said.stored:
        return Outcome(one, Verdict.STORED, judge(said.status)[1] if said.status else "", said.status)
    if said.status in (_SOP_CLASS_NOT_SUPPORTED, _SYNTAX_NOT_SUPPORTED):
        what = "SOP class" if said.status == _SOP_CLASS_NOT_SUPPORTED else "transfer syntax"
        reason = f"the destination does not support its {what} (status {said.status:04X}H)"
        return Outcome(one, Verdict.REFUSED, reason, said.status, unaccepted=True)
    verdict, reason = judge(said.status)
    if verdict is Verdict.STORED and said.status != 0x0111:  # it is among those that failed
        verdict, reason = Verdict.RETRY, f"the destination could not store it: {described(said.status)}"
    return Outcome(one, verdict, reason, said.status)


def _of_status(one: Outgoing, answer: Answer) -> Outcome:
    """What an answer without a word about the instance means for it."""
    detail = f": {text}" if (text := quoted(answer)) else ""
    reason = f"the destination did not store it: {explained(answer)}{detail}"
    refused = answer.status in (400, 413, 415)
    return Outcome(one, Verdict.REFUSED if refused else Verdict.RETRY, reason, unaccepted=answer.status == 415)


def _noted(outcome: Outcome, peer: Peer) -> Outcome:
    if outcome.unaccepted:
        sop_class, _ = context = outcome.sent.context
        known = asked() if outcome.status == _SOP_CLASS_NOT_SUPPORTED else ()
        _refusals.note(peer.address, [context, *(one for one in known if one[0] == sop_class)])
    return outcome
