"""Parts of the trail go into files that prove themselves, and come back, and the trail verifies all the while."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit import trail_verifier
from audit.actions import Action
from audit.archiving import Archive
from audit.checkpoints import Sealer
from audit.keys import KeyFolder
from audit.notes import VerifierKey
from audit.proving import verify_database
from audit.trail import Ledger, newest_entries
from audit.verification import TrailVerdict
from console.cli.app import app
from consumers.steps.divide_trail import divide_trail
from domain.clock import SystemClock
from domain.errors import ConfigurationError, IntegrityError
from store import receivers
from store.database import Database, GivenUp
from store.grants import AUDITOR, WHOEVER, role_of
from store.trail_archives import ArchivedPart
from tests.support.forging import without_triggers
from tests.support.long_trail import PIECES
from tests.support.servers import Postgres

KEEP = timedelta(days=184)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


class House:
    """A database whose trail has three months: 300 entries, 300, and 300 in the part that is open; all is signed."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.postgres, self.name, self.folder = postgres, postgres.fresh_schema(), folder
        self.url = postgres.url(dbname=self.name)
        self.owner = Ledger(Database(self.url, role=WHOEVER), "console")
        self.retain = Ledger(Database(self.url, role=role_of("retain")), "retain")
        self.auditor = Database(self.url, role=role_of(AUDITOR))
        self.keys = KeyFolder(folder / "keys")
        self.signing = Ledger(Database(self.url, role=role_of("seal")), "seal")
        self.sealer = self.another_sealer()
        self._begin(800)
        for days in (500, 200):
            self.grow()
            self._turn_month(days)
        self.grow()
        self.seal()

    def another_sealer(self) -> Sealer:
        return Sealer(self.signing, self.keys, SystemClock(), "test")

    def _begin(self, days: int) -> None:
        with self.postgres.connect(self.name) as connection:
            connection.execute(
                f"INSERT INTO dicom_node.audit_parts VALUES (1, now() - interval '{days} days')".encode()
            )

    def _turn_month(self, days: int) -> None:
        """A part ends, and has done so long ago."""
        assert divide_trail(self.retain)
        with self.postgres.connect(self.name) as connection, without_triggers(connection):
            newest = "(SELECT max(first) FROM dicom_node.audit_parts)"
            moved = (
                f"UPDATE dicom_node.audit_parts SET opened_at = now() - interval '{days} days' WHERE first = {newest}"
            )
            connection.execute(moved.encode())

    def grow(self, count: int = 300) -> None:
        with self.owner.transaction() as transaction:
            for number in range(count):
                transaction.record(Action.RECEIVED, None, caller=f"CT{number} äöü \u2028")

    def seal(self) -> None:
        while self.sealer.seal():
            pass

    def archive(self) -> Archive:
        return Archive(self.owner, self.trusted(), SystemClock(), "somebody")

    def taken(self, count: int = 2) -> list[ArchivedPart]:
        archive, found = self.archive(), list[ArchivedPart]()
        while len(found) < count and (part := archive.due(LATER, KEEP)):
            found.append(archive.take(part, self.folder))
        return found

    def verified(self, archives: Path | None = None) -> TrailVerdict:
        return verify_database(self.auditor, self.trusted(), (), archives)

    def pieces(self) -> list[tuple[int, int]]:
        with self.postgres.connect(self.name) as connection:
            return [(first, last) for _, first, last in connection.execute(PIECES).fetchall()]

    def trusted(self) -> list[VerifierKey]:
        return [one.verifier for one in self.keys.known()]

    def close(self) -> None:
        for database in (self.owner.database, self.retain.database, self.signing.database, self.auditor):
            database.close()


@pytest.fixture
def house(postgres: Postgres, tmp_path: Path) -> Iterator[House]:
    made = House(postgres, tmp_path)
    yield made
    made.close()
    postgres.drop(made.name)


def test_a_part_that_is_archived_proves_itself_and_the_rest_verifies_without_it_and_with_it(house: House) -> None:
    before = house.pieces()
    assert len(before) == 3
    first, second = house.taken()
    assert [(one.first, one.last) for one in (first, second)] == before[:2]
    assert house.pieces()[0][0] == before[2][0]
    house.grow(10)
    house.seal()
    alone = house.verified()
    assert (alone.intact, alone.archived, alone.convictions) == (True, second.last, [])
    assert alone.chain.checked == house.pieces()[0][1] - second.last
    whole = house.verified(house.folder)
    assert (whole.intact, whole.archived, whole.chain.checked) == (True, 0, house.pieces()[0][1])
    assert whole.claims == alone.claims  # every checkpoint, those over archived entries too
    for one in (first, second):
        assert trail_verifier.main([str(house.folder / one.file), "--key", str(house.trusted()[0])]) == 0


def test_what_was_archived_comes_back_as_it_was_the_newest_first(house: House) -> None:
    before = house.pieces()
    with house.postgres.connect(house.name) as connection:
        rows = connection.execute("SELECT number, entry, hash FROM dicom_node.audit_entries ORDER BY 1").fetchall()
    first, second = house.taken()
    archive = house.archive()
    with pytest.raises(ConfigurationError, match=f"first put back entries {second.first} to {second.last}"):
        archive.put_back(house.folder / first.file)
    for one in (second, first):
        archive.put_back(house.folder / one.file)
    assert house.pieces()[:2] == before[:2]
    with house.postgres.connect(house.name) as connection:
        again = connection.execute("SELECT number, entry, hash FROM dicom_node.audit_entries ORDER BY 1").fetchall()
        assert again[: len(rows)] == rows
        for statement in ("DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET entry = ''"):
            with pytest.raises(Exception, match="append-only"):
                connection.execute(statement.format("dicom_node.audit_entries_1").encode())
        found = connection.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'audit_entries_1'").fetchone()
        assert (
            found == connection.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'audit_entries'").fetchone()
        )
    assert house.verified().intact
    assert [one.action for one in newest_entries(house.auditor, 4).rows] == [
        *[Action.PART_ARCHIVED] * 2,
        *[Action.PART_PUT_BACK] * 2,
    ]
    assert [(one.first, one.last) for one in house.taken()] == before[:2]  # and may go again


def test_what_was_changed_in_a_file_or_of_the_rest_is_found(house: House) -> None:
    first, second = house.taken()
    file = house.folder / second.file
    kept = file.read_bytes()
    file.write_bytes(kept.replace(b"CT7 ", b"CT8 ", 1))
    with pytest.raises(IntegrityError, match="is not what was archived of entries"):
        house.archive().put_back(file)
    with pytest.raises(IntegrityError, match="is not what was archived of entries"):
        house.verified(house.folder)
    file.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        house.verified(house.folder)
    with house.postgres.connect(house.name) as connection, without_triggers(connection):
        connection.execute("UPDATE dicom_node.audit_archives SET head = sha256('x')")
    assert not house.verified().intact  # the rest does not follow from it, nor is it what was signed
    assert first.digest


def test_a_part_that_somebody_takes_out_without_archiving_it_is_missing(house: House) -> None:
    with house.postgres.connect(house.name) as connection:
        connection.execute("ALTER TABLE dicom_node.audit_entries DETACH PARTITION dicom_node.audit_entries_1")
    verdict = house.verified()
    assert (verdict.intact, verdict.chain.bad) == (False, 1)


@pytest.mark.parametrize("size", [256, 302])  # of some checkpoint, and of that which closes a part
def test_entries_that_somebody_takes_out_and_calls_archived_convict(house: House, size: int) -> None:
    house.taken(0)
    _pretend_archived(house, size)
    verdict = house.verified()
    assert (verdict.intact, verdict.chain.bad) == (False, None)
    assert "they were taken out past the node" in str(verdict.convictions[-1])


def test_a_part_that_was_put_back_is_not_archived_by_what_was_said_before(house: House) -> None:
    (first,) = house.taken(1)
    house.archive().put_back(house.folder / first.file)
    with house.postgres.connect(house.name) as connection, without_triggers(connection):
        connection.execute(b"DELETE FROM dicom_node.audit_entries WHERE number <= %s", [first.last])
    assert "no entry says that they were archived" in str(house.verified().convictions[-1])


def _pretend_archived(house: House, size: int) -> None:
    """As whoever owns the server: the first entries go, and the table of what is archived says that a file has them."""
    said = (
        "INSERT INTO dicom_node.audit_archives (first, last, head, key, file, digest, at) "
        "SELECT 1, number, hash, %s, 'no file', sha256('x'), now() FROM dicom_node.audit_entries WHERE number = %s"
    )
    with house.postgres.connect(house.name) as connection, without_triggers(connection):
        connection.execute(said.encode(), [str(house.trusted()[0]), size])
        connection.execute(b"DELETE FROM dicom_node.audit_entries WHERE number <= %s", [size])


def test_tiles_that_were_changed_do_not_stand_for_archived_entries(house: House) -> None:
    house.taken()
    with house.postgres.connect(house.name) as connection, without_triggers(connection):
        changed = "set_byte(hashes, 40, get_byte(hashes, 40) # 1)"
        connection.execute(
            f"UPDATE dicom_node.audit_tiles SET hashes = {changed} WHERE level = 0 AND number = 0".encode()
        )
    assert not house.verified().intact
    assert not house.verified(house.folder).intact


def test_a_part_stays_until_its_time_is_over_and_a_checkpoint_closes_it(house: House) -> None:
    archive = house.archive()
    with pytest.raises(ConfigurationError, match=r"stay in the database for ever: audit\.keep"):
        archive.due(LATER, None)
    with pytest.raises(ConfigurationError, match=r"stay in the database until \d{4}-"):
        archive.due(LATER, timedelta(days=600))
    assert archive.due(datetime(2000, 1, 1, tzinfo=UTC), KEEP) is None
    house.taken()
    assert archive.due(LATER, KEEP) is None  # the open part never goes
    without = Archive(house.owner, [], SystemClock(), "somebody")
    assert without.due(LATER, KEEP) is None


def test_a_part_stays_while_a_receiver_lacks_some_of_it(house: House) -> None:
    archive = Archive(house.owner, house.trusted(), SystemClock(), "somebody", ["repository"])
    with pytest.raises(ConfigurationError, match="stay: the receiver repository has those up to 0"):
        archive.due(LATER, KEEP)
    with house.owner.database.transaction() as connection:
        receivers.begin(connection, "repository", 10_000, LATER)
    assert archive.due(LATER, KEEP) is not None


def test_without_the_nodes_keys_nothing_is_archived(house: House) -> None:
    with pytest.raises(ConfigurationError, match="none of the keys that are known here"):
        Archive(house.owner, [], SystemClock(), "somebody").due(LATER, KEEP)


def test_who_reads_the_trail_for_long_holds_up_the_archive_and_it_goes_on_later(house: House) -> None:
    archive = house.archive()
    part = archive.due(LATER, KEEP)
    assert part is not None
    with house.postgres.connect(house.name) as connection, connection.transaction():
        connection.execute("SELECT count(*) FROM dicom_node.audit_entries")
        with pytest.raises(GivenUp):
            archive.take(part, house.folder)
    assert len(house.pieces()) == 3
    assert archive.take(part, house.folder).first == 1
    assert house.verified(house.folder).intact


def test_an_export_of_the_trail_begins_behind_what_is_archived(house: House) -> None:
    (first,) = house.taken(1)
    out = house.folder / "export.jsonl"
    words = ["audit", "export", "--out", str(out), "--database", house.url, "--data", str(house.folder)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    with out.open("rb") as file:
        assert json.loads(file.readline())["first"] == first.last + 1
    assert trail_verifier.main([str(out), "--key", str(house.trusted()[0])]) == 0


def test_the_commands_archive_verify_and_restore(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_AUDIT__KEEP", "184")
    monkeypatch.setenv("DICOM_NODE_AUDIT__KEYS", str(house.folder / "keys"))
    folder = house.folder / "archive"

    def run(*words: str) -> dict[str, object]:
        done = CliRunner().invoke(app, ["audit", *words, "--database", house.url, "--json"])
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    month = f"{datetime.now(UTC) - timedelta(days=300):%Y-%m}"
    found = run("archive", "--before", month, "--to", str(folder))["archived"]
    assert isinstance(found, list)
    assert [one["first"] for one in found] == [1, 301]
    assert run("verify")["archived"] == found[1]["last"]
    assert run("verify", "--archive", str(folder))["archived"] == 0
    assert run("archive", "--before", month, "--to", str(folder)) == {"archived": []}
    back = run("restore", *(str(folder / one["file"]) for one in found))["restored"]
    assert isinstance(back, list)
    assert [one["first"] for one in back] == [301, 1]
    assert run("verify")["archived"] == 0


def test_a_node_appends_and_signs_on_whatever_is_archived(house: House) -> None:
    house.taken()
    house.grow(1)
    again = house.another_sealer()
    while again.seal():
        pass
    assert house.verified().intact
