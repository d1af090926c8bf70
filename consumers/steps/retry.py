"""Another chance for a study, when a person has mended what it failed on."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from audit.trail import Action, Ledger, Transaction
from consumers.bus.dead_letters import replay
from consumers.steps import stuck
from consumers.steps.assemble import announce
from domain.errors import Permanent
from domain.ids import StudyId
from domain.states import JobEvent, StudyState
from store import deliveries, jobs, outbox, studies
from store.database import Connection, Database
from store.deliveries import DELIVERIES_CHANNEL
from store.jobs import JOBS, JOBS_CHANNEL

_REASON = "asked for again"


@dataclass(frozen=True)
class Retried:
    """What was set going again."""

    events: int
    jobs: int
    deliveries: int


def retry(ledger: Ledger, study: StudyId, packages: Collection[str], now: datetime) -> Retried:
    """Replay the study's dead letters, ask its models again, and send what was refused or waits.

    `packages` are the digests of the installed ones: a job of another digest stays as it ended, and the study is
    announced again so that today's packages and rules decide. Raises Permanent while instances still come in, or where
    none can be read.
    """
    with ledger.database.transaction() as connection:
        _present_revision(connection, study, StudyState.STUCK, StudyState.COMPLETE)
        letters = outbox.open_letters(connection, study)
    for number in letters:
        replay(ledger, number, now)
    with ledger.transaction() as transaction:
        jobs.lock(transaction.connection, study)
        deliveries.lock(transaction.connection, study)
        again = _jobs(transaction, study, packages)
        sent = _deliveries(transaction, study)
        stuck.release(transaction, study, _REASON, now)
        _announce(transaction, study, now)
        done = Retried(len(letters), again, sent)
        transaction.record(Action.RETRIED, study, **vars(done))
        transaction.wake(JOBS_CHANNEL)
        transaction.wake(DELIVERIES_CHANNEL)
    return done


def intended(database: Database, study: StudyId, packages: Collection[str]) -> list[str]:
    """What `retry` will do, a sentence each; nothing is done. Raises as `retry` does."""
    with database.transaction() as connection:
        _present_revision(connection, study, StudyState.STUCK, StudyState.COMPLETE)
        failed = jobs.ended_badly(connection, study)
        letters = len(outbox.open_letters(connection, study))
    said = [f"replay {letters} event(s) that were set aside"] if letters else []
    for one in failed:
        known = one.model_digest in packages
        gone = "its package is not installed any more, or was changed: leave what it ended with"
        said.append(f"{one.model} {one.version}: {'run it again' if known else gone}")
    return [*said, "ask again which models want the study", "send what was refused or waits"]


def _jobs(transaction: Transaction, study: StudyId, packages: Collection[str]) -> int:
    failed = [job for job in jobs.ended_badly(transaction.connection, study) if job.model_digest in packages]
    for job in failed:
        JOBS.move(transaction.connection, job.id, JobEvent.RETRY, reason=_REASON, attempts=0, finished_at=None)
    return len(failed)


def _deliveries(transaction: Transaction, study: StudyId) -> int:
    waiting = deliveries.hurry(transaction.connection, study)
    return waiting + deliveries.reopen(transaction.connection, study, _REASON)


def _announce(transaction: Transaction, study: StudyId, now: datetime) -> None:
    announce(transaction, study, _present_revision(transaction.connection, study, StudyState.COMPLETE), now)


def _present_revision(connection: Connection, study: StudyId, *states: StudyState) -> int:
    """The revision to be tried again; raises Permanent where the study is in none of `states`, or was never whole."""
    state, revision = studies.lock_revision(connection, study)
    if state not in states:
        raise Permanent("the study is not complete: its instances still come in, and it goes on by itself")
    if not revision:
        raise Permanent("nothing that came of the study can be read: dicom-node quarantine list; have it sent again")
    return revision
