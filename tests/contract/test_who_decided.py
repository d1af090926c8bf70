"""What follows from a person's command says on the trail whose command it was, and how it stood before and after."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import newest_entries
from console.cli.app import app
from console.cli.user import user
from store.database import Database
from store.grants import WHOEVER
from tests.support.bench import Bench
from tests.support.counterparts import ROOT
from tests.support.delivered import STUDY, fill
from tests.support.servers import Postgres


@pytest.fixture
def delivered(postgres: Postgres) -> Iterator[Database]:
    database = Database(postgres.url(dbname=postgres.fresh_schema()), role=WHOEVER)
    fill(database)
    yield database
    database.close()


def test_each_entry_of_what_somebody_does_names_them_and_their_request(bench: Bench) -> None:
    hers = bench.ledger.on_behalf_of("alice", request="r-1")
    with hers.transaction() as transaction:
        transaction.record(Action.RETRIED, None, jobs=1)
        transaction.record(Action.JOB_CANCELLED, None)
    bench.ledger.record(Action.STARTED)
    found = newest_entries(bench.database, 3).rows
    assert [(one.details.get("user"), one.details.get("request")) for one in found] == [
        ("alice", "r-1"),
        ("alice", "r-1"),
        (None, None),
    ]


def test_no_command_writes_to_the_trail_without_its_user() -> None:
    bare = [
        file.name
        for file in (ROOT / "console" / "cli").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Ledger"
    ]
    assert bare == ["user.py"]


def test_who_looks_at_results_or_for_a_patient_by_a_command_is_recorded(delivered: Database, tmp_path: Path) -> None:
    url = delivered._engine.url.render_as_string(hide_password=False)
    told = f"summary show {STUDY}"
    for words in (f"status {STUDY}", told, f"{told} --facts", "status --accession 4711"):
        CliRunner().invoke(app, [*words.split(), "--database", url, "--data", str(tmp_path)])
    found = [one for one in newest_entries(delivered, 50).rows if one.by.role == "console"]
    assert [(one.action, one.details.get("form") or one.details.get("by")) for one in found] == [
        (Action.RESULTS_READ, "findings"),
        (Action.RESULTS_READ, "impression"),
        (Action.RESULTS_READ, "facts"),
        (Action.PATIENT_SEARCHED, ["accession"]),
    ]
    assert {one.details["user"] for one in found} == {user()}
    assert "4711" not in str(found)
