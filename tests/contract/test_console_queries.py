"""What people ask of a real PostgreSQL, as they type it: status, explain, the trail, dead letters."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from audit.trail import Action, Ledger
from console.cli.main import app
from domain.errors import Permanent
from store import queries, tables
from store.database import Database
from store.schema import head, upgrade
from tests.support.servers import Postgres

BEGUN = datetime(2026, 1, 1, 12, tzinfo=UTC)
STUDY, SERIES, LOCALISER = uuid.UUID(int=0xABC1 << 112), uuid.UUID(int=2), uuid.UUID(int=3)
OTHER = uuid.UUID(int=0xABC2 << 112)
ASSOCIATION, JOB, DELIVERY = uuid.UUID(int=4), uuid.UUID(int=5), uuid.UUID(int=6)


def later(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    upgrade(database_url)
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def delivered(database: Database) -> Database:
    """A study that has gone the whole way, and one that is being received."""
    with database.transaction() as connection:
        for table, rows in ROWS.items():
            connection.execute(insert(tables.metadata.tables[f"dicom_node.{table}"]), rows)
    with Ledger(database, "test").transaction() as transaction:
        transaction.record(Action.STUDY_COMPLETED, STUDY, instances=3)
    return database


def a_study(number: uuid.UUID, uid: str, state: str, reason: str) -> dict[str, Any]:
    moments = {"since": later(5), "first_received": BEGUN, "last_received": later(number.int >> 112)}
    return {"id": number, "study_uid": uid, "state": state, "reason": reason, "revision": 1, **moments}


def an_instance(number: int, series: uuid.UUID, frames: int = 1) -> dict[str, Any]:
    return {
        "sop_uid": f"1.2.3.{number}",
        "study_id": STUDY,
        "series_id": series,
        "association_id": ASSOCIATION,
        "sop_class": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "digest": "00",
        "size": 1_000_000,
        "object_key": f"in/{number}",
        "revision": 1,
        "body_part": "CHEST",
        "frames": frames,
        "received_at": BEGUN,
    }


def a_series(number: uuid.UUID, uid: str) -> dict[str, Any]:
    texts = {"series_description": "Doe, John", "study_description": "Doe, John"}
    return {"id": number, "study_id": STUDY, "series_uid": uid, "modality": "CT", **texts}


def a_result(kind: str) -> dict[str, Any]:
    return {
        "sop_uid": f"2.25.{len(kind)}.{kind == 'SR'}".replace("True", "1").replace("False", "0"),
        "job_id": JOB,
        "study_id": STUDY,
        "kind": kind,
        "sop_class": "1",
        "series_uid": "1",
        "transfer_syntax": "1",
        "object_key": kind,
        "digest": "00",
        "size": 2048,
        "written_at": later(20),
    }


FINDINGS = {
    "segments": [
        {
            "label": "left lung",
            "measurements": [{"name": {"meaning": "Volume"}, "value": 2345.6, "unit": {"value": "ml"}}],
        }
    ]
}
RESULTS = [a_result("SEG"), a_result("SR")]
ROWS: dict[str, list[dict[str, Any]]] = {
    "studies": [
        a_study(STUDY, "1.2.826.1", "complete", "waits for ct_lung"),
        a_study(OTHER, "1.2.826.12", "receiving", "1 association(s) still open"),
    ],
    "associations": [
        {
            "id": ASSOCIATION,
            "calling_ae": "CT_ER",
            "called_ae": "NODE",
            "address": "10.0.0.9",
            "opened_at": BEGUN,
            "closed_at": later(3),
            "outcome": "released",
        }
    ],
    "study_associations": [{"study_id": STUDY, "association_id": ASSOCIATION}],
    "series": [a_series(SERIES, "1.2.826.1.1"), a_series(LOCALISER, "1.2.826.1.2")],
    "instances": [an_instance(1, SERIES), an_instance(2, SERIES, frames=60), an_instance(3, LOCALISER)],
    "conflicts": [
        {
            "sop_uid": "1.2.3.1",
            "digest": "ff",
            "kept_digest": "00",
            "study_id": STUDY,
            "association_id": ASSOCIATION,
            "object_key": "aside/1",
            "received_at": BEGUN,
        }
    ],
    "quarantine": [
        {
            "sop_uid": "1.2.9",
            "sop_class": "1",
            "digest": "00",
            "association_id": ASSOCIATION,
            "object_key": "aside/9",
            "reason": "it has no StudyInstanceUID",
            "received_at": BEGUN,
        }
    ],
    "decisions": [
        {
            "study_id": STUDY,
            "revision": 1,
            "model": "ct_lung",
            "version": "1.0",
            "series_id": SERIES,
            "reason": "a series meets its intended use",
            "refusals": {str(LOCALISER): ["has 1 slices, fewer than 20"]},
            "decided_at": later(6),
        },
        {
            "study_id": STUDY,
            "revision": 1,
            "model": "mr_brain",
            "version": "2.0",
            "series_id": None,
            "reason": "no series meets its intended use",
            "refusals": {str(SERIES): ["modality is CT, not MR"]},
            "decided_at": later(6),
        },
    ],
    "jobs": [
        {
            "id": JOB,
            "study_id": STUDY,
            "series_id": SERIES,
            "revision": 1,
            "model": "ct_lung",
            "version": "1.0",
            "model_digest": "00",
            "input_set": "00",
            "state": "succeeded",
            "reason": "done",
            "since": later(15),
            "requested_at": later(6),
            "attempts": 2,
            "not_before": later(6),
            "findings": FINDINGS,
        }
    ],
    "results": RESULTS,
    "deliveries": [
        {
            "id": DELIVERY,
            "job_id": JOB,
            "study_id": STUDY,
            "destination": "PACS",
            "state": "pending",
            "reason": "out of resources (A700)",
            "since": later(30),
            "attempts": 3,
            "not_before": later(60),
        }
    ],
    "delivery_objects": [
        {"delivery_id": DELIVERY, "sop_uid": RESULTS[0]["sop_uid"], "stored": True, "status": 0},
        {"delivery_id": DELIVERY, "sop_uid": RESULTS[1]["sop_uid"], "stored": False, "status": 0xA700},
    ],
    "dead_letters": [
        {
            "reader": "results",
            "message": "{}",
            "event_id": uuid.UUID(int=9),
            "study_id": STUDY,
            "error": "no such series",
            "attempts": 5,
            "at": later(40),
        }
    ],
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def answer(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_the_latest_studies_come_with_where_since_when_and_why(delivered: Database, database_url: str) -> None:
    first, second = answer("status", "--database", database_url)["studies"]
    assert (first["study_uid"], first["where"]) == ("1.2.826.12", "receiving")
    assert first["instances"] is None
    assert (second["where"], second["why"]) == ("delivery to PACS pending", "out of resources (A700)")
    assert (second["series"], second["instances"]) == (2, 3)


def test_the_first_line_of_a_study_says_where_since_when_and_why(delivered: Database, database_url: str) -> None:
    result = run("status", "abc1", "--database", database_url)
    assert result.exit_code == 0, result.stderr
    first = result.stdout.splitlines()[0]
    assert first.startswith("delivery to PACS pending, since ")
    assert first.endswith("out of resources (A700)")


def test_a_study_shows_every_step_of_its_way(delivered: Database, database_url: str) -> None:
    shown = run("status", STUDY, "--database", database_url).stdout
    for fact in (
        "CT_ER",
        "10.0.0.9",
        "61",
        "aside/1",
        "ct_lung",
        "2345.6",
        "SEG",
        "SR",
        "not stored (A700)",
        "no such",
    ):
        assert fact in shown, fact


def test_no_free_text_of_the_scanner_is_shown(delivered: Database, database_url: str) -> None:
    for extra in ((), ("--json",)):
        assert "Doe" not in run("status", STUDY, "--database", database_url, *extra).stdout
        assert "Doe" not in run("explain", STUDY, "--database", database_url, *extra).stdout


def test_explain_gives_each_model_and_each_series_its_reasons(delivered: Database, database_url: str) -> None:
    shown = run("explain", "1.2.826.1", "--database", database_url).stdout
    assert "ct_lung 1.0 runs on CT with 61 slices" in shown
    assert "has 1 slices, fewer than 20" in shown
    assert "mr_brain 2.0 does not run: no series meets its intended use" in shown
    assert "not on CT with 61 slices (...1.2.826.1.1): modality is CT, not MR" in shown


def test_explain_says_when_no_model_was_asked(delivered: Database, database_url: str) -> None:
    shown = run("explain", "abc2", "--database", database_url).stdout
    assert "No model has been asked" in shown
    assert "1 association(s) still open" in shown


@pytest.mark.parametrize("wanted", [str(STUDY), str(STUDY).upper(), "abc1", "1.2.826.1"])
def test_a_study_is_found_by_its_id_its_uid_or_a_beginning(delivered: Database, wanted: str) -> None:
    assert queries.find_study(delivered, wanted) == STUDY


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ("abc", "several studies"),
        ("1.2.82", "several studies"),
        ("zzz", "no study"),
        ("%", "no study"),
        ("_", "no study"),
    ],
)
def test_a_study_that_is_not_told_is_not_guessed(delivered: Database, wanted: str, complaint: str) -> None:
    with pytest.raises(Permanent, match=complaint):
        queries.find_study(delivered, wanted)


def test_quarantine_and_dead_letters_are_listed(delivered: Database, database_url: str) -> None:
    (kept,) = answer("quarantine", "list", "--database", database_url)["quarantine"]
    assert kept["reason"] == "it has no StudyInstanceUID"
    (letter,) = answer("dead-letters", "list", "--database", database_url)["dead_letters"]
    assert letter["error"] == "no such series"


def test_a_dead_letter_that_is_not_there_cannot_be_replayed(delivered: Database, database_url: str) -> None:
    result = run("dead-letters", "replay", 77, "--database", database_url)
    assert result.exit_code == 1
    assert "77" in result.stderr


def test_the_trail_of_a_study_is_shown_and_the_reading_is_an_entry(delivered: Database, database_url: str) -> None:
    shown = answer("audit", "show", "--study", STUDY, "--database", database_url)["entries"]
    assert [one["action"] for one in shown] == ["study completed"]
    last = answer("audit", "show", "--last", 1, "--database", database_url)["entries"]
    assert last[0]["action"] == "audit log used"
    assert last[0]["by"]["role"] == "console"
    assert last[0]["details"]["what"] == f"entries of study {STUDY}"
    assert "study completed" in run("audit", "show", "--database", database_url).stdout


def test_an_intact_trail_verifies(delivered: Database, database_url: str) -> None:
    assert answer("audit", "verify", "--database", database_url)["intact"]
    result = run("audit", "verify", "--database", database_url)
    assert result.exit_code == 0
    assert result.stdout.startswith("intact: 2 entries")


def test_a_changed_entry_is_named(delivered: Database, database_url: str, postgres: Postgres) -> None:
    for number in range(3):
        Ledger(delivered, "test").record(Action.STARTED, process=number)
    with postgres.connect(database_url.rpartition("/")[2]) as connection:
        connection.execute("SET session_replication_role = replica")  # what only a superuser can: no trigger fires
        connection.execute(
            "UPDATE dicom_node.audit_entries SET entry = replace(entry, 'started', 'stopped') WHERE number = 3"
        )
    result = run("audit", "verify", "--database", database_url)
    assert result.exit_code == 1
    assert result.stderr.startswith("entry 3 is wrong: ")


def test_a_schema_that_is_not_there_yet_is_not_ready(database_url: str) -> None:
    database = Database(database_url)
    assert not queries.schema_is_ready(database)
    database.close()
    result = run("status", "--database", database_url)
    assert result.exit_code == 1
    assert "dicom-node database upgrade" in result.stderr


def test_upgrade_makes_the_schema_ready(database_url: str) -> None:
    result = run("database", "upgrade", "--database", database_url)
    assert result.exit_code == 0, result.stderr
    assert queries.known_revisions()[-1] == head()
    database = Database(database_url)
    assert queries.schema_is_ready(database)
    database.close()


def test_a_newer_schema_is_ready_for_this_release(database: Database, database_url: str, postgres: Postgres) -> None:
    with postgres.connect(database_url.rpartition("/")[2]) as connection:
        connection.execute("UPDATE dicom_node.alembic_version SET version_num = '9999'")
    assert queries.schema_is_ready(database)


def test_an_empty_database_says_that_nothing_has_come(database: Database, database_url: str) -> None:
    assert "no study has arrived yet" in run("status", "--database", database_url).stdout
    assert queries.studies_by_state(database)["stuck"] == 0
