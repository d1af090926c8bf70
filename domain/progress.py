"""Where a study is, since when, and why: one sentence out of its rows. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.conflict_records import CorrectionRecord
from domain.records import DeliveryRecord, JobRecord, RejectionRecord, ResultRecord, StudyRecord
from domain.rejections import Cause
from domain.states import DeliveryState, JobState, StudyState

_FAILED = (JobState.FAILED, JobState.TIMED_OUT)


@dataclass(frozen=True)
class Progress:
    """`where` is a step of the way with what it is about, `since` when it came there, `why` the reason in words."""

    where: str
    since: datetime
    why: str


def progress(
    study: StudyRecord,
    jobs: Sequence[JobRecord],
    results: Sequence[ResultRecord],
    deliveries: Sequence[DeliveryRecord],
    rejections: Sequence[RejectionRecord] = (),
    other_bytes: Sequence[CorrectionRecord] = (),
) -> Progress:
    """The step that a study waits at; of several, the one that has come least far.

    Models that failed, or that the images do not suit, on a study that goes on without them are named behind it, as are
    those whose results were withdrawn, and what is known to be missing of the images. Where anything failed, so are
    `other_bytes` that wait: they may mend it.
    """
    place = _place(study, jobs, results, deliveries, rejections)
    if study.lacks and study.state is StudyState.COMPLETE:
        place = replace(place, why=f"{place.why}; {study.lacks}")
    failed = any(one.state in _FAILED for one in _newest_of_each_model(jobs))
    if study.state is not StudyState.STUCK and not failed:
        return place
    return replace(place, why="; ".join([place.why, *bytes_that_wait(other_bytes)]))


def bytes_that_wait(other_bytes: Sequence[CorrectionRecord]) -> list[str]:
    """What a person may let count in place of bytes that were no good, with the command; nothing where none wait."""
    return [
        f"other bytes of {one.images} image{'s' * (one.images > 1)} came and wait: "
        f"dicom-node conflicts adopt {one.id}{' --all' * (one.images > 1)}"
        for one in other_bytes
    ]


def behind(what: str, number: int) -> str:
    """How many of `what`, "job" or "jobs", come first, as a reason goes on; empty where none does."""
    return f" behind {number:,} {what if number == 1 else _several(what)}" if number else ""


def _several(what: str) -> str:
    return f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"


def _place(
    study: StudyRecord,
    jobs: Sequence[JobRecord],
    results: Sequence[ResultRecord],
    deliveries: Sequence[DeliveryRecord],
    rejections: Sequence[RejectionRecord],
) -> Progress:
    if study.state is not StudyState.COMPLETE:
        return _early(_of_study(study), study, jobs)
    current = _newest_of_each_model([one for one in jobs if one.state is not JobState.CANCELLED])
    withdrawn = [_withdrawn(one, deliveries, rejections) for one in current if one.withdrawn_at]
    rest = [one for one in current if not one.withdrawn_at]
    return _joined([*([_going(study, rest, results, deliveries)] if rest or not withdrawn else []), *withdrawn])


def _early(place: Progress, study: StudyRecord, jobs: Sequence[JobRecord]) -> Progress:
    """With what was started before the study is complete."""
    going = (JobState.REQUESTED, JobState.LEASED, JobState.RUNNING, JobState.FOUND_EARLY)
    mine = [one for one in jobs if one.started_early and one.revision > study.revision and one.state in going]
    said = [f"{one.model} {_words(one.state)} (started early: {one.started_early})" for one in mine]
    return replace(place, why="; ".join([place.why, *said]))


def _joined(places: Sequence[Progress]) -> Progress:
    """One place of several; the first says since when."""
    return Progress(
        "; ".join(one.where for one in places), places[0].since, "; ".join(dict.fromkeys(one.why for one in places))
    )


def _withdrawn(job: JobRecord, deliveries: Sequence[DeliveryRecord], rejections: Sequence[RejectionRecord]) -> Progress:
    """What was taken back, and what became of the notes that tell those who have it."""
    assert job.withdrawn_at is not None
    mine = {one.id for one in deliveries if one.job_id == job.id}
    notes = [one for one in rejections if one.delivery_id in mine and one.cause == Cause.WITHDRAWN]
    said = [f"rejection note to {one.destination} {_words(one.state)}{_why(one)}" for one in notes]
    return Progress(f"results of {job.model} withdrawn", job.withdrawn_at, "; ".join([job.withdrawn_for, *said]))


def _why(note: RejectionRecord) -> str:
    return "" if note.state is DeliveryState.STORED else f": {note.reason}"


def _going(
    study: StudyRecord,
    current: Sequence[JobRecord],
    results: Sequence[ResultRecord],
    deliveries: Sequence[DeliveryRecord],
) -> Progress:
    failed = [one for one in current if one.state in _FAILED]
    refused = [one for one in current if one.state is JobState.NOT_SUITABLE]
    going_on = [one for one in current if one not in failed and one not in refused]
    first = going_on or failed or refused[:1]
    behind = [one for one in (*failed, *refused) if one not in first]
    place = _of_jobs(study, first, results, deliveries)
    where = "; ".join([place.where, *(_stands(one) for one in behind)])
    return Progress(where, place.since, "; ".join([place.why, *(f"{one.model}: {one.reason}" for one in behind)]))


def _stands(job: JobRecord) -> str:
    suits = job.state is not JobState.NOT_SUITABLE
    return f"inference of {job.model} {_words(job.state)}" if suits else f"{job.model}: not suitable"


def _of_jobs(
    study: StudyRecord,
    current: Sequence[JobRecord],
    results: Sequence[ResultRecord],
    deliveries: Sequence[DeliveryRecord],
) -> Progress:
    for job in sorted(current, key=_lag):
        if job.state is not JobState.SUCCEEDED:
            return Progress(_stands(job), job.since, job.reason)
    # A delivery without results: the findings gave nothing that any destination's readers see.
    written = {one.job_id for one in results} | {one.job_id for one in deliveries}
    for job in current:
        if job.id not in written:
            return Progress(f"results of {job.model} are being written", job.since, "inference succeeded")
    wanted = [one for one in deliveries if one.state is not DeliveryState.CANCELLED]
    return _delivery(study, [one for one in wanted if one.job_id in {job.id for job in current}])


def _of_study(study: StudyRecord) -> Progress:
    return Progress(study.state, study.since, study.reason)


def _delivery(study: StudyRecord, deliveries: Sequence[DeliveryRecord]) -> Progress:
    if not deliveries:
        return _of_study(study)
    arrived = {DeliveryState.STORED, DeliveryState.COMMITTED}
    on_the_way = [one for one in deliveries if one.state not in arrived]
    if on_the_way:
        one = max(on_the_way, key=lambda delivery: delivery.since)
        return Progress(f"delivery to {one.destination} {_words(one.state)}", one.since, one.reason)
    names = ", ".join(sorted({one.destination for one in deliveries}))
    last = max(deliveries, key=lambda delivery: delivery.since)
    return Progress(f"results stored at {names}", last.since, last.reason)


def _newest_of_each_model(jobs: Sequence[JobRecord]) -> list[JobRecord]:
    return list({job.model: job for job in sorted(jobs, key=lambda job: job.revision)}.values())


def _lag(job: JobRecord) -> int:
    order = [JobState.FAILED, JobState.TIMED_OUT, JobState.REQUESTED, JobState.LEASED, JobState.RUNNING]
    return order.index(job.state) if job.state in order else len(order)


def _words(state: str) -> str:
    return state.replace("_", " ")
