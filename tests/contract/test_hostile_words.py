"""A hostile word in every text column of the database, shown by every command that reads it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from sqlalchemy import Text
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import Actor, Ledger
from config import defects
from console.cli.app import app
from domain.ids import StudyId
from store.database import Database
from store.destinations import note_answer
from store.grants import WHOEVER
from store.tables import metadata
from tests.support.delivered import STUDY, fill
from tests.support.hostile import HOSTILE, forged, obeyed
from tests.support.servers import Postgres

READING = (
    "status",
    "status --stuck",
    "status STUDY",
    "status STUDY --all",
    "explain STUDY",
    "quarantine list",
    "conflicts list",
    "patients list STUDY",
    "dead-letters list",
    "destinations list",
    "destinations show PACS",
    "hosts list",
    "audit show",
    "audit show --study STUDY",
    "audit report --study STUDY",
    "audit verify",
)
# What these print holds no word of the database.
SAYING_NONE = {"status --stuck", "audit verify"}
# Columns that hold one of our own words: another one is a defect, which says so and shows nothing of it.
OWN = {("studies", "state"), ("jobs", "state"), ("deliveries", "state"), ("conflicts", "kind"), ("results", "kind")}
# Columns by which rows are chosen: with another word in it a row is shown nowhere.
CHOOSING = {("conflicts", "ended"), ("destinations_seen", "name"), ("destinations_seen", "address")}
COLUMNS = [
    (table.name, column.name)
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, Text) and table.name != "audit_entries"
]


@pytest.fixture(scope="module")
def hostile(postgres: Postgres) -> Iterator[str]:
    """The URL of a database in which every word is hostile that can be any word, and the trail tells of some."""
    name = postgres.fresh_schema()
    url = postgres.url(dbname=name)
    database = Database(url, role=WHOEVER)
    fill(database)
    with database.transaction() as connection:
        note_answer(connection, "PACS", "PACS@127.0.0.1:104", [(HOSTILE, HOSTILE)], "software")
    trail = Ledger(database, "index")
    trail._actor = Actor("index", HOSTILE)
    with trail.transaction() as transaction:
        transaction.record(Action.STUDY_COMPLETED, StudyId(STUDY), caller=HOSTILE, **{"[red]\x1b": [HOSTILE]})
    with postgres.connect(name) as superuser:
        superuser.execute("UPDATE dicom_node.studies SET unsynced = ARRAY[%s]", [HOSTILE])
        for table, column in COLUMNS:
            if (table, column) not in OWN | CHOOSING:
                _spoil(superuser, table, column)
        spoilt = {"segments": [{"label": HOSTILE, "measurements": []}]}
        superuser.execute("UPDATE dicom_node.jobs SET findings = %s", [json.dumps(spoilt)])
        refusals = "UPDATE dicom_node.decisions SET refusals = replace(refusals::text, 'modality', %s)::jsonb"
        superuser.execute(refusals, [json.dumps(HOSTILE)[1:-1]])
    yield url
    database.close()


def _spoil(superuser: psycopg.Connection[Any], table: str, column: str) -> None:
    """Put the word before every value of a column; keys stay unequal, and references stay what they are."""
    superuser.execute("SET session_replication_role = replica")
    statement = f'UPDATE dicom_node.{table} SET "{column}" = %s || "{column}" WHERE "{column}" IS NOT NULL'
    superuser.execute(statement.encode(), [HOSTILE])


def _shown(command: str, url: str) -> tuple[str, BaseException | None]:
    environment: Mapping[str, str] = {"DICOM_NODE_DESTINATIONS": '["PACS@127.0.0.1:104"]'}
    words = command.replace("STUDY", str(STUDY)).split()
    result = CliRunner().invoke(app, [*words, "--database", url], env=environment)
    return result.output, result.exception


@pytest.mark.parametrize("form", ["", " --json"])
@pytest.mark.parametrize("command", READING)
def test_no_word_of_the_database_is_obeyed_or_begins_a_line(command: str, form: str, hostile: str) -> None:
    printed, failure = _shown(command + form, hostile)
    assert failure is None or isinstance(failure, SystemExit), defects.trace(failure)
    assert obeyed(printed) == set()
    assert forged(printed) == []
    if form:
        json.loads(printed)


@pytest.mark.parametrize("command", sorted(set(READING) - SAYING_NONE))
def test_the_words_are_there_for_a_person_to_see(command: str, hostile: str) -> None:
    assert "[red]<U+001B>[31m" in _shown(command, hostile)[0].replace("\n", "")


@pytest.mark.parametrize("command", ["status", "status STUDY", "audit show"])
def test_on_a_terminal_nothing_but_our_own_colours_is_obeyed(
    command: str, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    printed = _shown(command, hostile)[0]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert plain != printed
    assert obeyed(plain) == set()
    assert forged(plain) == []


@pytest.mark.parametrize(("table", "column"), sorted(OWN))
def test_a_word_that_must_be_one_of_ours_is_a_defect_that_quotes_nothing(
    table: str, column: str, postgres: Postgres, database_url: str
) -> None:
    database = Database(database_url, role=WHOEVER)
    fill(database)
    database.close()
    with postgres.connect(database_url.rpartition("/")[2]) as superuser:
        _spoil(superuser, table, column)
    for command in ("status", "status STUDY", "conflicts list"):
        printed, failure = _shown(command, database_url)
        told = printed + (defects.trace(failure) if failure else "")
        assert obeyed(told) == set()
        assert forged(told) == []
