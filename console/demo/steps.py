"""What has happened to a study, step by step, out of its records. Pure functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.cli.output import size
from domain.records import DecisionRecord, ItemisedDelivery, MeasuredSegment, StudyPath
from domain.routing import in_short
from domain.states import DeliveryState, JobState, StudyState, SummaryState
from domain.statuses import outcome

_STORED = frozenset({DeliveryState.STORED, DeliveryState.COMMITTED})


@dataclass(frozen=True)
class Step:
    """Something that happened `at` a moment. `name` and `text` are the same whenever they are asked for."""

    name: str
    text: str
    at: datetime


def steps(path: StudyPath) -> list[Step]:
    """Everything that has happened so far, in the order of the way."""
    results = [*_inferred(path), *_written(path), *_delivered(path)]
    return [*_received(path), *_completed(path), *_chosen(path), *results, *_summed_up(path)]


def settled(path: StudyPath) -> list[Step]:
    """The steps that will not be told otherwise: how many instances came is known when the study is complete."""
    return [step for step in steps(path) if step.name != "received" or path.decisions]


def arrived(path: StudyPath) -> bool:
    """Whether the results of every model that runs, and that the images suit, are at every destination."""
    jobs = {one.id for one in path.jobs if one.state is not JobState.NOT_SUITABLE}
    stored = [one for one in path.deliveries if one.state in _STORED]
    return bool(jobs) and jobs <= {one.job_id for one in stored} and _impression_is_over(path, stored)


def _impression_is_over(path: StudyPath, stored: Sequence[ItemisedDelivery]) -> bool:
    """Whether the impression is at a destination as well, or none comes."""
    one = path.impression
    if one is None or one.state in (SummaryState.FAILED, SummaryState.CANCELLED):
        return True
    return any(delivery.summary_id == one.id for delivery in stored)


def nearest(paths: Sequence[StudyPath]) -> StudyPath | None:
    """The study to follow: the largest of those that something may come of yet, else of all; None of none."""
    return max(paths, key=lambda one: (not dead_end(one), _size(one)), default=None)


def _size(path: StudyPath) -> int:
    return sum(one.instances or 0 for one in path.series)


def dead_end(path: StudyPath) -> str:
    """Why nothing will arrive, "" while something may.

    A study is stuck, no model wants it or none finds its images suitable, or a destination refuses the results.
    """
    if path.study.state is StudyState.STUCK:
        return f"the study is stuck: {path.study.reason}"
    if path.decisions and not path.jobs:
        reasons = (f"  {one.model}: {_why(one)}" for one in path.decisions)
        return "\n".join(["no model wants this study", *reasons])
    if path.jobs and all(one.state is JobState.NOT_SUITABLE for one in path.jobs):
        return "\n".join(f"{one.model}: not suitable: {one.reason}" for one in path.jobs)
    refused = [one for one in path.deliveries if one.state is DeliveryState.REFUSED]
    return f"{refused[0].destination} refused the results: {refused[0].reason}" if refused else ""


def _received(path: StudyPath) -> Iterator[Step]:
    for one in path.associations:
        if one.closed_at:
            count = sum(series.instances or 0 for series in path.series)
            amount = size(sum(series.bytes or 0 for series in path.series))
            text = f"{count} instances, {amount}, from {one.calling_ae}; association {one.outcome}"
            yield Step("received", text, one.closed_at)


def _completed(path: StudyPath) -> Iterator[Step]:
    if path.decisions:
        at = min(one.decided_at for one in path.decisions)
        yield Step("complete", f"no further instance came; revision {path.study.revision}", at)


def _chosen(path: StudyPath) -> Iterator[Step]:
    for one in path.decisions:
        verdict = "model chosen" if one.series_id else "model left out"
        yield Step(verdict, f"{one.model} {one.version}: {_why(one)}", one.decided_at)


def _why(decision: DecisionRecord) -> str:
    return decision.reason if decision.series_id else in_short(decision.reason, decision.refusals)


def _inferred(path: StudyPath) -> Iterator[Step]:
    for one in path.jobs:
        yield Step("inference", f"{one.model} is asked for", one.requested_at)
        if one.state is JobState.SUCCEEDED and one.finished_at:
            found = ", ".join(segment.segment for segment in one.findings or () if _is_there(segment)) or "nothing"
            yield Step("inferred", f"{one.model} found: {found}", one.finished_at)
        if one.state is JobState.NOT_SUITABLE:
            yield Step("not suitable", f"{one.model}: {one.reason}", one.since)


def _is_there(segment: MeasuredSegment) -> bool:
    """Whether it has a voxel: of one without, volume and number are 0 and nothing else is measured."""
    return not segment.measurements or any(one.value for one in segment.measurements)


def _written(path: StudyPath) -> Iterator[Step]:
    for job in path.jobs:
        results = [one for one in path.results if one.job_id == job.id]
        if results:
            text = ", ".join(f"{one.kind} of {size(one.size)}" for one in results)
            yield Step("written", text, max(one.written_at for one in results))


def _delivered(path: StudyPath) -> Iterator[Step]:
    for one in path.deliveries:
        if one.state in _STORED and one.job_id:
            yield Step("delivered", f"{_answers(one) or 'nothing to store'} at {one.destination}", one.since)


def _summed_up(path: StudyPath) -> Iterator[Step]:
    """What all models found together, in a few sentences; it comes when their results are written."""
    one = path.impression
    if one and one.author and one.finished_at:
        yield Step("impression", f"{one.sentences} sentences, written by the {one.author}", one.finished_at)
        for sent in path.deliveries:
            if sent.state in _STORED and sent.summary_id == one.id:
                yield Step(
                    "impression sent", f"{_answers(sent) or 'nothing to store'} at {sent.destination}", sent.since
                )


def _answers(delivery: ItemisedDelivery) -> str:
    """The objects that were stored, by what the archive said of them."""
    said: dict[str, list[str]] = {}
    for one in delivery.objects:
        if one.status is not None:
            said.setdefault(outcome(one.status, one.stored), []).append(one.kind)
    return "; ".join(f"{', '.join(kinds)} {words}" for words, kinds in said.items())
