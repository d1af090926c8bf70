"""A demonstration tells each step of a study once, in its order, and knows when nothing more will come."""

from typing import Any

import pytest

from console.demo.steps import arrived, dead_end, steps

DECISION = {
    "model": "ct_lung",
    "version": "1.0.0",
    "series_id": "s1",
    "reason": "a series meets its intended use",
    "inputs": {"ct": "s1"},
    "refusals": {},
    "decided_at": "2026-01-01T08:00:07+00:00",
}
JOB = {
    "id": "j1",
    "model": "ct_lung",
    "state": "succeeded",
    "requested_at": "2026-01-01T08:00:07+00:00",
    "finished_at": "2026-01-01T08:00:12+00:00",
    "findings": [{"segment": "Right lung", "measurements": []}],
}
RESULT = {"job_id": "j1", "kind": "SR", "size": 58_000, "written_at": "2026-01-01T08:00:13+00:00"}
DELIVERY = {
    "job_id": "j1",
    "destination": "PACS",
    "state": "stored",
    "reason": "stored",
    "since": "2026-01-01T08:00:14+00:00",
    "objects": [{"kind": "SR", "status": 0}],
}


def path(**parts: Any) -> dict[str, Any]:
    association = {"calling_ae": "CT", "closed_at": "2026-01-01T08:00:02+00:00", "outcome": "released"}
    series = {"instances": 140, "bytes": 73_700_000}
    study = {"state": "complete", "reason": "", "revision": 1}
    empty: dict[str, Any] = {"decisions": [], "jobs": [], "results": [], "deliveries": []}
    return {"study": study, "associations": [association], "series": [series], **empty, **parts}


WHOLE = path(decisions=[DECISION], jobs=[JOB], results=[RESULT], deliveries=[DELIVERY])


def test_a_whole_way_is_told_in_its_order() -> None:
    told = steps(WHOLE)
    assert [step.name for step in told] == [
        "received", "complete", "model chosen", "inference", "inferred", "written", "delivered",
    ]  # fmt: skip
    assert [step.at for step in told] == sorted(step.at for step in told)
    assert told[0].text == "140 instances, 73.7 MB, from CT; association released"
    assert told[-1].text == "SR (0000) stored at PACS"
    assert arrived(WHOLE)
    assert not dead_end(WHOLE)


@pytest.mark.parametrize("missing", ["jobs", "deliveries"])
def test_results_have_not_arrived_before_each_job_is_delivered(missing: str) -> None:
    assert not arrived({**WHOLE, missing: []})
    assert not arrived({**WHOLE, "jobs": [JOB, {**JOB, "id": "j2"}]})


def test_an_association_that_is_open_is_not_told_yet() -> None:
    association = {"calling_ae": "CT", "closed_at": None, "outcome": None}
    assert steps(path(associations=[association])) == []


def test_a_study_that_no_model_wants_ends_with_each_reason_once() -> None:
    refusals = {"s1": ["has 3 slices, fewer than 20"], "s2": ["has 3 slices, fewer than 20"]}
    decision = {**DECISION, "series_id": None, "reason": "no series meets its intended use", "refusals": refusals}
    said = dead_end(path(decisions=[decision]))
    assert said.count("has 3 slices, fewer than 20") == 1
    assert "ct_lung: no series meets its intended use" in said


def test_a_stuck_study_ends_with_its_reason() -> None:
    stuck = {"state": "stuck", "reason": "ct_lung: slices are not evenly spaced", "revision": 1}
    assert dead_end(path(study=stuck)) == "the study is stuck: ct_lung: slices are not evenly spaced"


def test_a_refused_delivery_ends_with_the_archives_reason() -> None:
    refused = {**DELIVERY, "state": "refused", "reason": "no such SOP class"}
    assert dead_end(path(decisions=[DECISION], jobs=[JOB], deliveries=[refused])) == (
        "PACS refused the results: no such SOP class"
    )
