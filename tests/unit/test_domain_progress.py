"""Where a study is, since when and why, in one sentence."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.ids import JobId
from domain.progress import Progress, behind, progress
from domain.records import DeliveryRecord, JobRecord, ResultRecord, StudyRecord
from domain.states import DeliveryState, JobState, StudyState
from tests.support import records
from tests.support.records import BEGUN as EARLY

LATER, LATEST = EARLY + timedelta(hours=1), EARLY + timedelta(hours=2)


def a_study(state: str = "complete", reason: str = "waits for ct_lung") -> StudyRecord:
    return records.a_study(state=StudyState(state), reason=reason, since=EARLY)


def number(job: str) -> JobId:
    return JobId(uuid.uuid5(uuid.NAMESPACE_OID, job))


def a_job(state: str, model: str = "ct_lung", revision: int = 1, reason: str = "why") -> JobRecord:
    job = number(f"{model}-{revision}")
    return records.a_job(id=job, model=model, revision=revision, state=JobState(state), reason=reason, since=LATER)


def a_result(job: str = "ct_lung-1") -> ResultRecord:
    return records.a_result(job_id=number(job))


def a_delivery(
    state: str, destination: str = "PACS", job: str = "ct_lung-1", since: datetime = LATEST
) -> DeliveryRecord:
    return records.a_delivery(
        job_id=number(job), destination=destination, state=DeliveryState(state), since=since, reason="said so"
    )


@pytest.mark.parametrize("state", ["receiving", "amended", "stuck", "archived"])
def test_a_study_that_is_not_complete_is_where_its_state_says(state: str) -> None:
    assert progress(a_study(state, "because"), [a_job("succeeded")], [], []) == Progress(state, EARLY, "because")


def test_a_complete_study_without_jobs_speaks_for_itself() -> None:
    assert progress(a_study(), [], [], []) == Progress("complete", EARLY, "waits for ct_lung")


def test_a_study_that_went_on_without_images_that_were_expected_says_so_wherever_it_is() -> None:
    lacks = "120 of 130 images came (the sender says), 10 are missing"
    study = replace(a_study(), lacks=lacks)
    assert progress(study, [a_job("running")], [], []).why == f"why; {lacks}"
    assert progress(replace(study, state=StudyState.AMENDED), [], [], []).why == "waits for ct_lung"


@pytest.mark.parametrize("state", ["requested", "leased", "running", "failed", "timed_out"])
def test_a_job_that_has_not_succeeded_is_where_it_waits(state: str) -> None:
    place = progress(a_study(), [a_job(state)], [], [])
    assert place == Progress(f"inference of ct_lung {state.replace('_', ' ')}", LATER, "why")


def test_of_several_jobs_the_one_in_trouble_is_named() -> None:
    jobs = [a_job("running", "a"), a_job("failed", "b"), a_job("succeeded", "c")]
    assert progress(a_study(), jobs, [], []).where == "inference of a running; inference of b failed"


def test_a_study_that_was_delivered_without_a_model_says_both() -> None:
    jobs = [a_job("succeeded"), a_job("failed", "broken", reason="its network cannot be read")]
    place = progress(a_study(), jobs, [a_result()], [a_delivery("stored")])
    assert place.where == "results stored at PACS; inference of broken failed"
    assert place.why == "said so; broken: its network cannot be read"


def test_where_every_model_failed_there_is_nothing_else_to_say() -> None:
    jobs = [a_job("failed", "a"), a_job("timed_out", "b")]
    assert progress(a_study(), jobs, [], []).where == "inference of a failed"


def test_a_study_whose_only_model_finds_it_not_suitable_says_so_with_the_reason() -> None:
    place = progress(a_study(), [a_job("not_suitable", reason="the volume is a phantom")], [], [])
    assert place == Progress("ct_lung: not suitable", LATER, "the volume is a phantom")


def test_what_is_not_suitable_for_one_model_is_said_behind_what_another_has_come_to() -> None:
    jobs = [a_job("succeeded"), a_job("not_suitable", "brain", reason="a phantom")]
    place = progress(a_study(), jobs, [a_result()], [a_delivery("stored")])
    assert place == Progress("results stored at PACS; brain: not suitable", LATEST, "said so; brain: a phantom")


def test_of_models_that_find_a_study_not_suitable_each_is_named_and_a_failure_comes_first() -> None:
    jobs = [a_job("not_suitable", "a"), a_job("not_suitable", "b")]
    assert progress(a_study(), jobs, [], []).where == "a: not suitable; b: not suitable"
    place = progress(a_study(), [*jobs, a_job("failed", "c")], [], [])
    assert place.where == "inference of c failed; a: not suitable; b: not suitable"


def test_a_job_that_a_later_revision_has_replaced_is_past() -> None:
    jobs = [a_job("failed", revision=1), a_job("running", revision=2)]
    assert progress(a_study(), jobs, [], []).where == "inference of ct_lung running"


def test_findings_without_objects_are_being_written() -> None:
    assert progress(a_study(), [a_job("succeeded")], [], []).where == "results of ct_lung are being written"


def test_results_without_a_destination_are_where_the_study_says() -> None:
    assert progress(a_study(), [a_job("succeeded")], [a_result()], []).where == "complete"


def test_a_delivery_on_its_way_is_named_with_its_reason() -> None:
    deliveries = [a_delivery("stored", "FIRST"), a_delivery("pending", "SECOND")]
    place = progress(a_study(), [a_job("succeeded")], [a_result()], deliveries)
    assert place == Progress("delivery to SECOND pending", LATEST, "said so")


def test_results_are_home_when_every_delivery_has_arrived() -> None:
    deliveries = [a_delivery("stored", "B", since=LATER), a_delivery("committed", "A", since=LATEST)]
    place = progress(a_study(), [a_job("succeeded")], [a_result()], deliveries)
    assert (place.where, place.since) == ("results stored at A, B", LATEST)


def test_deliveries_of_replaced_results_do_not_count() -> None:
    jobs = [a_job("succeeded", revision=1), a_job("succeeded", revision=2)]
    results = [a_result("ct_lung-1"), a_result("ct_lung-2")]
    deliveries = [a_delivery("pending", job="ct_lung-1"), a_delivery("stored", job="ct_lung-2")]
    assert progress(a_study(), jobs, results, deliveries).where == "results stored at PACS"


def test_withdrawn_results_are_said_to_be_with_what_became_of_their_notes() -> None:
    job = replace(a_job("succeeded"), withdrawn_at=LATEST, withdrawn_for="of another patient")
    sent = a_delivery("stored")
    note = records.a_rejection(delivery_id=sent.id, state=DeliveryState.PENDING, reason="waits to be sent")
    place = progress(a_study(), [job], [a_result()], [sent], [note])
    assert place == Progress(
        "results of ct_lung withdrawn", LATEST, "of another patient; rejection note to PACS pending: waits to be sent"
    )


def test_a_note_that_has_arrived_needs_no_reason() -> None:
    job, sent = replace(a_job("succeeded"), withdrawn_at=LATEST, withdrawn_for="wrong"), a_delivery("stored")
    place = progress(a_study(), [job], [], [sent], [records.a_rejection(delivery_id=sent.id)])
    assert place.why == "wrong; rejection note to PACS stored"


def test_results_of_other_models_are_where_they_are_beside_withdrawn_ones() -> None:
    job = replace(a_job("succeeded"), withdrawn_at=LATEST, withdrawn_for="of another patient")
    place = progress(a_study(), [job, a_job("running", "brain")], [a_result()], [a_delivery("stored")])
    assert place == Progress(
        "inference of brain running; results of ct_lung withdrawn", LATER, "why; of another patient"
    )


@pytest.mark.parametrize(
    ("what", "number", "said"),
    [
        ("study", 1240, " behind 1,240 studies"),
        ("job", 12, " behind 12 jobs"),
        ("delivery", 1, " behind 1 delivery"),
        ("job", 0, ""),
    ],
)
def test_who_waits_for_a_turn_says_behind_how_many(what: str, number: int, said: str) -> None:
    assert behind(what, number) == said
