"""What has happened to a study, step by step, out of the rows that `status --json` shows. Pure functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.cli.output import size
from domain.states import DeliveryState, JobState, StudyState

Path = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Something that happened `at` a moment. `name` and `text` are the same whenever they are asked for."""

    name: str
    text: str
    at: datetime


def steps(path: Path) -> list[Step]:
    """Everything that has happened so far, in the order of the way."""
    return [*_received(path), *_completed(path), *_chosen(path), *_inferred(path), *_written(path), *_delivered(path)]


def arrived(path: Path) -> bool:
    """Whether the results of every model that runs are at every destination."""
    deliveries = path["deliveries"]
    done = {DeliveryState.STORED, DeliveryState.COMMITTED}
    jobs = {one["id"] for one in path["jobs"]}
    return bool(jobs) and jobs <= {one["job_id"] for one in deliveries if one["state"] in done}


def dead_end(path: Path) -> str:
    """Why nothing will arrive, "" while something may: a stuck study, one that no model wants, a refused delivery."""
    study = path["study"]
    if study["state"] == StudyState.STUCK:
        return f"the study is stuck: {study['reason']}"
    if path["decisions"] and not path["jobs"]:
        reasons = (f"{one['model']}: {'; '.join([one['reason'], *_refusals(one)])}" for one in path["decisions"])
        return "no model wants this study. " + " ".join(reasons)
    refused = [one for one in path["deliveries"] if one["state"] == DeliveryState.REFUSED]
    return f"{refused[0]['destination']} refused the results: {refused[0]['reason']}" if refused else ""


def _received(path: Path) -> Iterator[Step]:
    for one in path["associations"]:
        if one["closed_at"]:
            count = sum(series["instances"] or 0 for series in path["series"])
            amount = size(sum(series["bytes"] or 0 for series in path["series"]))
            text = f"{count} instances, {amount}, from {one['calling_ae']}; association {one['outcome']}"
            yield Step("received", text, _moment(one["closed_at"]))


def _completed(path: Path) -> Iterator[Step]:
    if path["decisions"]:
        at = min(_moment(one["decided_at"]) for one in path["decisions"])
        yield Step("complete", f"no further instance came; revision {path['study']['revision']}", at)


def _chosen(path: Path) -> Iterator[Step]:
    for one in path["decisions"]:
        verdict = "model chosen" if one["series_id"] else "model left out"
        text = f"{one['model']} {one['version']}: {'; '.join([one['reason'], *_refusals(one)])}"
        yield Step(verdict, text, _moment(one["decided_at"]))


def _refusals(decision: Path) -> list[str]:
    """The reasons against every series, each once, where no series was taken."""
    if decision["series_id"]:
        return []
    return list(dict.fromkeys(reason for reasons in decision["refusals"].values() for reason in reasons))


def _inferred(path: Path) -> Iterator[Step]:
    for one in path["jobs"]:
        yield Step("inference", f"{one['model']} is asked for", _moment(one["requested_at"]))
        if one["state"] == JobState.SUCCEEDED:
            found = ", ".join(segment["segment"] for segment in one["findings"] or ()) or "nothing"
            yield Step("inferred", f"{one['model']} found: {found}", _moment(one["finished_at"]))


def _written(path: Path) -> Iterator[Step]:
    for job in path["jobs"]:
        results = [one for one in path["results"] if one["job_id"] == job["id"]]
        if results:
            text = ", ".join(f"{one['kind']} of {size(one['size'])}" for one in results)
            yield Step("written", text, max(_moment(one["written_at"]) for one in results))


def _delivered(path: Path) -> Iterator[Step]:
    for one in path["deliveries"]:
        if one["state"] in {DeliveryState.STORED, DeliveryState.COMMITTED}:
            kinds = ", ".join(f"{each['kind']} ({each['status']:04X})" for each in one["objects"])
            yield Step("delivered", f"{kinds} stored at {one['destination']}", _moment(one["since"]))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
