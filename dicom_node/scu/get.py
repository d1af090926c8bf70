"""Has an archive give series on the association that asks for them, by C-GET (PS3.4 C.4.3).

So it need not know where we are. What it gives is stored as by a listener: each instance is durable in a spool before
it is answered.
"""

import time
from collections.abc import Iterator, Sequence

from pydicom import Dataset

from config.peers import Peer
from dicom_node import elements
from dicom_node.attributes.reader import text_of
from dicom_node.dimse import (
    Command,
    Malformed,
    Operation,
    Status,
    decode_answer,
    decode_command,
    encode_query,
    encode_response,
)
from dicom_node.outside import is_uid
from dicom_node.pdu import MOST_CONTEXTS
from dicom_node.scu.archived import Fetched
from dicom_node.scu.fetch_spool import FetchSpool
from dicom_node.scu.find import IMPLICIT_OR_EXPLICIT, MESSAGE_ID, STUDY_ROOT, TakesNoQuery, find, identifier
from dicom_node.scu.negotiation import Context
from dicom_node.scu.requestor import Association, associate
from dicom_node.spool import Close, SpoolUnavailable
from dicom_node.spool import Peer as Caller
from dicom_node.syntaxes import storage_sop_classes
from domain.errors import Retryable
from domain.statuses import SUCCESS, described

STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"

_GET_RESPONSE = Operation.C_GET | 0x8000
_WITH_FAILURES = 0xB000
_LOOKED_AT = 50  # images of a series whose SOP class is asked for
# Of archives that do not say: CT, enhanced CT, MR, enhanced MR, CR, DX, PET, NM.
_COMMON = tuple(f"1.2.840.10008.5.1.4.1.1.{one}" for one in ("2", "2.1", "4", "4.1", "1", "1.1", "128", "20"))
# As they may be stored there, what is sent most first: a peer takes the context that it has the instance in.
_SYNTAXES = (
    *(elements.EXPLICIT, elements.IMPLICIT),
    *(f"1.2.840.10008.1.2.4.{one}" for one in (70, 80, 90, 57, 50, 51, 81, 91, 201, 202, 203)),
    *("1.2.840.10008.1.2.5", elements.DEFLATED, elements.EXPLICIT_BIG),
)


def get(peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float, into: FetchSpool) -> Fetched:
    """Have `peer` give these series of a study into a spool; how many instances came.

    `timeout` (s) is for each question, and for all that comes. Raises Unavailable where nobody answers, TakesNoQuery
    where the peer gives nothing in this way, and Retryable where it could not, or not in time.
    """
    until = time.monotonic() + timeout
    classes = _classes(peer, our_aet, study_uid, series, timeout)
    asking: list[Context] = [(STUDY_ROOT_GET, syntax) for syntax in IMPLICIT_OR_EXPLICIT]
    storing: list[Context] = [(one, syntax) for syntax in _SYNTAXES for one in classes]
    contexts = [*asking, *storing][:MOST_CONTEXTS]
    with associate(peer, our_aet, contexts, timeout, provides=classes) as association:
        context = next((one for one in asking if one in association.negotiated.accepted), None)
        if context is None:
            raise TakesNoQuery("the peer takes no C-GET from us: its retrieve service has to be allowed there")
        return _got(association, context, study_uid, series, _Incoming(association, peer, our_aet, into), until)


def _got(
    association: Association,
    context: Context,
    study_uid: str,
    series: Sequence[str],
    incoming: "_Incoming",
    until: float,
) -> Fetched:
    how, reason = Close.RELEASED, ""
    try:
        for uid in series:
            keys = Dataset()
            keys.StudyInstanceUID, keys.SeriesInstanceUID = study_uid, uid
            command = encode_query(Operation.C_GET, MESSAGE_ID, STUDY_ROOT_GET)
            association.say(context, command, identifier(context, "SERIES", keys))
            status = incoming.take(max(1.0, until - time.monotonic()))
            if status not in (SUCCESS, _WITH_FAILURES):
                raise Retryable(f"the peer could not give a series: {described(status)}")
    except Retryable as error:
        how, reason = Close.LOST, error.sentence
        raise
    finally:
        incoming.close(how, reason)
    return Fetched(incoming.stored, incoming.refused)


def _classes(peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float) -> Sequence[str]:
    """The SOP classes that the series have, as far as the archive says."""
    found: set[str] = set()
    for uid in series:
        keys = Dataset()
        keys.StudyInstanceUID, keys.SeriesInstanceUID, keys.SOPInstanceUID, keys.SOPClassUID = study_uid, uid, "", ""
        found |= {
            text_of(one, "SOPClassUID") for one in find(peer, our_aet, STUDY_ROOT, "IMAGE", keys, timeout, _LOOKED_AT)
        }
    return sorted(found & storage_sop_classes()) or _COMMON


class _Incoming:
    """What comes on the association, on its way into the spool. `stored` and `refused` count instances."""

    def __init__(self, association: Association, peer: Peer, our_aet: str, into: FetchSpool) -> None:
        self.stored = self.refused = 0
        self._association = association
        self._syntaxes = {number: syntax for (_, syntax), number in association.negotiated.accepted.items()}
        self._classes = {number: name for (name, _), number in association.negotiated.accepted.items()}
        self._longest = into.longest
        self._writer = into.writer()
        self._spool = self._writer.open_association(Caller(peer.calling, our_aet, peer.endpoint[0]), {})

    def close(self, how: Close, reason: str) -> None:
        """Nothing more comes."""
        self._writer.close_association(self._spool, how, reason)

    def take(self, seconds: float) -> int:
        """Store what comes until the peer says that it is through; the status that it gives."""
        for number, command, data in self._association.messages(seconds):
            try:
                asked = decode_command(command)
                if asked.field == _GET_RESPONSE:
                    answer = decode_answer(command)
                    if asked.has_data_set:
                        _passed_over(data)
                    if not answer.is_pending:
                        return answer.status
                    continue
            except Malformed as error:
                raise Retryable(f"what the peer gives cannot be read: {error}") from error
            self._association.reply(number, encode_response(asked, self._status(number, asked, data)))
        return SUCCESS

    def _status(self, number: int, asked: Command, data: Iterator[bytes]) -> int:
        if asked.field != Operation.C_STORE or not asked.has_data_set:
            raise Retryable("the peer asks for something else while it gives")
        refusal = self._refusal(number, asked)
        if refusal:
            _passed_over(data)
        else:
            refusal = self._kept(asked, self._syntaxes[number], data)
        if refusal:
            self._spool.refuse(asked.sop_class, asked.sop_instance, *refusal)
            self.refused += 1
            return refusal[0]
        self.stored += 1
        return Status.SUCCESS

    def _refusal(self, number: int, asked: Command) -> tuple[int, str] | None:
        if self._classes.get(number) != asked.sop_class:
            return Status.SOP_CLASS_NOT_SUPPORTED, "it is of another SOP class than its presentation context"
        return None if is_uid(asked.sop_instance) else (Status.INVALID_INSTANCE, "its SOP Instance UID is no UID")

    def _kept(self, asked: Command, syntax: str, data: Iterator[bytes]) -> tuple[int, str] | None:
        """Why the instance is not stored; None where all of it is durable."""
        self._spool.begin(asked.sop_class, asked.sop_instance, syntax, 0)
        size = 0
        try:
            for piece in data:
                size += len(piece)
                if size > self._longest:
                    raise SpoolUnavailable(f"data set is longer than {self._longest} bytes")
                self._spool.write(piece)
            if not size:
                self._spool.abandon()
                return Status.CANNOT_UNDERSTAND, "data set is empty"
            self._spool.commit()
        except SpoolUnavailable as error:
            self._spool.abandon()
            _passed_over(data)
            return Status.OUT_OF_RESOURCES, str(error)
        return None


def _passed_over(data: Iterator[bytes]) -> None:
    for _ in data:
        pass
