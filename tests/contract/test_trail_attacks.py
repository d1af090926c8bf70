"""Tampering, attack by attack (tests/probes/audit), on a real database by its superuser: what `audit verify` says.

What the verifier of one file says of exports after the same attacks: tests/unit/test_audit_probes.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from audit.actions import Action
from audit.outside import line_of
from audit.trail import Ledger
from console.cli.app import app
from store.database import APPLICATION_ROLE, Database
from store.grants import AUDITOR, role_of
from tests.support.attacks import KEYS, Kept, Probe, probes, published, untouched
from tests.support.exports import judged
from tests.support.servers import Postgres

TABLES = ("audit_entries", "audit_tiles", "audit_checkpoints", "audit_cosignatures")
_TABLES = r"""SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = 'dicom_node'::regnamespace AND relname LIKE 'audit\_%' AND relkind IN ('r', 'p')"""
_INDEXES = """SELECT indexrelid::regclass::text FROM pg_index
    WHERE indrelid = 'dicom_node.audit_entries'::regclass AND NOT indisprimary"""


class Attacked:
    """A database in which a superuser has put whatever they like in the place of the trail."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self._name = postgres.fresh_schema()
        self._postgres = postgres
        self._url = postgres.url(dbname=self._name)
        self._unguarded()
        self._outside = folder / "published"
        self._outside.write_text("".join(f"{line_of(str(note))}\n" for note in published()))

    def _unguarded(self) -> None:
        """No trigger refuses a change, and no index, which takes no text but JSON, another text."""
        with self._postgres.connect(self._name) as connection:
            for (name,) in connection.execute(_TABLES).fetchall():
                connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
            for (name,) in connection.execute(_INDEXES).fetchall():
                connection.execute(f"DROP INDEX {name}")

    def put(self, kept: Kept) -> None:
        with self._postgres.connect(self._name) as connection:
            connection.execute("TRUNCATE " + ", ".join(f"dicom_node.{table}" for table in TABLES))
            self._fill(connection, kept)

    @staticmethod
    def _fill(connection: psycopg.Connection[Any], kept: Kept) -> None:
        cursor = connection.cursor()
        entries = [(row.number, row.entry, row.hash) for row in kept.rows]
        tiles = [(level, number, hashes) for (level, number), hashes in kept.tiles.items()]
        notes = [(one.number, one.size, one.root, one.note, one.at) for one in kept.checkpoints]
        cursor.executemany("INSERT INTO dicom_node.audit_entries VALUES (%s, %s, %s)", entries)
        cursor.executemany("INSERT INTO dicom_node.audit_tiles VALUES (%s, %s, %s)", tiles)
        cursor.executemany(
            "INSERT INTO dicom_node.audit_checkpoints OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s)", notes
        )

    def verify(self) -> Result:
        """As an officer does who has the key and a published file."""
        key = str(KEYS["stolen"].verifier)
        words = ["audit", "verify", "--database", self._url, "--key", key, "--witness", str(self._outside)]
        return CliRunner().invoke(app, words)

    def export(self) -> Result:
        """All entries, as an officer asks for them."""
        return CliRunner().invoke(app, ["audit", "export", "--database", self._url])


_COLUMN = {"audit_entries": "entry", "audit_tiles": "hashes", "audit_checkpoints": "note"}


@pytest.fixture(scope="module")
def guarded(postgres: Postgres) -> tuple[Postgres, str]:
    """A database as the node makes it, with an entry, a tile and a checkpoint."""
    name = postgres.fresh_schema()
    database = Database(postgres.url(dbname=name))
    Ledger(database, "test").record(Action.STARTED)
    database.close()
    with postgres.connect(name) as connection:
        connection.execute("INSERT INTO dicom_node.audit_tiles VALUES (0, 0, '')")
        connection.execute("INSERT INTO dicom_node.audit_checkpoints VALUES (DEFAULT, 1, '', '', now())")
    return postgres, name


@pytest.fixture(scope="module")
def database(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One for all attacks: each puts everything anew."""
    yield Attacked(postgres, tmp_path_factory.mktemp("outside"))


@pytest.mark.parametrize("user", ["postgres", APPLICATION_ROLE, role_of("seal"), role_of(AUDITOR)])
@pytest.mark.parametrize("table", ["audit_entries", "audit_tiles", "audit_checkpoints"])
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_in_psql_neither_the_nodes_roles_nor_the_superuser_change_what_is_kept(
    user: str, table: str, statement: str, guarded: tuple[Postgres, str]
) -> None:
    postgres, name = guarded
    said = statement.format(f"dicom_node.{table}", _COLUMN[table])
    where = ("-h", "127.0.0.1", "-p", str(postgres.port), "-U", "postgres")
    words = [
        str(postgres.programs / "psql"),
        "-X",
        *where,
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        f"SET ROLE {user}",
        "-c",
        said,
        name,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert ("append-only" if user == "postgres" else "permission denied") in done.stderr


def test_an_untouched_trail_is_intact(database: Attacked) -> None:
    database.put(untouched())
    said = database.verify()
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.startswith("intact: 300 entries")


@pytest.mark.parametrize("probe", [one for one in probes() if one.live], ids=lambda probe: probe.name)
def test_each_attack_is_found_and_its_entry_or_checkpoint_named(probe: Probe, database: Attacked) -> None:
    assert probe.live
    database.put(probe.attacked())
    said = database.verify()
    told = said.stdout + said.stderr
    lines = [line for line in told.splitlines() if probe.live["names"] in line and probe.live["says"] in line]
    assert lines, told
    assert said.exit_code == probe.live.get("code", 1)


@pytest.mark.parametrize("probe", [one for one in probes() if one.live and not one.only], ids=lambda probe: probe.name)
def test_what_is_exported_after_each_attack_is_convicted_or_not_written_at_all(
    probe: Probe, database: Attacked
) -> None:
    database.put(probe.attacked())
    said = database.export()
    if said.exit_code:
        assert (said.exit_code, bool(probe.export)) == (1, True)
        assert said.stderr.count("\n") == 1 and "Traceback" not in said.stderr
        return
    verdict = judged(said.stdout_bytes, keys=[KEYS["stolen"]], published=published())
    told = " | ".join([*verdict.altered, *verdict.unproven, *verdict.remarks])
    assert verdict.code == (probe.export or {"code": 0}).get("code", 1), told
    # The entry of the reading itself may stand where a removed one stood: which is named differs by one.
    assert not verdict.altered or re.search(r"entry \d+|size \d+", verdict.altered[0])
