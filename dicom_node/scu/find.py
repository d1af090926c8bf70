"""Asks an archive or a worklist by C-FIND (PS3.4 annexes C and K): keys go out, the data sets that match come back.

What comes back is bounded by number, by size and by time, whatever the peer does. Nothing of it is trusted or decoded:
callers read it by `dicom_node.attributes.reader`, which knows what writers put where a value is due.
"""

from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from config.peers import Peer
from dicom_node.attributes.files import by_pydicom, read_with
from dicom_node.dimse import Operation, encode_cancel, encode_query
from dicom_node.elements import EXPLICIT, IMPLICIT
from dicom_node.part10 import head
from dicom_node.scu.negotiation import Context
from dicom_node.scu.requestor import Association, associate
from domain.errors import Retryable, UnusableInput
from domain.statuses import SUCCESS, code, described

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"

#: Transfer syntaxes that identifiers are proposed in, the one that we would have first.
IMPLICIT_OR_EXPLICIT = (IMPLICIT, EXPLICIT)
_CANCELLED = 0xFE00
# PS3.4 table C.4-1: an archive that gives these will give them again; the last is 0122, SOP class not supported.
_NEVER = {0xA900: "the peer does not know what it was asked for", 0x0122: "the peer does not know this kind of query"}
#: Of the one message that is under way in an association.
MESSAGE_ID = 1
# Bytes: an answer with every attribute that anybody returns is some kilobytes, and all of them are held in memory.
_LARGEST, _LARGEST_TOGETHER = 1 << 20, 64 << 20
# Answers and seconds that may still follow a C-CANCEL, since they were under way.
_UNDER_WAY, _TO_CANCEL = 1000, 5.0


class TakesNoQuery(Retryable):
    """A peer that takes associations, and does not answer this kind of question in them."""


class _Enough(Exception):
    """All that was wanted is here, and the peer goes on: the association ends by an abort."""


def find(
    peer: Peer, our_aet: str, model: str, level: str, keys: Dataset, timeout: float = 30.0, limit: int = 1000
) -> list[Dataset]:
    """The data sets that `peer` has for `keys`, at most `limit`: then the query is cancelled.

    `model` is the SOP class UID of the information model, as STUDY_ROOT; `level` its Query/Retrieve Level, "" where it
    has none, as a worklist. `keys` holds a value for what must match, an empty one for what is wanted too. `timeout`
    (s) is for the connection and for all answers together. An answer that cannot be read is left out.

    Raises Unavailable where nobody answers, TakesNoQuery where the peer does not answer such questions, and Retryable
    where it could not answer this one, or not in time, or not by the book.
    """
    contexts: list[Context] = [(model, syntax) for syntax in IMPLICIT_OR_EXPLICIT]
    found: list[tuple[str, bytes]] = []
    status = SUCCESS
    try:
        with associate(peer, our_aet, contexts, timeout) as association:
            context = next((one for one in contexts if one in association.negotiated.accepted), None)
            if context is None:
                raise TakesNoQuery(
                    "the peer takes no C-FIND of this kind from us: its query service has to be allowed there"
                )
            command = encode_query(Operation.C_FIND, MESSAGE_ID, model)
            association.say(context, command, identifier(context, level, keys))
            status = _collect(association, context, found, timeout, limit)
    except _Enough:
        pass
    _judge(status)
    return [one for syntax, data in found if (one := _read(model, syntax, data)) is not None]


def _collect(
    association: Association, context: Context, found: list[tuple[str, bytes]], timeout: float, limit: int
) -> int:
    """The final status; every matching data set before it goes into `found`."""
    together = 0
    for answer, data in association.answers(timeout, _LARGEST):
        if not answer.is_pending:
            return answer.status
        together += len(data)
        if together > _LARGEST_TOGETHER:
            raise Retryable("the peer's answers are larger together than any that are read")
        if not data:
            raise Retryable("the peer says that something matches, and not what")
        found.append((context[1], data))
        if len(found) >= limit:
            _cancel(association, context)
            break
    return SUCCESS


def _cancel(association: Association, context: Context) -> None:
    """End the query; what was under way is read and dropped, and a peer that does not end is left."""
    association.say(context, encode_cancel(MESSAGE_ID))
    try:
        for number, (answer, _) in enumerate(association.answers(_TO_CANCEL, _LARGEST)):
            if not answer.is_pending:
                return
            if number > _UNDER_WAY:
                raise _Enough
    except Retryable as error:
        raise _Enough from error


def _judge(status: int) -> None:
    if status in _NEVER:
        raise TakesNoQuery(f"{_NEVER[status]} ({code(status)})")
    if status not in (SUCCESS, _CANCELLED):
        raise Retryable(f"the peer could not answer: {described(status)}")
    if status == _CANCELLED:
        raise Retryable("the peer ended the query before it was through")


def identifier(context: Context, level: str, keys: Dataset) -> bytes:
    """`keys` with their Query/Retrieve Level, encoded for `context`."""
    asked = Dataset(keys)
    if level:
        asked.QueryRetrieveLevel = level
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, context[1] == IMPLICIT
    write_dataset(buffer, asked)
    return buffer.getvalue()


def _read(model: str, syntax: str, data: bytes) -> Dataset | None:
    file = BytesIO(head(model, "1", syntax) + data)
    try:
        return by_pydicom(lambda: read_with(file, dcmread), "an answer cannot be read")
    except UnusableInput:
        return None
