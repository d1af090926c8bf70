"""A person lets a study go on without the result of a model that failed on it, and says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger
from consumers.steps import stuck
from domain.errors import Permanent
from domain.ids import StudyId
from domain.states import JobEvent, StudyState
from store import jobs, studies
from store.jobs import JOBS, Job
from store.queries.standing import standing


@dataclass(frozen=True)
class Accepted:
    """The models whose results nobody waits for any more, with their versions, and whether the study goes on."""

    models: tuple[str, ...]
    goes_on: bool


def accept(ledger: Ledger, study: StudyId, reason: str, user: str, now: datetime) -> Accepted:
    """Leave what failed on the study's present revision, for `reason`; `user` is who says so.

    A job that is left is cancelled: an amended study asks its model anew, and `retry` does where its package is there.
    Raises Permanent where no model failed, or instances still come in.
    """
    with ledger.transaction() as transaction:
        connection = transaction.connection
        jobs.lock(connection, study)
        state, revision = studies.lock_revision(connection, study)
        failed = jobs.ended_badly(connection, study)
        models = _models(failed, state)
        said = f"goes on without {', '.join(models)}: {reason}"
        before = standing(connection, study)
        for job in failed:
            JOBS.move(connection, job.id, JobEvent.ACCEPT, reason=f"nobody waits for it: {reason}", accepted=True)
        released = stuck.release_if_nothing_is_left(transaction, study, said, now)
        why = {"revision": revision, "models": list(models), "reason": reason, "user": user}
        transaction.record(Action.ACCEPTED, study, **why, **before.changed(connection))
        studies.note_progress(connection, study, said, now)
    return Accepted(models, released or state is StudyState.COMPLETE)


def _models(failed: Sequence[Job], state: StudyState) -> tuple[str, ...]:
    if state not in (StudyState.STUCK, StudyState.COMPLETE):
        raise Permanent("the study is not complete: its instances still come in, and its models are asked then")
    if not failed:
        raise Permanent("no model failed on it: dicom-node status STUDY says what it waits for")
    return tuple(f"{job.model} {job.version}" for job in failed)
