"""A demonstration tells each step of a study once, in its order, and knows when nothing more will come."""

from dataclasses import replace
from datetime import timedelta

from console.demo.steps import arrived, dead_end, nearest, settled, steps
from domain.ids import JobId, new_id
from domain.records import MeasuredSegment, MeasuredValue
from domain.states import DeliveryState, StudyState
from tests.support.records import (
    BEGUN,
    SERIES,
    a_decision,
    a_delivery,
    a_job,
    a_path,
    a_result,
    a_study,
    an_association,
)


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


RECEIVED = an_association(closed_at=BEGUN + after(2))
DECISION = a_decision(decided_at=BEGUN + after(7))
JOB = a_job(requested_at=BEGUN + after(7), finished_at=BEGUN + after(12), findings=(MeasuredSegment("Right lung", ()),))
RESULT = a_result(written_at=BEGUN + after(13))
DELIVERY = a_delivery(since=BEGUN + after(14))
WHOLE = a_path(associations=(RECEIVED,), decisions=(DECISION,), jobs=(JOB,), results=(RESULT,), deliveries=(DELIVERY,))


def test_a_whole_way_is_told_in_its_order() -> None:
    told = steps(WHOLE)
    assert [step.name for step in told] == [
        "received", "complete", "model chosen", "inference", "inferred", "written", "delivered",
    ]  # fmt: skip
    assert [step.at for step in told] == sorted(step.at for step in told)
    assert told[0].text == "140 instances, 73.7 MB, from CT; association released"
    assert told[-1].text == "ct_lung: SR stored (status 0000H) at PACS"
    assert arrived(WHOLE)
    assert not dead_end(WHOLE)


def test_results_of_two_models_are_told_apart_though_the_archive_took_the_same_of_both() -> None:
    another = replace(JOB, id=JobId(new_id()), model="ct_nodules")
    both = replace(
        WHOLE,
        jobs=(JOB, another),
        results=(RESULT, replace(RESULT, job_id=another.id)),
        deliveries=(DELIVERY, replace(DELIVERY, job_id=another.id)),
    )
    told = [(step.name, step.text) for step in settled(both)]
    assert [name for name, _ in told].count("delivered") == [name for name, _ in told].count("written") == 2
    assert len({*told}) == len(told)


def test_a_segment_without_a_voxel_was_not_found() -> None:
    def said(*segments: MeasuredSegment) -> str:
        (step,) = (
            one for one in steps(replace(WHOLE, jobs=(replace(JOB, findings=segments),))) if one.name == "inferred"
        )
        return step.text

    none, some = (MeasuredValue("Quantity", value, "1", "number", str(value)) for value in (0.0, 2.0))
    lung, nodules = MeasuredSegment("Right lung", (some,)), MeasuredSegment("Nodules", (none,))
    assert said(nodules).endswith("found: nothing")
    assert said(lung, nodules).endswith("found: Right lung")


def test_results_have_not_arrived_before_each_job_is_delivered() -> None:
    assert not arrived(replace(WHOLE, jobs=()))
    assert not arrived(replace(WHOLE, deliveries=()))
    assert not arrived(replace(WHOLE, jobs=(JOB, replace(JOB, id=JobId(new_id())))))


def test_an_association_that_is_open_is_not_told_yet() -> None:
    assert steps(a_path(associations=(an_association(closed_at=None, outcome=None),))) == []


def test_how_many_instances_came_is_not_settled_before_the_study_is_complete() -> None:
    assert [step.name for step in steps(a_path())] == ["received"]
    assert settled(a_path()) == []
    assert settled(WHOLE) == steps(WHOLE)


def test_a_study_that_no_model_wants_ends_with_each_reason_once() -> None:
    refusals = {str(SERIES): ("has 3 slices, fewer than 20",), "another": ("has 3 slices, fewer than 20",)}
    decision = replace(DECISION, series_id=None, reason="no series meets its intended use", refusals=refusals)
    said = dead_end(a_path(decisions=(decision,)))
    assert said.splitlines()[1:] == ["  ct_lung: no series meets its intended use: has 3 slices, fewer than 20"]


def test_a_stuck_study_ends_with_its_reason() -> None:
    stuck = a_study(state=StudyState.STUCK, reason="ct_lung: slices are not evenly spaced")
    assert dead_end(a_path(study=stuck)) == "the study is stuck: ct_lung: slices are not evenly spaced"


def test_a_refused_delivery_ends_with_the_archives_reason() -> None:
    refused = replace(DELIVERY, state=DeliveryState.REFUSED, reason="no such SOP class")
    assert dead_end(a_path(decisions=(DECISION,), jobs=(JOB,), deliveries=(refused,))) == (
        "PACS refused the results: no such SOP class"
    )


def test_of_several_studies_one_that_something_may_come_of_is_followed_though_another_is_larger() -> None:
    large = replace(WHOLE.series[0], instances=1000)
    unwanted = replace(WHOLE, jobs=(), results=(), deliveries=(), series=(large,))
    assert dead_end(unwanted)
    assert nearest([unwanted, WHOLE]) == WHOLE
    assert nearest([replace(unwanted, series=WHOLE.series), unwanted]) == unwanted
    assert nearest([]) is None
