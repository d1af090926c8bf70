"""Has an archive send series to us by C-MOVE (PS3.4 C.4.2); they come by associations of its own, to our listener."""

from collections.abc import Sequence

from pydicom import Dataset

from config.peers import Peer
from dicom_node.dimse import Answer, Operation, encode_query
from dicom_node.scu.archived import Fetched
from dicom_node.scu.find import IMPLICIT_OR_EXPLICIT, MESSAGE_ID, STUDY_ROOT, TakesNoQuery, identifier
from dicom_node.scu.negotiation import Context
from dicom_node.scu.requestor import Association, associate
from domain.errors import Retryable
from domain.statuses import SUCCESS, code, described

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"

_LARGEST = 1 << 20  # bytes of a list of what could not be sent
_UNKNOWN_DESTINATION = 0xA801  # PS3.4 table C.4-2
_WITH_FAILURES = 0xB000


def move(peer: Peer, our_aet: str, study_uid: str, series: Sequence[str], timeout: float = 60.0) -> Fetched:
    """Have `peer` send these series of a study to the AE title `our_aet`, which is ours; how many instances it sent.

    `timeout` (s) is for the connection, and for all of it together: archives exist that say nothing until the end.
    Raises Unavailable where nobody answers, TakesNoQuery where the peer does not move, or not to us, and Retryable
    where it could not or not in time.
    """
    contexts: list[Context] = [(STUDY_ROOT_MOVE, syntax) for syntax in IMPLICIT_OR_EXPLICIT]
    sent, failed = 0, 0
    # Archives exist that miss the query beside the retrieval that goes with it.
    with associate(peer, our_aet, [*contexts, (STUDY_ROOT, IMPLICIT_OR_EXPLICIT[0])], timeout) as association:
        context = next((one for one in contexts if one in association.negotiated.accepted), None)
        if context is None:
            raise TakesNoQuery("the peer takes no C-MOVE from us: its retrieve service has to be allowed there")
        for uid in series:
            answer = _moved(association, context, our_aet, _keys(study_uid, uid), timeout)
            _judge(answer, our_aet)
            sent += (answer.completed or 0) + (answer.warned or 0)
            failed += answer.failed or 0
    return Fetched(sent, failed)


def _moved(association: Association, context: Context, to: str, keys: Dataset, timeout: float) -> Answer:
    association.say(
        context,
        encode_query(Operation.C_MOVE, MESSAGE_ID, context[0], move_to=to),
        identifier(context, "SERIES", keys),
    )
    return next(answer for answer, _ in association.answers(timeout, _LARGEST) if not answer.is_pending)


def _keys(study_uid: str, series_uid: str) -> Dataset:
    keys = Dataset()
    keys.StudyInstanceUID, keys.SeriesInstanceUID = study_uid, series_uid
    return keys


def _judge(answer: Answer, our_aet: str) -> None:
    if answer.status == _UNKNOWN_DESTINATION:
        raise TakesNoQuery(
            f"the peer does not know where {our_aet} is ({code(answer.status)}): enter the node's AE title, host and "
            "port there"
        )
    if answer.status not in (SUCCESS, _WITH_FAILURES):
        raise Retryable(f"the peer could not send: {described(answer.status)}")
