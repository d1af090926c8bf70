"""Storage commitment as a user and as a provider that reports (PS3.4 annex J), on associations that we ask for."""

from contextlib import suppress
from dataclasses import dataclass

from config.peers import Peer
from dicom_node.commitment import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST,
    CommitmentReport,
    CommitmentRequest,
    NoCommitment,
    encode_report,
    encode_request,
    read_report,
)
from dicom_node.dimse import Command, Malformed, Operation, Status, decode_status, encode_response
from dicom_node.dimse import encode_request as command_of
from dicom_node.elements import IMPLICIT
from dicom_node.scu.negotiation import Context
from dicom_node.scu.requestor import Association, associate
from domain.errors import Retryable

# One alone, the default that everybody takes (PS3.5 10.1): so it is known in which a report comes.
CONTEXT: Context = (PUSH_MODEL, IMPLICIT)
_ANSWER = Operation.N_ACTION | 0x8000
_LARGEST = 16 << 20


class TakesNoCommitment(Retryable):
    """A peer that takes associations, and does not agree to storage commitment in them."""


@dataclass(frozen=True)
class CommitmentAnswer:
    """What became of a question: `status` of the N-ACTION, and the reports that came on the same association."""

    status: int
    reports: tuple[CommitmentReport, ...] = ()


def ask(peer: Peer, our_aet: str, request: CommitmentRequest, timeout: float, wait: float) -> CommitmentAnswer:
    """Ask whether `peer` keeps the instances; a report that comes within `wait` s is taken on the same association.

    Raises TakesNoCommitment, Unavailable where nobody answers, and Retryable for all else that is no answer.
    """
    with associate(peer, our_aet, [CONTEXT], timeout) as association:
        _agreed(association)
        command = command_of(Operation.N_ACTION, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST)
        association.say(CONTEXT, command, encode_request(request, CONTEXT[1]))
        reports: list[CommitmentReport] = []
        status = _status(association, reports, timeout)
        if status == Status.SUCCESS and not reports:
            # The question is taken: a peer that ends the association here reports on another.
            with suppress(Retryable):
                if (heard := association.hear(wait, _LARGEST)) is not None:
                    _take(association, *heard, reports)
        return CommitmentAnswer(status, tuple(reports))


def tell(peer: Peer, our_aet: str, report: CommitmentReport, timeout: float) -> int:
    """Report to `peer`, as the provider that we are of this service (PS3.7 D.3.3.4); the status of its answer.

    Raises TakesNoCommitment, Unavailable and Retryable as `ask` does.
    """
    with associate(peer, our_aet, [CONTEXT], timeout, provides=(PUSH_MODEL,)) as association:
        _agreed(association)
        command = command_of(Operation.N_EVENT_REPORT, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE, report.event)
        try:
            return decode_status(association.request(CONTEXT, command, encode_report(report, CONTEXT[1])))
        except Malformed as error:
            raise Retryable(f"the peer's answer cannot be read: {error}") from error


def _agreed(association: Association) -> None:
    if CONTEXT not in association.negotiated.accepted:
        raise TakesNoCommitment("the peer does not agree to storage commitment")


def _status(association: Association, reports: list[CommitmentReport], timeout: float) -> int:
    """That of the answer to the question; a provider may report before it answers."""
    while True:
        heard = association.hear(timeout, _LARGEST)
        if heard is None:
            raise Retryable("the peer did not answer whether it takes the question")
        command, data = heard
        if command.field == _ANSWER:
            return Status.PROCESSING_FAILURE if command.status is None else command.status
        _take(association, command, data, reports)


def _take(association: Association, command: Command, data: bytes, reports: list[CommitmentReport]) -> None:
    """Take a report and answer it; what is none is answered so."""
    if command.field != Operation.N_EVENT_REPORT:
        association.say(CONTEXT, encode_response(command, Status.UNRECOGNIZED_OPERATION))
        return
    try:
        reports.append(read_report(data, CONTEXT[1]))
    except NoCommitment as error:
        association.say(CONTEXT, encode_response(command, Status.INVALID_ARGUMENT, str(error)))
    else:
        association.say(CONTEXT, encode_response(command, Status.SUCCESS))
