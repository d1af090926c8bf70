"""Another chance for a study, when a person has mended what it failed on."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.bus.dead_letters import replay
from consumers.steps import of_results, stuck
from consumers.steps.assemble import announce
from domain.errors import Permanent
from domain.events import Event
from domain.ids import StudyId
from domain.progress import bytes_that_wait
from domain.states import DeliveryState, JobEvent, StudyState
from models.registry import Package
from store import conflicts, deliveries, jobs, outbox, rejections, results, studies, summaries
from store.database import Connection, Database
from store.deliveries import DELIVERIES_CHANNEL, Delivery
from store.holders import is_served
from store.jobs import JOBS, JOBS_CHANNEL, Job
from store.queries.standing import standing
from store.summaries import Summary

_REASON = "asked for again"


@dataclass(frozen=True)
class Retried:
    """What was set going again, and which failed models keep the study stuck, for nothing here can run them."""

    events: int
    jobs: int
    deliveries: int
    held: tuple[str, ...] = ()


def retry(
    ledger: Ledger, study: StudyId, packages: Collection[Package], now: datetime, destinations: Collection[str] = ()
) -> Retried:
    """Replay the study's dead letters, ask its models again, and send what was refused or waits.

    `packages` are the installed ones: a job of another digest stays as it ended, and the study is announced again so
    that today's packages and rules decide. While such a job is all that became of a revision, the study stays stuck;
    routing releases it where another release of the model takes it up. What was cancelled because its destination was
    forgotten goes out where it is among `destinations` again, or a living process serves it; to those of them that had
    nothing planned it goes as well, as what was made while there was no destination. Raises Permanent while instances
    still come in, or where none can be read.
    """
    with ledger.database.transaction() as connection:
        _present_revision(connection, study, StudyState.STUCK, StudyState.COMPLETE)
        letters = outbox.open_letters(connection, study)
    for number in letters:
        replay(ledger, number, now)
    with ledger.transaction() as transaction:
        connection = transaction.connection
        jobs.lock(connection, study)
        deliveries.lock(connection, study)
        rejections.lock(connection, study)
        before = standing(connection, study)
        again = _jobs(transaction, study, packages)
        sent = _deliveries(transaction, study, destinations, now)
        failed = [job for job in jobs.ended_badly(connection, study) if not jobs.others_go_on(connection, job)]
        if not failed:
            stuck.release(transaction, study, _REASON, now)
        _announce(transaction, study, now)
        done = Retried(len(letters), again, sent, _without_package(failed, packages))
        transaction.record(Action.RETRIED, study, **vars(done), **before.changed(connection))
        transaction.wake(JOBS_CHANNEL)
        transaction.wake(DELIVERIES_CHANNEL)
    return done


def _without_package(failed: Iterable[Job], packages: Collection[Package]) -> tuple[str, ...]:
    """Name and version of what failed and has no package of that name, in whatever release."""
    installed = {one.name for one in packages}
    return tuple(f"{job.model} {job.version}" for job in failed if job.model not in installed)


def intended(
    database: Database, study: StudyId, packages: Collection[Package], destinations: Collection[str] = ()
) -> list[str]:
    """What `retry` will do, a sentence each; nothing is done. Raises as `retry` does."""
    with database.transaction() as connection:
        _present_revision(connection, study, StudyState.STUCK, StudyState.COMPLETE)
        failed = [*jobs.ended_badly(connection, study), *jobs.accepted(connection, study)]
        refused = jobs.not_suitable(connection, study)
        letters = len(outbox.open_letters(connection, study))
        waiting = conflicts.other_bytes(connection, [study])
        lacking = [f"{job.model} {job.version}" for job in _lacking(connection, study, ())]
        elsewhere = [
            f"send the results of {job.model} {job.version} to {', '.join(sorted(names))}"
            for job in _current(connection, study)
            if (names := unplanned(connection, job, destinations))
        ]
        goes_out = ["send what was refused or waits"] if _is_left_to_send(connection, study) else []
    digests = {one.digest for one in packages}
    said = bytes_that_wait(waiting)
    said += [f"replay {letters} event{'' if letters == 1 else 's'} set aside"] if letters else []
    for one in failed:
        known = one.model_digest in digests
        gone = "its package is not installed, or was changed: leave what it ended with"
        said.append(f"{one.model} {one.version}: {'run it again' if known else gone}")
    if refused and not failed:
        said.append("nothing failed: what a model found not suitable is no failure, and the same images stay so")
    said += [f"{one.model} {one.version}: not suitable, so it is not run again" for one in refused]
    said += [
        f"write the results of {one} again: a destination got nothing of them, or they are not there" for one in lacking
    ]
    return [*said, *elsewhere, "ask again which models want the study", *goes_out]


def _is_left_to_send(connection: Connection, study: StudyId) -> bool:
    """Whether results or notes of it were refused, given up or forgotten, or wait."""
    looks = (
        deliveries.ended_badly,
        deliveries.forgotten,
        rejections.ended_badly,
        rejections.forgotten,
        rejections.waiting,
    )
    if any(look(connection, study) for look in looks):
        return True
    return any(one.state is DeliveryState.PENDING for one in deliveries.of_study(connection, study))


def _jobs(transaction: Transaction, study: StudyId, packages: Collection[Package]) -> int:
    digests = {one.digest for one in packages}
    connection = transaction.connection
    without = [*jobs.ended_badly(connection, study), *jobs.accepted(connection, study)]
    again = [job for job in without if job.model_digest in digests]
    for job in again:
        JOBS.move(connection, job.id, JobEvent.RETRY, reason=_REASON, attempts=0, accepted=False, finished_at=None)
    return len(again)


def _deliveries(transaction: Transaction, study: StudyId, destinations: Collection[str], now: datetime) -> int:
    connection = transaction.connection
    waiting = deliveries.hurry(connection, study) + deliveries.reopen(connection, study, _REASON)
    waiting += rejections.try_anew(connection, study, _REASON)
    waiting += _results(transaction, study, destinations, now)
    forgotten = {one.destination for one in deliveries.forgotten(connection, study)}
    forgotten |= {one.destination for one in rejections.forgotten(connection, study)}
    back = [one for one in forgotten if one in destinations or is_served(connection, one)]
    waiting += deliveries.remember(connection, study, back, _REASON)
    return waiting + _notes(transaction, study, back, now)


def _results(transaction: Transaction, study: StudyId, destinations: Collection[str], now: datetime) -> int:
    """Ask for what was never written, and for what a destination got nothing of; how many deliveries that opens."""
    opened = 0
    for job in _lacking(transaction.connection, study, destinations):
        opened += deliveries.try_anew(transaction.connection, _got_nothing(transaction.connection, job), _REASON)
        opened += len(unplanned(transaction.connection, job, destinations))
        of_results.write_again(transaction, job, now)
    impression = summaries.newest(transaction.connection, study)
    if impression and impression.has_results and _is_lacking(transaction.connection, impression, destinations):
        lacking = deliveries.without_objects(transaction.connection, impression)
        opened += deliveries.try_anew(transaction.connection, lacking, _REASON)
        of_results.write_again(transaction, impression, now)
    return opened


def _lacking(connection: Connection, study: StudyId, destinations: Collection[str]) -> list[Job]:
    """The jobs with findings of which there are no results, or one delivery lacks, or is of nothing."""
    return [
        job
        for job in _current(connection, study)
        if _is_unwritten(connection, job) or _got_nothing(connection, job) or unplanned(connection, job, destinations)
    ]


def _current(connection: Connection, study: StudyId) -> list[Job]:
    """The jobs with findings that no newer revision's have overtaken."""
    return [job for job in jobs.done(connection, study) if not results.newer_exist(connection, job)]


def unplanned(connection: Connection, item: Job | Summary, destinations: Collection[str]) -> set[str]:
    """Those of `destinations` that its results were never planned for, where they went nowhere else.

    There was no destination when they were written, or one that was forgotten since: under a wrong name, say. What has
    gone to all that there were then goes to none that came later.
    """
    if not results.results_of(connection, item):
        return set()
    planned = deliveries.planned_for(connection, item)
    return set(destinations) - set(planned) if not planned or any(planned.values()) else set()


def _is_lacking(connection: Connection, impression: Summary, destinations: Collection[str]) -> bool:
    """Whether there are no results of an impression, or a destination got nothing of them."""
    if not results.results_of(connection, impression) or deliveries.without_objects(connection, impression):
        return True
    return bool(unplanned(connection, impression, destinations))


def _got_nothing(connection: Connection, job: Job) -> list[Delivery]:
    """What ended without an object though there is, or will be, something to send."""
    if _is_unwritten(connection, job) or results.results_of(connection, job):
        return deliveries.without_objects(connection, job)
    return []


def _is_unwritten(connection: Connection, job: Job) -> bool:
    return job.result_number is None and not results.results_of(connection, job)


def _notes(transaction: Transaction, study: StudyId, destinations: Collection[str], now: datetime) -> int:
    """Have forgotten notes sent, and those written that were forgotten before they were."""
    notes = rejections.remember(transaction.connection, study, destinations, _REASON)
    unwritten = [one for one in notes if not one.object_key]
    for job_id, summary_id, cause in {(one.job_id, one.summary_id, one.cause) for one in unwritten}:
        alike = [one for one in unwritten if (one.job_id, one.summary_id, one.cause) == (job_id, summary_id, cause)]
        item = of_results.behind(transaction.connection, alike[0])
        transaction.emit(Event(of_results.rejected(item, cause, len(alike)), study, now))
    return len(notes)


def _announce(transaction: Transaction, study: StudyId, now: datetime) -> None:
    revision = _present_revision(transaction.connection, study, StudyState.STUCK, StudyState.COMPLETE)
    announce(transaction, study, revision, now)


def _present_revision(connection: Connection, study: StudyId, *states: StudyState) -> int:
    """The revision to be tried again; raises Permanent where the study is in none of `states`, or was never whole."""
    state, revision = studies.lock_revision(connection, study)
    if state not in states:
        raise Permanent("the study is not complete: its instances still come in, and it goes on by itself")
    if studies.names_two_patients(connection, study):
        shown = f"dicom-node patients list {str(study)[:8]}"
        raise Permanent(f"its images name two patients: {shown}, then patients keep, or patients same")
    if state is StudyState.STUCK and conflicts.wait_for(connection, study):
        raise Permanent(
            "images of it are a correction that waits for a person: dicom-node conflicts list, then conflicts adopt, "
            "or conflicts set-aside"
        )
    if revision and not studies.size(connection, study)[1]:
        if removed := studies.images_removed(connection, study):
            raise Permanent(
                f"its {removed} images were removed by retention: have it sent again, and it is taken as new"
            )
        raise Permanent("it has no images any more, for they were corrected: dicom-node conflicts list")
    if not revision:
        raise Permanent("nothing that came of the study can be read: dicom-node quarantine list; have it sent again")
    return revision
