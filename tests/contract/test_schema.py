"""The schema on a real PostgreSQL: migrations, rights, the trail's triggers, and the order of the log."""

import threading
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from audit.actions import Action
from audit.chain import verify
from audit.trail import Ledger, rows
from domain.clock import SystemClock
from domain.errors import IntegrityError, Unavailable
from domain.events import Event, StudyCompleted
from domain.ids import StudyId, new_id, new_study_id
from store.columns import SCHEMA
from store.database import APPLICATION_ROLE, Database, MissingRight
from store.schema import head, upgrade
from store.tables import metadata


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def test_all_migrations_together_equal_the_tables(empty_url: str) -> None:
    assert upgrade(empty_url) == upgrade(empty_url) == head()
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        options = {
            "include_schemas": True,
            "version_table_schema": SCHEMA,
            "compare_server_default": True,
            "include_name": lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
            # PostgreSQL writes an index's expression in its own words, which the comparison takes for another. A part
            # of the trail is no table of its own.
            "include_object": lambda _object, name, *_: not name.startswith(("ix_audit_entries_", "audit_entries_")),
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def test_the_node_works_as_a_role_that_owns_nothing(database: Database) -> None:
    with database.transaction() as connection:
        assert connection.scalar(text("SELECT current_user")) == APPLICATION_ROLE
        owned = text("SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = :role")
        assert connection.scalar(owned, {"role": APPLICATION_ROLE}) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE dicom_node.audit_entries SET entry = entry",
        "DELETE FROM dicom_node.audit_entries",
        "TRUNCATE dicom_node.audit_entries",
        "DROP TABLE dicom_node.audit_entries",
        "ALTER TABLE dicom_node.audit_entries DISABLE TRIGGER append_only",
        "DELETE FROM dicom_node.studies",
    ],
)
def test_the_node_cannot_change_the_trail_nor_delete(database: Database, statement: str) -> None:
    Ledger(database, "test").record(Action.STARTED)
    with pytest.raises(MissingRight, match=r"permission denied|must be owner"), database.transaction() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("change", ["UPDATE {} SET entry = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_triggers_refuse_even_a_superuser(database: Database, database_url: str, change: str) -> None:
    Ledger(database, "test").record(Action.STARTED)
    engine = create_engine(database_url)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(change.format("dicom_node.audit_entries")))
    engine.dispose()


def test_a_change_that_is_announced_and_not_recorded_is_refused(database: Database) -> None:
    event = Event(StudyCompleted(1, 1, 1), StudyId(new_id()), SystemClock().now())
    with (
        pytest.raises(IntegrityError, match="does not record"),
        Ledger(database, "test").transaction() as transaction,
    ):
        transaction.emit(event)
    with database.transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM dicom_node.outbox")) == 0


def test_writers_at_once_make_one_chain_and_numbers_in_the_order_of_commits(database: Database) -> None:
    ledger = Ledger(database, "test")
    seen: list[list[int]] = []

    def write() -> None:
        for _ in range(40):
            with ledger.transaction() as transaction:
                transaction.emit(Event(StudyCompleted(1, 1, 1), StudyId(new_id()), SystemClock().now()))
                transaction.record(Action.STUDY_COMPLETED, new_study_id())

    def read() -> None:
        last = 0
        while last < 160:
            with database.transaction() as connection:
                query = text("SELECT seq FROM dicom_node.outbox WHERE seq > :last ORDER BY seq")
                found = list(connection.execute(query, {"last": last}).scalars())
            seen.append(found)
            last = found[-1] if found else last

    threads = [threading.Thread(target=target) for target in (write, write, write, write, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [number for found in seen for number in found] == list(range(1, 161))
    verdict = verify(rows(database, batch=7))
    assert (verdict.bad, verdict.checked) == (None, 160)


def test_a_database_whose_role_no_migration_has_made_yet_is_waited_for(empty_url: str) -> None:
    early = Database(empty_url, role="a_role_that_is_not_there")
    with pytest.raises(Unavailable, match="a_role_that_is_not_there"), early.transaction():
        pass
    early.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    absent = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    said = r"^PostgreSQL does not answer: connection to server at .* Connection refused$"  # no name of a library
    with pytest.raises(Unavailable, match=said), absent.transaction():
        pass
    with pytest.raises(Unavailable):
        absent.listener("anything").wait(0.1)
