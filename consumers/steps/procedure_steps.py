"""What a modality says of its procedure steps (MPPS), from the spool into rows: what was requested, and what was made.

A study is known to be whole by its steps once all of them have ended: while one goes on, more is to come.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from audit.actions import Action
from audit.trail import Transaction
from dicom_node.dimse import Operation
from dicom_node.procedures import datasets, mpps
from domain.states import ProcedureStepState
from store import expectations, procedures, retention, studies
from store.database import Connection
from store.expectations import Said
from store.index import STUDIES_CHANNEL
from store.procedures import MPPS, Request, Step

if TYPE_CHECKING:
    from consumers.steps.messages import Message

_IN_PROGRESS = ProcedureStepState.IN_PROGRESS


def take(transaction: Transaction, message: "Message", now: datetime) -> None:
    """Keep what a request says; said once more, it changes nothing. Raises UnusableInput where it cannot be read."""
    connection = transaction.connection
    procedures.lock_steps(connection)
    known = procedures.step(connection, message.entry.sop_instance)
    if known is not None and known.state is not _IN_PROGRESS:
        # The listener was killed between its record and what it remembers of it, or has let the step go since.
        retention.let_go(connection, [message.object_key], message.entry.sop_instance)
        return
    if message.operation == Operation.N_CREATE:
        after = _begun(connection, message, known, now)
    else:
        after = _changed(message, known)
    if known is not None and known.object_key != after.object_key:
        retention.let_go(connection, [known.object_key], after.sop_uid)
    procedures.keep_step(connection, after)
    _expect(connection, after.study_uids)
    _record(transaction, message, after)
    transaction.wake(STUDIES_CHANNEL)


def _begun(connection: Connection, message: "Message", known: Step | None, now: datetime) -> Step:
    """The step with what was requested; its own file is that of the request, which is named there."""
    uid = message.entry.sop_instance
    said = mpps.created(datasets.read(message.data, message.entry.transfer_syntax)).requests
    requests = [
        Request(uid, study, MPPS, one if message.descriptions else one.without_texts(), message.object_key)
        for study, one in said.items()
    ]
    retention.let_go(connection, procedures.keep_requests(connection, requests, now), uid)
    return Step(uid, tuple(said), _IN_PROGRESS, known.performed if known else None, known.object_key if known else "")


def _changed(message: "Message", known: Step | None) -> Step:
    """The step with what was made. One whose beginning another host has is of no study that is known."""
    said = mpps.changed(datasets.read(message.data, message.entry.transfer_syntax))
    return Step(
        message.entry.sop_instance,
        known.study_uids if known else (),
        said.state or _IN_PROGRESS,
        said.performed if said.performed is not None or known is None else known.performed,
        message.object_key,
    )


def _expect(connection: Connection, study_uids: Iterable[str]) -> None:
    """Have each study expect what its steps made, where all have ended, and nothing for them where one goes on."""
    for study in sorted(study_uids):
        steps = procedures.steps_of(connection, [study])
        expectations.withdraw(connection, study, MPPS)
        if all(one.state is not _IN_PROGRESS for one in steps):
            expectations.note(connection, [said for one in steps for said in _said(study, one)])


def _said(study: str, step: Step) -> Iterator[Said]:
    """What a step lists that was completed. Of one that is of several studies no series says whose it is."""
    if step.state is ProcedureStepState.COMPLETED and step.study_uids == (study,) and step.performed is not None:
        for series, uids in step.performed.series.items():
            if uids:
                yield Said(study, MPPS, series, step.sop_uid, sop_uids=uids)


def _record(transaction: Transaction, message: "Message", step: Step) -> None:
    made = step.performed.instances if step.performed else 0
    details = {"step": step.sop_uid, "state": step.state.value, "instances": made, "caller": message.entry.calling}
    known = studies.ids_of(transaction.connection, step.study_uids)
    for study in known or (None,):
        transaction.record(Action.PROCEDURE_STEP, study, **details)
