"""Storage commitment at the door (PS3.4 annex J): what is asked of us, and what an archive reports to us.

Nothing is promised here: an N-ACTION that is taken is answered, then decided by the index and reported.
"""

from pathlib import Path

from dicom_node.commitment import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST,
    SUCCESSFUL,
    WITH_FAILURES,
    NoCommitment,
    TooManyReferences,
    read_report,
    read_request,
)
from dicom_node.dimse import Operation, Status
from dicom_node.listener.services import Answer, Request, Service
from dicom_node.offers import Offers

# What reads each operation's data set, the types of it that there are, and the status for another.
_OPERATIONS = {
    Operation.N_ACTION: (read_request, (REQUEST,), Status.NO_SUCH_ACTION),
    Operation.N_EVENT_REPORT: (read_report, (SUCCESSFUL, WITH_FAILURES), Status.NO_SUCH_EVENT),
}


def service(root: Path) -> Service:
    """The Storage Commitment Push Model."""
    return Service(PUSH_MODEL, frozenset(_OPERATIONS), judge, reports=True, offers=Offers(root))


def judge(request: Request) -> Answer:
    """Whether a request or a report can be taken (PS3.4 J.3.2 and J.3.3, PS3.7 sections 10.1.1 and 10.1.4)."""
    read, types, unknown = _OPERATIONS[request.operation]
    if request.sop_instance != PUSH_MODEL_INSTANCE:
        return Answer(Status.NO_SUCH_INSTANCE, f"SOP instance is not {PUSH_MODEL_INSTANCE}, the well-known one")
    if request.type not in types:
        return Answer(unknown, f"type {request.type} is none of storage commitment")
    try:
        read(request.data, request.transfer_syntax)
    except TooManyReferences as error:
        return Answer(Status.RESOURCE_LIMITATION, str(error))
    except NoCommitment as error:
        return Answer(Status.INVALID_ARGUMENT, str(error))
    return Answer()
