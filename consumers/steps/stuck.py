"""A study that cannot go on, whatever the cause: one entry, one event; and the way out of it."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from audit.actions import Action
from audit.trail import Transaction
from domain.events import Event, StudyStuck
from domain.ids import StudyId
from domain.rejections import Cause as RejectedFor
from domain.states import StudyEvent, StudyState
from store import conflicts, deliveries, jobs, outbox, rejections, studies
from store.studies import StudyRow


class Cause(StrEnum):
    """What stopped a study, as its event names it; the reason in words may quote and stays in the database."""

    INTAKE = "intake"  # nothing that came of it can be read
    PATIENT = "patient"  # its images name two patients
    CORRECTION = "correction"  # images of it bear UIDs of another study's, which they correct
    EVENT = "event"  # no attempt could handle an event about it
    INFERENCE = "inference"  # a model failed on it
    DELIVERY = "delivery"  # results could not be handed to a destination


def stop(
    transaction: Transaction, study: StudyId, cause: Cause, reason: str, now: datetime, revision: int | None = None
) -> bool:
    """Say that the study is stuck for `reason`; whether it is, for a newer `revision` goes its own way.

    A study that is stuck already takes the newest reason.
    """
    moved = studies.apply(transaction.connection, study, StudyEvent.FAILED, reason, now, revision)
    if moved is not StudyState.STUCK:
        return False
    _announce(transaction, study, cause, reason, now)
    return True


def stop_incomplete(transaction: Transaction, study: StudyRow, cause: Cause, reason: str, now: datetime) -> None:
    """Say that a study that would be complete by now, and that this transaction has locked, is stuck instead."""
    studies.stop(transaction.connection, study, reason, now)
    _announce(transaction, study.id, cause, reason, now)


def _announce(transaction: Transaction, study: StudyId, cause: Cause, reason: str, now: datetime) -> None:
    transaction.record(Action.STUDY_STUCK, study, cause=cause.value, reason=reason)
    transaction.emit(Event(StudyStuck(cause.value), study, now))


def release(transaction: Transaction, study: StudyId, reason: str, now: datetime) -> bool:
    """Let a stuck study go on; whether it does. One whose images name two patients, or wait, needs a person's word."""
    if studies.names_two_patients(transaction.connection, study) or conflicts.wait_for(transaction.connection, study):
        return False
    if studies.apply(transaction.connection, study, StudyEvent.RELEASED, reason, now) is None:
        return False
    transaction.record(Action.STUDY_RELEASED, study, reason=reason)
    return True


def release_if_nothing_is_left(
    transaction: Transaction, study: StudyId, reason: str, now: datetime, taken_up: Collection[str] = ()
) -> bool:
    """Let a stuck study go on where nothing of it failed or is a dead letter any more; whether it does.

    What failed of results that a newer revision's have overtaken holds nobody up, nor does what failed of a model that
    is among `taken_up`, for another release of it runs now. Where a destination could not be told of wrong results, a
    person has to see to it.
    """
    connection = transaction.connection
    # Whoever lets something end badly says so in the study's row, so that nothing does between this look and the end.
    _, present = studies.lock_revision(connection, study)
    failed = [job for job in jobs.ended_badly(connection, study) if job.model not in taken_up]
    undelivered = any(one.revision == present for one in deliveries.ended_badly(connection, study))
    untold = any(one.cause is RejectedFor.WITHDRAWN for one in rejections.ended_badly(connection, study))
    if failed or undelivered or untold or outbox.open_letters(connection, study):
        return False
    return release(transaction, study, reason, now)
