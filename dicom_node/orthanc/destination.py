"""Results to an Orthanc by its REST API, and whether they are there afterwards."""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from config.peers import Destination, Peer
from dicom_node.orthanc.answers import Upload
from dicom_node.orthanc.files import are_same, opened
from dicom_node.orthanc.rest import NotFound, NotNow, Orthanc, Refused, asked_of
from dicom_node.part10 import head
from dicom_node.scu.probe import ProbeResult, asked
from dicom_node.scu.store import Echo, Outcome, Outgoing, Verdict
from domain.errors import ConfigurationError, NodeError, Retryable, Unavailable
from domain.statuses import SUCCESS

_log = logging.getLogger(__name__)
_PIECE = 256 << 10
_LONGEST_NAME = 100
_OTHER = "it holds something else under this SOP Instance UID"
_ABSENT = "it has no such instance"


def send(
    objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float = 30.0, together: bool = False
) -> Iterator[Outcome]:
    """As `dicom_node.scu.kinds.send`. Once all are there, their studies get the destination's label.

    What Orthanc has already is stored where it is the same data set, and refused where it is another. Nothing is
    negotiated, so that `together` asks for nothing more.
    """
    studies: set[str] = set()
    waiting = list(objects)
    with Orthanc(peer, timeout) as orthanc:
        try:
            while waiting:
                outcome = _store(orthanc, waiting[0], studies)
                del waiting[0]
                yield outcome
        except (Retryable, ConfigurationError) as error:
            away = isinstance(error, (Unavailable, ConfigurationError))
            for number, one in enumerate(waiting):
                unanswered = not away and number == 0
                yield Outcome(one, Verdict.RETRY, error.sentence, unanswered=unanswered, unreached=away)
        else:
            _mark(orthanc, peer, studies)


def holds(objects: Sequence[Outgoing], peer: Peer, our_aet: str, timeout: float = 30.0) -> Mapping[str, str]:
    """Why an object is not at `peer` as it was sent, by its SOP Instance UID; "" for one that is.

    Raises Retryable where it cannot be asked. One that it keeps in another transfer syntax is there.
    """
    with asked_of(peer, timeout) as orthanc:
        return {one.sop_instance: _lacks(orthanc, one) for one in objects}


def probe(peer: Peer, our_aet: str, timeout: float = 30.0) -> ProbeResult:
    """What `peer` takes: every Part 10 file. Never raises for what it does."""
    try:
        with asked_of(peer, timeout) as orthanc:
            return ProbeResult(frozenset(asked()), _name(orthanc), 0)
    except Retryable as error:
        return ProbeResult(error=error.sentence)


def echo(peer: Peer, our_aet: str, timeout: float = 30.0) -> Echo:
    """Ask `peer` whether it is there; raises Retryable with the reason where it is not."""
    with asked_of(peer, timeout) as orthanc:
        begun = time.perf_counter()
        version = orthanc.system().version
        return Echo((time.perf_counter() - begun) * 1000, f"Orthanc {version}", SUCCESS)


def _name(orthanc: Orthanc) -> str:
    name, plugins = f"Orthanc {orthanc.system().version}", ", ".join(sorted(orthanc.plugins()))
    return (f"{name} ({plugins})" if plugins else name)[:_LONGEST_NAME]


def _store(orthanc: Orthanc, one: Outgoing, studies: set[str]) -> Outcome:
    """Raises Retryable where what comes behind it fares no better."""
    try:
        with _file(one) as (file, size):
            said = orthanc.upload(_pieces(file), size)
        verdict, reason = _judge(orthanc, one, said)
    except (NotNow, NotFound, _Unreadable) as error:  # where nothing is found the address is wrong, not the object
        return Outcome(one, Verdict.RETRY, error.sentence)
    except Refused as error:
        return Outcome(one, Verdict.REFUSED, f"the destination refused it: {error.sentence}")
    if verdict is not Verdict.STORED:
        return Outcome(one, verdict, reason)
    studies.add(said.study)
    return Outcome(one, verdict, reason, SUCCESS)


def _judge(orthanc: Orthanc, one: Outgoing, said: Upload) -> tuple[Verdict, str]:
    if said.status == "Success":
        return Verdict.STORED, ""
    if said.status == "AlreadyStored":
        other = _differs(orthanc, said.instance, one)
        return (Verdict.REFUSED, other) if other else (Verdict.STORED, "was there already")
    if said.status == "FilteredOut":
        return Verdict.REFUSED, "the destination refused it: a filter of its own does not let it in"
    return Verdict.RETRY, "the destination could not store it"


def _lacks(orthanc: Orthanc, one: Outgoing) -> str:
    found = orthanc.lookup(one.sop_instance, "Instance")
    reasons = [_differs(orthanc, instance, one) for instance in found]
    return "" if "" in reasons else next(iter(reasons), _ABSENT)


def _differs(orthanc: Orthanc, instance: str, one: Outgoing) -> str:
    """Why what it holds is not what was sent; "" where it is.

    A file that reached it by C-STORE has a file meta of its own, and one that it transcoded another transfer syntax.
    """
    try:
        with _file(one) as (file, _):
            if orthanc.md5(instance) == _md5(file):
                return ""
        syntax = orthanc.metadata(instance, "TransferSyntax")
        if syntax and syntax != one.transfer_syntax:
            return ""
        with orthanc.file(instance) as theirs, _file(one) as (file, _):
            return "" if are_same(opened(_pieces(file)).pieces, opened(theirs).pieces) else _OTHER
    except NotFound:
        return _ABSENT
    except NodeError as error:
        if isinstance(error, Retryable):
            raise
        return _OTHER


def _md5(file: BinaryIO) -> str:
    """Orthanc's digest of a file, which protects from accidents and from nobody."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in _pieces(file):
        digest.update(piece)
    return digest.hexdigest()


def _mark(orthanc: Orthanc, peer: Peer, studies: set[str]) -> None:
    """Label the studies; that fails no delivery."""
    if not (isinstance(peer, Destination) and peer.label and studies):
        return
    try:
        if orthanc.system().has_labels:
            for study in sorted(studies):
                orthanc.label(study, peer.label)
        elif peer.label_metadata:
            for study in sorted(studies):
                orthanc.annotate(study, peer.label_metadata, peer.label)
        else:
            _log.info("it has no labels before its version 1.12", extra={"destination": peer.name})
    except NodeError as error:
        _log.warning(
            "results are there, and their study is not labelled",
            extra={"destination": peer.name, "reason": error.sentence},
        )


class _Unreadable(Retryable):
    """A file of ours cannot be read, which may pass."""


@contextmanager
def _file(one: Outgoing) -> Iterator[tuple[BinaryIO, int]]:
    """A Part 10 file of it, and its size."""
    if one.bare:
        begins = head(one.sop_class, one.sop_instance, one.transfer_syntax)
        yield BytesIO(begins + _held(one)), len(begins) + one.size
    elif isinstance(one.file, bytes):
        yield BytesIO(one.file), one.size
    else:
        try:
            file = one.file.open("rb")
        except OSError as error:
            raise _Unreadable(f"its file cannot be read: {error.strerror or error}") from error
        with file:
            yield file, one.size


def _held(one: Outgoing) -> bytes:
    try:
        return one.file if isinstance(one.file, bytes) else one.file.read_bytes()
    except OSError as error:
        raise _Unreadable(f"its file cannot be read: {error.strerror or error}") from error


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    try:
        while piece := file.read(_PIECE):
            yield piece
    except OSError as error:
        raise _Unreadable(f"its file cannot be read: {error.strerror or error}") from error
