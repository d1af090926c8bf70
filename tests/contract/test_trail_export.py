"""The trail of a real PostgreSQL written out, as people type it, and judged by the program that the node prints."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit import trail_verifier
from audit.actions import Action
from audit.checkpoints import Sealer
from audit.export.exporting import Asked, csv_export, recorded
from audit.keys import KeyFolder
from audit.outside import line_of
from audit.trail import Ledger
from console.cli.app import app
from domain.clock import SystemClock
from store.database import Database
from store.grants import WHOEVER, role_of
from tests.support.delivered import STUDY, fill

FORMULA = '=cmd|"/c calc"!A1'


@pytest.fixture
def trail(database_url: str) -> Iterator[str]:
    """URL of a database whose trail has seven entries in all, one of a study, one with a sender's formula."""
    database = Database(database_url, role=WHOEVER)
    fill(database)
    with Ledger(database, "test").transaction() as transaction:
        transaction.record(Action.STUDY_COMPLETED, STUDY, instances=3)
    for number in range(5):
        Ledger(database, "test").record(Action.STARTED, process=number)
    Ledger(database, "test").record(Action.REFUSED, caller=FORMULA, user="@SUM(A1)")
    yield database_url
    database.close()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def newest(url: str, count: int) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = json.loads(run("audit", "show", "--last", count, "--database", url, "--json").stdout)[
        "entries"
    ]
    return shown


def test_the_verifier_that_the_node_prints_follows_an_export_by_itself(trail: str, tmp_path: Path) -> None:
    program, export = tmp_path / "verifier.py", tmp_path / "trail.jsonl"
    program.write_bytes(run("audit", "verifier").stdout_bytes)
    assert run("audit", "export", "--out", export, "--database", trail).exit_code == 0
    judged = subprocess.run(
        [sys.executable, "-I", program, export], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (judged.returncode, judged.stderr) == (2, "")
    assert "not proven: entries 1 to 7 are under no checkpoint" in judged.stdout
    export.write_bytes(export.read_bytes().replace(b"study completed", b"study completes"))
    judged = subprocess.run(
        [sys.executable, "-I", program, export], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (judged.returncode, judged.stdout.splitlines()[0][:26]) == (1, "altered: entry 1 is wrong:")


def test_an_export_is_an_entry_before_it_begins_and_one_when_it_has_ended(trail: str, tmp_path: Path) -> None:
    export = tmp_path / "trail.jsonl"
    run("audit", "export", "--out", export, "--database", trail)
    began, ended = newest(trail, 2)
    assert (began["action"], began["details"]["what"]) == ("audit log used", "export as jsonl: all")
    said = ended["details"]
    assert (ended["action"], said["sha256"]) == ("audit trail exported", sha256(export.read_bytes()).hexdigest())
    assert (said["format"], said["what"], said["entries"], said["last"], said["whole"]) == ("jsonl", "all", 7, 7, True)
    assert said["user"]


def test_a_reader_that_stops_in_the_middle_leaves_an_entry_that_says_so(trail: str) -> None:
    database = Database(trail, role=WHOEVER)
    pieces = recorded(Ledger(database, "console"), csv_export(database, Asked()), "alice (uid 7)")
    next(pieces)
    pieces.close()
    database.close()
    assert newest(trail, 1)[0]["details"]["whole"] is False


def test_a_study_and_a_day_go_out_as_csv_that_no_spreadsheet_runs(trail: str) -> None:
    done = run("audit", "export", "--format", "csv", "--study", STUDY, "--since", "1d", "--database", trail)
    rows = list(csv.DictReader(io.StringIO(done.stdout_bytes.decode("utf-8-sig"))))
    assert [(one["action"], one["study"], one["number"]) for one in rows] == [("study completed", str(STUDY), "1")]
    done = run("audit", "export", "--format", "csv", "--action", "association refused", "--database", trail)
    (row,) = csv.DictReader(io.StringIO(done.stdout_bytes.decode("utf-8-sig")))
    assert row["user"] == "'@SUM(A1)"
    assert '"caller":"\'=cmd' in row["details"]


def test_a_choice_of_entries_waits_for_a_checkpoint_that_proves_it(trail: str) -> None:
    refused = run("audit", "export", "--study", STUDY, "--database", trail)
    assert refused.exit_code == 1
    assert "there is no checkpoint yet" in refused.stderr


def test_a_choice_of_entries_is_proven_by_the_checkpoint_and_compared_with_what_was_published(
    trail: str, tmp_path: Path
) -> None:
    keys, published, export = KeyFolder(tmp_path / "data" / "seal"), tmp_path / "published", tmp_path / "export"
    database = Database(trail, role=role_of("seal"))
    sealer = Sealer(Ledger(database, "seal"), keys, SystemClock(), "test")
    first = sealer.seal()
    assert first
    published.write_text(f"{line_of(first.note)}\n")
    with Ledger(database, "test").transaction() as transaction:
        for _ in range(2100):  # more than a page, and than a tile
            transaction.record(Action.STARTED)
        transaction.record(Action.STUDY_AMENDED, STUDY)
    assert sealer.seal()
    keys.make(SystemClock().now(), "test")
    _another_sealer(database, keys)
    words = ("--study", STUDY, "--out", export, "--data", tmp_path / "data", "--database", trail)
    assert run("audit", "export", *words, "--witness", published).exit_code == 0
    judged = trail_verifier.main([str(export), "--checkpoints", str(published)])
    assert judged == 0
    noted = str(keys.known()[0].verifier)
    assert trail_verifier.main([str(export), "--key", noted]) == 0
    export.unlink()
    assert run("audit", "export", *words).exit_code == 0
    assert trail_verifier.main([str(export), "--checkpoints", str(published)]) == 2
    whole = tmp_path / "whole"
    assert run("audit", "export", "--out", whole, "--data", tmp_path / "data", "--database", trail).exit_code == 0
    assert trail_verifier.main([str(whole), "--key", noted, "--checkpoints", str(published)]) == 0
    database.close()


def _another_sealer(database: Database, keys: KeyFolder) -> None:
    """As after a restart, with another key, which the one before names."""
    sealer = Sealer(Ledger(database, "seal"), keys, SystemClock(), "test")
    for _ in range(3):
        Ledger(database, "test").record(Action.STARTED)
        sealer.seal()


def test_a_file_that_is_there_is_kept_and_one_that_fails_is_not(trail: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    assert "there already" in run("audit", "export", "--out", kept, "--database", trail).stderr
    assert kept.read_text() == "mine"
    assert run("audit", "export", "--study", "9.9.9", "--out", tmp_path / "new", "--database", trail).exit_code == 1
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]
