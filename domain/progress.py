"""Where a study is, since when, and why: one sentence out of its rows. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.states import DeliveryState, JobState, StudyState

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """`where` is a step of the way with what it is about, `since` a moment as ISO text, `why` the reason in words."""

    where: str
    since: str
    why: str


def progress(
    study: Record, jobs: Sequence[Record], results: Sequence[Record], deliveries: Sequence[Record]
) -> Progress:
    """The step that a study waits at; of several, the one that has come least far."""
    if study["state"] != StudyState.COMPLETE:
        return Progress(study["state"], study["since"], study["reason"])
    current = _newest_of_each_model(jobs)
    for job in sorted(current, key=_lag):
        if job["state"] != JobState.SUCCEEDED:
            return Progress(f"inference of {job['model']} {_words(job['state'])}", job["since"], job["reason"])
    for job in current:
        # A delivery without results: the findings gave nothing that any destination's readers see.
        if not any(one["job_id"] == job["id"] for one in (*results, *deliveries)):
            return Progress(f"results of {job['model']} are being written", job["since"], "inference succeeded")
    return _delivery(study, [one for one in deliveries if one["job_id"] in {job["id"] for job in current}])


def _delivery(study: Record, deliveries: Sequence[Record]) -> Progress:
    if not deliveries:
        return Progress(study["state"], study["since"], study["reason"])
    arrived = {DeliveryState.STORED, DeliveryState.COMMITTED}
    on_the_way = [one for one in deliveries if one["state"] not in arrived]
    if on_the_way:
        one = max(on_the_way, key=lambda delivery: str(delivery["since"]))
        return Progress(f"delivery to {one['destination']} {_words(one['state'])}", one["since"], one["reason"])
    names = ", ".join(sorted({one["destination"] for one in deliveries}))
    last = max(deliveries, key=lambda delivery: str(delivery["since"]))
    return Progress(f"results stored at {names}", last["since"], last["reason"])


def _newest_of_each_model(jobs: Sequence[Record]) -> list[Record]:
    newest: dict[str, Record] = {}
    for job in sorted(jobs, key=lambda job: int(job["revision"])):
        newest[job["model"]] = job
    return list(newest.values())


def _lag(job: Record) -> int:
    order = [JobState.FAILED, JobState.TIMED_OUT, JobState.REQUESTED, JobState.LEASED, JobState.RUNNING]
    return order.index(job["state"]) if job["state"] in order else len(order)


def _words(state: str) -> str:
    return state.replace("_", " ")
