"""Which studies are earlier ones of the same patient, and what of them an impression compares, on a real PostgreSQL."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydicom import Dataset
from sqlalchemy import text

from consumers.steps.request_summary import request_when_ended
from domain.ids import StudyId
from models.registry import Registry
from store.grants import role_of
from store.studied import EarlierRun, studied
from tests.contract.test_summarising import route
from tests.support.bench import Bench
from tests.support.phantoms import Phantom
from tests.support.working import SMALL, FakeChild, worker

ID, NAME, BORN = "Patient ID:17", "Patient's Name in LATIN:d0e", "Patient's Birth Date:70"
THIS = (ID, NAME, BORN, "Accession Number:1", "Study Date:800200")
BEFORE = (ID, NAME, BORN, "Accession Number:2", "Study Date:800160")


def without(marks: Sequence[str], *which: str) -> tuple[str, ...]:
    return tuple(one for one in marks if not one.startswith(which))


def kept(bench: Bench, marks: Sequence[str], same: Sequence[str] = (), two: bool = False) -> uuid.UUID:
    """A study whose images bear these marks."""
    made = uuid.uuid4()
    rows = (
        "INSERT INTO dicom_node.studies"
        " (id, study_uid, state, reason, since, first_received, last_received, named, same_patient, two_patients)"
        " VALUES (:id, :uid, 'complete', '', now(), now(), now(), :named, :same, :two)"
    )
    with bench.as_process("index").database.transaction() as connection:
        connection.execute(text("RESET ROLE"))
        given = {"id": made, "uid": str(made), "named": list(marks), "same": list(same), "two": two}
        connection.execute(text(rows), given)
    return made


def earlier(bench: Bench, study: uuid.UUID) -> list[tuple[uuid.UUID, int]]:
    """What the role that writes impressions is told."""
    with bench.as_process("summarise").database.transaction() as connection:
        asked = text("SELECT study_id, days FROM dicom_node.earlier_studies(:study) ORDER BY days")
        return [(row.study_id, row.days) for row in connection.execute(asked, {"study": study})]


def test_an_earlier_study_of_the_same_patient_is_told_with_its_days_and_a_later_one_is_none(bench: Bench) -> None:
    this, before = kept(bench, THIS), kept(bench, BEFORE)
    oldest = kept(bench, [*without(BEFORE, "Study Date"), "Study Date:799000"])
    assert earlier(bench, this) == [(before, 40), (oldest, 1200)]
    assert earlier(bench, oldest) == [], "whichever came first"


NOT_EARLIER = {
    "another id": ("Patient ID:18", *without(BEFORE, "Patient ID")),
    "no id": without(BEFORE, "Patient ID"),
    "two ids": ("Patient ID:18", *BEFORE),
    "another name": ("Patient's Name in LATIN:0ther", *without(BEFORE, "Patient's Name")),
    "another birth date": ("Patient's Birth Date:71", *without(BEFORE, "Patient's Birth")),
    "no name": without(BEFORE, "Patient's Name"),
    "no birth date": without(BEFORE, "Patient's Birth"),
    "no date": without(BEFORE, "Study Date"),
    "two dates": (*BEFORE, "Study Date:800161"),
    "of one day": (*without(BEFORE, "Study Date"), "Study Date:800200"),
}


def test_what_may_be_another_patients_or_in_another_order_is_no_earlier_study(bench: Bench) -> None:
    for why, marks in NOT_EARLIER.items():
        this, other = kept(bench, THIS), kept(bench, marks)
        assert (earlier(bench, this), earlier(bench, other)) == ([], []), why
        bench.as_owner("DELETE FROM dicom_node.studies")


def test_what_one_study_does_not_state_or_a_person_has_found_to_be_one_patients_disagrees_with_nothing(
    bench: Bench,
) -> None:
    this = kept(bench, [*THIS, "Issuer of Patient ID:a"])
    less = kept(bench, BEFORE)
    maiden = "Patient's Name in LATIN:ma1d"
    both = kept(bench, [*without(BEFORE, "Study Date"), "Study Date:800100", maiden], same=[NAME, maiden])
    assert earlier(bench, this) == [(less, 40), (both, 100)]


@pytest.mark.parametrize("doubted", [0, 1], ids=["this", "before"])
def test_a_study_whose_patient_is_doubted_is_compared_with_none(bench: Bench, doubted: int) -> None:
    both = kept(bench, THIS), kept(bench, BEFORE)
    of = both[doubted]
    compared = [(both[1], 40)]
    bench.as_owner(f"UPDATE dicom_node.studies SET two_patients = true WHERE id = '{of}'")
    assert earlier(bench, both[0]) == []
    bench.as_owner(
        "UPDATE dicom_node.studies SET two_patients = false",
        "INSERT INTO dicom_node.conflicts (sop_uid, digest, kept_digest, study_id, association_id, object_key,"
        f" received_at, kind, sent_study_id) VALUES ('1.2', '', '', '{of}', '{of}', '', now(), 'other bytes', '{of}')",
    )
    assert earlier(bench, both[0]) == compared
    for kind in ("other patient", "other study"):
        bench.as_owner(f"UPDATE dicom_node.conflicts SET kind = '{kind}', ended = ''")
        assert earlier(bench, both[0]) == []
        bench.as_owner("UPDATE dicom_node.conflicts SET ended = 'set aside'")
        assert earlier(bench, both[0]) == compared


def dated(phantom: Phantom, day: str) -> list[Dataset]:
    made = phantom.datasets()
    for one in made:
        one.StudyDate = day
    return made


def found(bench: Bench, phantom: Phantom, after: str = "SELECT 1") -> EarlierRun | None:
    """What a study's impression is compared with, `after` a statement of which nothing stays."""
    uid = phantom.datasets()[0].StudyInstanceUID
    ((study,),) = bench.ask(f"SELECT id FROM dicom_node.studies WHERE study_uid = '{uid}'")
    with bench.as_process("summarise").database.transaction() as connection, connection.begin_nested() as trial:
        connection.execute(text("SET LOCAL ROLE NONE"))
        connection.execute(text(after))
        connection.execute(text(f"SET LOCAL ROLE {role_of('summarise')}"))
        (run,) = studied(connection, StudyId(study)).runs
        trial.rollback()
    return run.earlier


def models_run(bench: Bench, registry: Registry, phantom: Phantom, day: str) -> None:
    bench.receive(dated(phantom, day))
    route(bench, registry)
    worker(bench, FakeChild(registry, phantom=phantom), when_ended=request_when_ended).step()


def test_the_same_models_findings_of_the_newest_study_before_are_compared_in_the_order_of_their_dates(
    bench: Bench, registry: Registry
) -> None:
    last, first, middle = (replace(SMALL, study=one) for one in ("3", "1", "2"))
    for phantom, day in ((last, "20260601"), (first, "20250102"), (middle, "20260420")):
        models_run(bench, registry, phantom, day)
    compared = found(bench, last)
    assert compared is not None and compared.days == 42
    assert compared.findings.frames[0].sop_instance_uid == middle.datasets()[0].SOPInstanceUID
    assert found(bench, first) is None
    days = found(bench, middle)
    assert days is not None and days.days == 473


NOT_FOUND = {
    "withdrawn": "UPDATE dicom_node.jobs SET withdrawn_at = now() WHERE study_id = {before}",
    "another version": "UPDATE dicom_node.jobs SET version = '0.9' WHERE study_id = {before}",
    "another package": "UPDATE dicom_node.jobs SET model_digest = 'other' WHERE study_id = {before}",
    "failed": "UPDATE dicom_node.jobs SET state = 'failed' WHERE study_id = {before}",
    "of an older revision": "UPDATE dicom_node.studies SET revision = 2 WHERE id = {before}",
    "nobody is known": "UPDATE dicom_node.studies SET named = '{{}}', same_patient = '{{}}'",
}


def test_findings_that_count_no_more_and_another_releases_are_not_compared(bench: Bench, registry: Registry) -> None:
    this, before = replace(SMALL, study="2"), SMALL
    models_run(bench, registry, before, "20250102")
    models_run(bench, registry, this, "20260102")
    compared = found(bench, this)
    assert compared is not None and compared.days == 365
    its = f"(SELECT id FROM dicom_node.studies WHERE study_uid = '{before.datasets()[0].StudyInstanceUID}')"
    for why, change in NOT_FOUND.items():
        assert found(bench, this, change.format(before=its)) is None, why
    removed = f"DELETE FROM dicom_node.instances WHERE study_id = {its}"
    assert found(bench, this, removed) == compared, "its findings are kept"
