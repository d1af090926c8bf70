"""A good request of each service beside C-STORE that the listener provides, as it is sent in each transfer syntax."""

from collections.abc import Iterator
from dataclasses import dataclass

from dicom_node.commitment import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    CommitmentReport,
    CommitmentRequest,
    Reference,
    encode_report,
    encode_request,
)
from dicom_node.dimse import Operation
from dicom_node.dimse import encode_request as encode_command
from dicom_node.procedures import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from tests.support.listening import CT, EXPLICIT, IMPLICIT
from tests.support.procedures import as_bytes, begun, ended, notification

MPPS, IAN = MODALITY_PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY_NOTIFICATION
STEP = "1.2.840.1"  # the procedure step that an N-SET changes
_SERIES = {"1.2.3": ("1.2.3.1", "1.2.3.2")}
_KEPT, _LOST = Reference(CT, "1.2.3.1"), Reference(CT, "1.2.3.2")


@dataclass(frozen=True)
class ServiceMessage:
    """A request: what its command set says, and its data set in `syntax`."""

    sop_class: str
    operation: Operation
    type: int | None
    sop_instance: str
    data: bytes
    syntax: str

    def command(self) -> bytes:
        """Its command set."""
        return encode_command(self.operation, 1, self.sop_class, self.sop_instance, self.type)


def _messages(syntax: str) -> Iterator[ServiceMessage]:
    asked = encode_request(CommitmentRequest("2.25.7", (_KEPT, _LOST)), syntax)
    said = encode_report(CommitmentReport("2.25.7", (_KEPT,), ((_LOST, 0x0112),)), syntax)
    yield ServiceMessage(PUSH_MODEL, Operation.N_ACTION, 1, PUSH_MODEL_INSTANCE, asked, syntax)
    yield ServiceMessage(PUSH_MODEL, Operation.N_EVENT_REPORT, 2, PUSH_MODEL_INSTANCE, said, syntax)
    begins, ends, available = (
        as_bytes(one, syntax == IMPLICIT) for one in (begun(), ended(_SERIES), notification(_SERIES))
    )
    yield ServiceMessage(MPPS, Operation.N_CREATE, None, STEP, begins, syntax)
    yield ServiceMessage(MPPS, Operation.N_SET, None, STEP, ends, syntax)
    yield ServiceMessage(IAN, Operation.N_CREATE, None, "1.2.840.2", available, syntax)


MESSAGES = [one for syntax in (IMPLICIT, EXPLICIT) for one in _messages(syntax)]
