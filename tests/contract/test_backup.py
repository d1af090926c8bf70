"""A backup and what is made of it: every study says what it said, what is there is copied once, damage is refused."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import Ledger
from console.cli.app import app
from console.cli.user import user
from consumers.steps.divide_trail import divide_trail
from models.registry import Registry
from store.database import Database
from store.grants import WHOEVER, role_of
from store.retention import may_remove, nothing_removed, sweep
from tests.support.bench import Bench
from tests.support.long_trail import PIECES
from tests.support.servers import Postgres
from tests.support.working import ARCHIVE, SMALL, FakeChild, route, study_id, worker, write_and_plan

KEY = "0123456789abcdef0123456789abcdef\n"


@pytest.fixture
def written(bench: Bench, registry: Registry) -> Bench:
    """A study with results, on a server of a site's own."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    (bench.root / "identity.key").write_text(KEY)
    return bench


@pytest.fixture
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not the node's."""
    return tmp_path_factory.mktemp("beside")


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == code, done.output
    return done.output


def said(bench: Bench, data: Path, url: str) -> list[Any]:
    """What people and programs are told of the node's studies and of the trail, but for who reads it now."""
    at = ["--data", data, "--database", url, "--json"]
    told = [json.loads(run(*words, *at)) for words in (["status"], ["status", study_id(bench)], ["disk"])]
    told[2] = [one for one in told[2]["kinds"] if one["kind"] not in ("spool", "work")]
    return told


def trail(url: str) -> list[Any]:
    database = Database(url, role=WHOEVER)
    with database.transaction() as connection:
        found = connection.execute(text("SELECT number, entry, hash FROM dicom_node.audit_entries ORDER BY 1")).all()
    database.close()
    return [tuple(row) for row in found]


def test_a_restored_node_says_of_every_study_what_it_said_before(
    written: Bench, database_url: str, empty_url: str, beside: Path
) -> None:
    folder, data = beside / "backup", beside / "restored"
    at = ["--data", written.root, "--database", database_url]
    before, entries = said(written, written.root, database_url), trail(database_url)
    told = json.loads(run("backup", folder, *at, "--json"))
    assert told["objects"] == len([one for one in (written.root / "objects").rglob("*") if one.is_file()])
    assert {"identity.key", "spool/identity"} <= {one["name"] for one in told["files"]}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) & 0o077 for one in folder.rglob("*") if one.is_file()} <= {0, 0o044}
    run("restore", folder, "--data", data, "--database", empty_url)
    *kept, last = trail(empty_url)
    assert kept[:-1] == entries and kept == trail(database_url)
    begun, restored = (json.loads(entry) for _, entry, _ in (kept[-1], last))
    assert said(written, data, empty_url) == before
    assert (begun["action"], restored["action"]) == (Action.BACKUP_BEGUN, Action.RESTORED)
    assert restored["details"]["trail"] == begun["number"] and begun["details"]["user"] == user()
    assert (data / "identity.key").read_text() == KEY
    verified = json.loads(run("audit", "verify", "--database", empty_url, "--json"))
    assert verified["intact"]


def test_a_trail_in_parts_comes_back_in_its_parts(
    written: Bench, database_url: str, empty_url: str, beside: Path, postgres: Postgres
) -> None:
    with postgres.connect(database_url.rpartition("/")[2]) as owner:
        owner.execute("INSERT INTO dicom_node.audit_parts VALUES (1, now() - interval '40 days')")
        retain = Database(database_url, role=role_of("retain"))
        begun = divide_trail(Ledger(retain, "retain"))
        retain.close()
        pieces = owner.execute(PIECES).fetchall()
    run("backup", beside / "backup", "--data", written.root, "--database", database_url)
    run("restore", beside / "backup", "--data", beside / "restored", "--database", empty_url)
    with postgres.connect(empty_url.rpartition("/")[2]) as owner:
        assert begun
        came = owner.execute(PIECES).fetchall()
        # The last goes on with the entries of the backup and of the restore.
        assert [*came[:-1], came[-1][:2]] == [*pieces[:-1], pieces[-1][:2]]
        for table in ("audit_entries", "audit_entries_1", f"audit_entries_{begun}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(f"TRUNCATE dicom_node.{table}".encode())
    assert json.loads(run("audit", "verify", "--database", empty_url, "--json"))["intact"]


def test_the_same_folder_again_copies_what_is_new_and_mends_what_was_damaged_there(
    written: Bench, database_url: str, beside: Path
) -> None:
    folder = beside / "backup"
    at = ["--data", written.root, "--database", database_url]
    first = json.loads(run("backup", folder, *at, "--json"))
    kept = sorted((folder / "objects").rglob("*.dcm"))
    damaged, others = kept[0], {one: one.stat().st_ino for one in kept[1:]}
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    again = json.loads(run("backup", folder, *at, "--no-key", "--json"))
    assert {one: one.stat().st_ino for one in others} == others
    assert damaged.read_bytes()[:1] == b"\0"
    assert again["objects"] == first["objects"] and "identity.key" not in {one["name"] for one in again["files"]}
    assert not (folder / "identity.key").exists()
    broken = next((written.root / "objects" / "instances").rglob("*.dcm"))
    broken.write_bytes(b"damaged")
    (folder / broken.relative_to(written.root)).unlink()
    assert "of 1 object of the node the bytes are not what the name says" in run("backup", folder, *at, code=1)
    assert len(list(folder.glob("database-*"))) == len(list(folder.glob("objects-*"))) == 1


def test_a_backup_lies_in_a_folder_of_its_own_and_not_in_what_it_is_of(
    written: Bench, database_url: str, beside: Path
) -> None:
    at = ["--data", written.root, "--database", database_url]
    (beside / "link").symlink_to(written.root)
    for place in (written.root, written.root / "backup", beside / "link" / "backup", written.root.parent):
        assert "lie in one another, " in run("backup", place, *at, code=1)
    assert not (written.root / "backup").exists()
    assert "cannot be used: File name too long" in run("backup", beside / ("x" * 300), *at, code=1)
    others = beside / "others"
    others.mkdir(mode=0o755)
    (others / "letter.txt").write_text("")
    assert "holds other files ('letter.txt'): a backup has a folder of its own" in run("backup", others, *at, code=1)
    assert stat.S_IMODE(others.stat().st_mode) == 0o755
    (others / "letter.txt").rename(others / "objects-0123.txt")  # of a backup that was broken off
    (others / "lost+found").mkdir()
    run("backup", others, *at)
    (others / "note.txt").write_text("")
    run("backup", others, *at)


def test_the_settings_go_along_however_their_file_was_named(
    written: Bench, database_url: str, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = beside / "node.toml"
    file.write_text(f'data = "{written.root}"\n[database]\nurl = "{database_url}"\n')
    run("backup", beside / "by_option", "--config", file)
    monkeypatch.setenv("DICOM_NODE_CONFIG", str(file))
    run("backup", beside / "by_variable")
    for folder in ("by_option", "by_variable"):
        assert (beside / folder / "settings.toml").read_text() == file.read_text()


@pytest.fixture
def backup(written: Bench, database_url: str, beside: Path) -> Iterator[Path]:
    run("backup", beside / "backup", "--data", written.root, "--database", database_url)
    yield beside / "backup"


def test_what_is_damaged_missing_or_not_empty_is_refused_and_nothing_is_left(
    backup: Path, written: Bench, database_url: str, empty_url: str, beside: Path
) -> None:
    data = beside / "restored"
    to = ["--data", data, "--database", empty_url]
    assert "is not empty" in run("restore", backup, "--data", written.root, "--database", empty_url, code=1)
    assert "has a node's schema already" in run("restore", backup, "--data", data, "--database", database_url, code=1)
    assert "is no backup of a node" in run("restore", beside, *to, code=1)
    one = next((backup / "objects").rglob("*.dcm"))
    whole = one.read_bytes()
    for damage, why in ((whole[:-1] + b"x", "is damaged"), (None, "lacks the object")):
        one.unlink() if damage is None else one.write_bytes(damage)
        assert why in run("restore", backup, *to, code=1)
    one.write_bytes(whole)
    (dump,) = backup.glob("database-*")
    intact = dump.read_bytes()
    dump.write_bytes(intact[:-1])
    assert "is damaged" in run("restore", backup, *to, code=1)
    dump.write_bytes(intact)
    assert not data.exists() and not data.with_name("restored.new").exists()
    run("restore", backup, *to)
    assert data.exists()


def test_nothing_is_removed_while_a_backup_is_made(written: Bench) -> None:
    database = written.as_process("retain").database
    written.as_owner(
        "INSERT INTO dicom_node.removals SELECT object_key, sop_uid, now() FROM dicom_node.instances",
        "DELETE FROM dicom_node.instances",
    )
    with nothing_removed(written.database):
        with database.transaction() as connection:
            assert not may_remove(connection)
        assert sweep(database, written.objects.delete) == 0
    assert sweep(database, written.objects.delete) > 0
