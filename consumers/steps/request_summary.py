"""The last of a revision's models has ended: the impression of what they found is asked for."""

from collections.abc import Callable, Sequence
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps import sources
from domain.errors import Permanent
from domain.ids import StudyId, set_digest
from domain.states import JobState
from store import jobs, studies, summaries
from store.jobs import JOBS, Job
from store.summaries import SUMMARIES_CHANNEL, Requested

#: What is called in the transaction in which a model of a study ends.
WhenEnded = Callable[[Transaction, StudyId, datetime], None]

_GOING = (JobState.REQUESTED, *JOBS.held)
_NOTHING = "no model has findings of this study: there is nothing to write an impression of"
_NOT_YET = "its models have not all ended: its impression is written then"
_GOES = "its impression is being written"


def no_request(transaction: Transaction, study: StudyId, now: datetime) -> None:
    """For a node that writes no impressions."""


def request_when_ended(transaction: Transaction, study: StudyId, now: datetime) -> None:
    """Ask for a study's impression where every model of its present revision has ended and one has findings.

    To be called in the transaction in which one ends. It locks the study, so that of two that end at once the second
    sees the first; it may be called any number of times.
    """
    _, revision = studies.lock_revision(transaction.connection, study)
    runs = jobs.of_present_revision(transaction.connection, study)
    if any(one.state in _GOING for one in runs):
        return
    if not any(one.has_results for one in runs):
        stop_summaries(transaction, study, summaries.OVERTAKEN)  # those of an earlier revision
        return
    asked = summaries.request(transaction.connection, study, revision, findings_set(runs))
    _note(transaction, study, asked, revision)


def summarise_again(ledger: Ledger, study: StudyId, user: str) -> int:
    """Have a study's impression written once more, at a person's order; its number among the study's.

    One that is written already is superseded by the new one. Raises Permanent where there is nothing to write, nothing
    to write it from, or it is being written.
    """
    with ledger.transaction() as transaction:
        connection = transaction.connection
        jobs.lock(connection, study)
        _, revision = studies.lock_revision(connection, study)
        runs = jobs.of_present_revision(connection, study)
        if any(one.state in _GOING for one in runs):
            raise Permanent(_NOT_YET)
        if not any(one.has_results for one in runs):
            raise Permanent(_NOTHING)
        if why := sources.fault(connection, study, runs):
            raise Permanent(f"no impression can be written: {why}")
        asked = summaries.request(connection, study, revision, findings_set(runs), anew=True)
        if not asked.opened:
            raise Permanent(_GOES)
        _note(transaction, study, asked, revision, user)
        return summaries.get(connection, asked.id).number


def _note(transaction: Transaction, study: StudyId, asked: Requested, revision: int, user: str = "") -> None:
    for one in asked.overtaken:
        transaction.record(Action.SUMMARY_CANCELLED, study, summary=str(one), reason=summaries.OVERTAKEN)
    if asked.opened:
        by = {"user": user} if user else {}
        transaction.record(Action.SUMMARY_REQUESTED, study, summary=str(asked.id), revision=revision, **by)
        transaction.wake(SUMMARIES_CHANNEL)


def stop_summaries(transaction: Transaction, study: StudyId, reason: str, *, failed: bool = False) -> int:
    """End what waits or is written of a study that this transaction has locked, with `failed` also what failed."""
    stopped = summaries.stop(transaction.connection, study, reason, failed=failed)
    for one in stopped:
        transaction.record(Action.SUMMARY_CANCELLED, study, summary=str(one.id), reason=reason)
    return len(stopped)


def findings_set(runs: Sequence[Job]) -> str:
    """What tells the findings of these runs, and how many there are without any, from any other set of a study's."""
    found = [f"{one.model} {one.version} {one.model_digest} {one.input_set}" for one in runs if one.has_results]
    return set_digest([*found, f"{len(runs) - len(found)} without findings"])
