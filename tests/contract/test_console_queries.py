"""What people ask of a real PostgreSQL, as they type it: status, explain, the trail, dead letters."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.trail import Ledger
from console.cli.app import app
from domain.errors import Permanent
from store.database import Database
from store.grants import WHOEVER
from store.queries.schema import known_revisions, schema_is_ready
from store.queries.studies import find_study, studies_by_state
from store.schema import head
from tests.support.delivered import STUDY, fill
from tests.support.forging import without_triggers
from tests.support.servers import Postgres


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, role=WHOEVER)
    yield database
    database.close()


@pytest.fixture
def delivered(database: Database) -> Database:
    """A study that has gone the whole way, and one that is being received."""
    fill(database)
    with Ledger(database, "test").transaction() as transaction:
        transaction.record(Action.STUDY_COMPLETED, STUDY, instances=3)
    return database


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
    assert (second["where"], second["why"]) == ("delivery to PACS pending", "out of resources (status A700H)")
    assert (second["series"], second["instances"]) == (2, 3)


def test_the_first_line_of_a_study_says_where_since_when_and_why(delivered: Database, database_url: str) -> None:
    result = run("status", "abc1", "--database", database_url)
    assert result.exit_code == 0, result.stderr
    first = result.stdout.splitlines()[0]
    assert first.startswith("delivery to PACS pending, since ")
    assert first.endswith("out of resources (status A700H)")


def test_a_study_shows_every_step_of_its_way(delivered: Database, database_url: str) -> None:
    shown = run("status", STUDY, "--database", database_url).stdout
    for fact in (
        "CT_ER",
        "10.0.0.9",
        "61",
        "aside/1",
        "ct_lung",
        "2350 ml",
        "SEG",
        "SR",
        "not stored: out of resources (status A700H)",
        "no such",
    ):
        assert fact in shown, fact


def test_no_free_text_of_the_scanner_is_shown(delivered: Database, database_url: str) -> None:
    for extra in ((), ("--json",)):
        assert "Doe" not in run("status", STUDY, "--database", database_url, *extra).stdout
        assert "Doe" not in run("explain", STUDY, "--database", database_url, *extra).stdout


def test_explain_gives_each_model_and_each_series_its_reasons(delivered: Database, database_url: str) -> None:
    shown = run("explain", "1.2.826.1", "--database", database_url).stdout
    assert "ct_lung 1.0 runs on series 3 (CT, 61 images, ...1.2.826.1.1)" in shown
    assert "has 1 slice, fewer than 20" in shown
    assert "mr_brain 2.0 does not run: no series meets its intended use" in shown
    assert "not on series 3 (CT, 61 images, ...1.2.826.1.1): modality is CT, not MR" in shown


def test_explain_says_when_no_model_was_asked(delivered: Database, database_url: str) -> None:
    shown = run("explain", "abc2", "--database", database_url).stdout
    assert "No model has been asked" in shown
    assert "1 association(s) still open" in shown


@pytest.mark.parametrize("wanted", [str(STUDY), str(STUDY).upper(), "abc1", "1.2.826.1"])
def test_a_study_is_found_by_its_id_its_uid_or_a_beginning(delivered: Database, wanted: str) -> None:
    assert find_study(delivered, wanted) == STUDY


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
        find_study(delivered, wanted)


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
    with postgres.connect(database_url.rpartition("/")[2]) as connection, without_triggers(connection):
        connection.execute(
            "UPDATE dicom_node.audit_entries SET entry = replace(entry, 'started', 'stopped') WHERE number = 3"
        )
    result = run("audit", "verify", "--database", database_url)
    assert result.exit_code == 1
    assert result.stderr.startswith("entry 3 is wrong: ")


def test_a_schema_that_is_not_there_yet_is_not_ready(empty_url: str) -> None:
    database = Database(empty_url, role=WHOEVER)
    assert not schema_is_ready(database)
    database.close()
    result = run("status", "--database", empty_url)
    assert result.exit_code == 1
    assert "dicom-node database upgrade" in result.stderr


def test_upgrade_makes_the_schema_ready(empty_url: str) -> None:
    result = run("database", "upgrade", "--database", empty_url)
    assert result.exit_code == 0, result.stderr
    assert known_revisions()[-1] == head()
    database = Database(empty_url, role=WHOEVER)
    assert schema_is_ready(database)
    database.close()


def test_a_newer_schema_is_ready_for_this_release(database: Database, database_url: str, postgres: Postgres) -> None:
    with postgres.connect(database_url.rpartition("/")[2]) as connection:
        connection.execute("UPDATE dicom_node.alembic_version SET version_num = '9999'")
    assert schema_is_ready(database)


def test_an_empty_database_says_that_nothing_has_come(database: Database, database_url: str) -> None:
    assert "no study has arrived yet" in run("status", "--database", database_url).stdout
    assert studies_by_state(database)["stuck"] == 0


def test_a_command_that_a_complaint_names_works_as_it_is_printed(database_url: str, tmp_path: Path) -> None:
    settings = tmp_path / "of this node.toml"
    settings.write_text("")
    refused = run("conflicts", "adopt", "7", "--config", settings, "--data", tmp_path, "--database", database_url)
    assert refused.exit_code == 1
    named = refused.stderr.strip().partition(": ")[2]
    program, *arguments = shlex.split(named)
    listed = run(*arguments)
    assert (program, listed.exit_code, listed.stdout) == ("dicom-node", 0, "there are none\n")
