"""The services by which others tell of procedures: Modality Performed Procedure Step and Instance Availability.

What reads a data set is imported with the first request: a listener is to answer at once.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.dimse import Operation, Status
from dicom_node.listener.services import Answer, Request, Service
from dicom_node.listener.step_memory import Look, StepMemory
from dicom_node.procedures import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from domain.errors import UnusableInput
from domain.ids import derived_uid, new_id

# A step of fifty thousand images is 3 MB, and takes nearly thirty times that while it is read: so it is read alone.
LONGEST = 4 << 20
_reading = threading.Lock()

if TYPE_CHECKING:
    from dicom_node.procedures.mpps import KnownStep, Refused


def steps(root: Path) -> Service:
    """Modality Performed Procedure Step (PS3.4 annex F.7); its memory lies below `root`."""
    operations = frozenset({Operation.N_CREATE, Operation.N_SET})
    return Service(MODALITY_PERFORMED_PROCEDURE_STEP, operations, partial(_judge_step, StepMemory(root)), LONGEST)


def notifications(_: Path) -> Service:
    """Instance Availability Notification (PS3.4 annex R)."""
    return Service(INSTANCE_AVAILABILITY_NOTIFICATION, frozenset({Operation.N_CREATE}), _judge_notification, LONGEST)


def _judge_step(memory: StepMemory, request: Request) -> Answer:
    created = request.operation == Operation.N_CREATE
    if not request.sop_instance and not created:
        return Answer(Status.NO_SUCH_INSTANCE, "Requested SOP Instance UID is missing")
    # The performing side names what the request does not (PS3.7 10.1.5.1.4).
    uid = request.sop_instance or _made()
    with _reading:
        after = _step_after(request, created)
    if isinstance(after, Answer):
        return after
    look = memory.look(uid)
    try:
        answer = _looked_at(look, after, request.peer.calling)
    except BaseException:
        look.leave()
        raise
    if not answer.is_taken:
        look.leave()
    return answer if request.sop_instance else replace(answer, sop_instance=uid)


def _step_after(request: Request, created: bool) -> "Callable[[KnownStep | None], KnownStep | Refused] | Answer":
    """What the request makes of a step that is known as the memory will say; nobody waits for what reads it."""
    from dicom_node.procedures import datasets, mpps  # noqa: PLC0415 - see above

    try:
        dataset = datasets.read(request.data, request.transfer_syntax)
    except UnusableInput as error:
        return _damaged(error)
    said = mpps.creation(dataset) if created else mpps.change(dataset)
    if isinstance(said, mpps.Refused):
        return _refused(said)
    if isinstance(said, mpps.Change):
        return partial(mpps.apply, change=said)
    return partial(mpps.begin, step=said)


def _looked_at(look: Look, after: "Callable[[KnownStep | None], KnownStep | Refused]", caller: str) -> Answer:
    """A step is its modality's: whoever else could end it would say what was performed."""
    from dicom_node.procedures.mpps import KnownStep, Refused  # noqa: PLC0415 - see above

    step = after(None if look.state is None else KnownStep(look.state, look.given))
    if isinstance(step, Refused):
        return _refused(step)
    if look.state is not None and look.caller != caller:
        return Answer(Status.NOT_AUTHORIZED, "the procedure step was begun under another AE title")
    return Answer(recorded=partial(look.keep, caller, step.state, step.given), held=look)


def _judge_notification(request: Request) -> Answer:
    from dicom_node.procedures import availability, datasets  # noqa: PLC0415 - see above

    try:
        with _reading:
            fault = availability.fault(datasets.read(request.data, request.transfer_syntax))
    except UnusableInput as error:
        return _damaged(error)
    if fault is not None:
        return _refused(fault)
    return Answer(sop_instance="" if request.sop_instance else _made())


def _made() -> str:
    return derived_uid("procedure", str(new_id()))


def _refused(refused: "Refused") -> Answer:
    return Answer(refused.status, refused.reason, error_id=refused.error_id)


def _damaged(error: UnusableInput) -> Answer:
    return Answer(Status.PROCESSING_FAILURE, error.sentence)
