"""`audit report` on a study that came, was read by a model and written: one screen of words, one document of JSON."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import newest_entries
from console.cli.app import app
from consumers.steps.cancel import cancel
from models.registry import Registry
from tests.support.bench import Bench
from tests.support.working import ARCHIVE, SMALL, FakeChild, route, study_id, worker, write_and_plan


@pytest.fixture
def read(bench: Bench, registry: Registry) -> Bench:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, ())
    return bench


def run(bench: Bench, *words: str, code: int = 0) -> str:
    url = bench.database._engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(app, ["audit", "report", *words, "--database", url])
    assert result.exit_code == code, result.output
    return result.stdout or result.stderr


def test_a_study_is_answered_with_what_stands_in_its_rows(read: Bench, registry: Registry) -> None:
    told = json.loads(run(read, "--study", str(study_id(read)), "--json"))
    (sender,), (reading,) = told["senders"], told["readings"]
    assert sender["instances"] == len(SMALL.datasets())
    assert (reading["model"], reading["package"]) == ("body_and_bone", registry.get("body_and_bone").digest)
    rows = read.ask("SELECT kind, sop_uid, digest FROM dicom_node.results ORDER BY sop_uid")
    assert sorted(reading["objects"], key=lambda one: one[1]) == [list(row) for row in rows]


def test_it_fits_on_a_screen_and_names_no_patient(read: Bench) -> None:
    said = run(read, "--study", str(study_id(read)))
    assert len(said.splitlines()) <= 50
    assert "body_and_bone 1.0.0" in said
    dataset = SMALL.datasets()[0]
    assert str(dataset.PatientName) not in said and str(dataset.PatientID) not in said


def test_a_day_is_answered_and_the_reading_is_an_entry(read: Bench) -> None:
    day = newest_entries(read.database, 1).rows[0].at[:10]
    told = json.loads(run(read, "--day", day, "--json"))
    assert told["entries"] > 3 and told["readings"]
    (entry,) = [one for one in newest_entries(read.database, 5).rows if one.action == Action.READ]
    assert entry.details["what"] == f"report of {day}"


def test_it_is_of_a_study_or_of_a_day() -> None:
    result = CliRunner().invoke(app, ["audit", "report"])
    assert result.exit_code == 1 and "--study STUDY, or --day DAY" in result.stderr


PLANTED = replace(
    SMALL,
    patient_name="Zquert^Planted",
    patient_id="ZQ-4711",
    accession_number="ZQACC9",
    birth_date="19520229",
    study_description="ZQTEXT",
)


def test_no_entry_of_a_study_names_whom_it_is_of(bench: Bench, registry: Registry) -> None:
    bench.receive(PLANTED.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry, phantom=PLANTED)).step()
    write_and_plan(bench, (ARCHIVE,))
    cancel(bench.ledger.on_behalf_of("alice"), study_id(bench), "a test", "alice", bench.clock.now())
    told = "".join(str(one) for one in newest_entries(bench.database, 200).rows)
    assert "alice" in told
    assert [word for word in ("ZQ", "Zquert", "Planted", "19520229") if word in told] == []
