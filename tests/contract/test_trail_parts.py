"""The parts of the trail on a real PostgreSQL: when one ends, what stays as it was, and what is found by an index."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from audit.actions import Action
from audit.canonical import canonical
from audit.chain import GENESIS, link, verify
from audit.trail import Ledger, newest_entries, rows
from consumers.steps.divide_trail import divide_trail
from domain.ids import StudyId
from store import trail
from store.database import Database, GivenUp
from store.grants import AUDITOR, role_of
from store.rights import PARTS
from store.schema import upgrade
from store.trail import EntryFilter
from store.trail_parts import parts
from tests.support.long_trail import PIECES, add_entries, begin_part, study
from tests.support.servers import Postgres

A_MONTH_AGO = "INSERT INTO dicom_node.audit_parts VALUES (1, now() - interval '40 days')"
CHANGES = ("UPDATE {} SET entry = ''", "DELETE FROM {}", "TRUNCATE {}")


@pytest.fixture
def name(postgres: Postgres) -> Iterator[str]:
    name = postgres.fresh_schema()
    yield name
    postgres.drop(name)


@pytest.fixture
def ledger(postgres: Postgres, name: str) -> Iterator[Ledger]:
    database = Database(postgres.url(dbname=name), role=role_of("retain"))
    yield Ledger(database, "retain")
    database.close()


@pytest.fixture
def owner(postgres: Postgres, name: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect(name) as connection:
        yield connection


def _intact(database: Database) -> int:
    verdict = verify(rows(database, batch=2))
    assert verdict.bad is None, verdict
    return verdict.checked


def test_a_part_ends_when_the_month_has_turned_and_the_chain_goes_on(
    ledger: Ledger, owner: psycopg.Connection[Any], postgres: Postgres, name: str
) -> None:
    owner.execute(A_MONTH_AGO)
    for _ in range(3):
        ledger.record(Action.STARTED)
    assert divide_trail(ledger) == 4
    ledger.record(Action.STOPPED)
    assert owner.execute(PIECES).fetchall() == [
        ("dicom_node.audit_entries_1", 1, 3),
        ("dicom_node.audit_entries_4", 4, 5),
    ]
    with ledger.database.transaction() as connection:
        assert [(one.first, one.last) for one in parts(connection)] == [(1, 3), (4, None)]
    reader = Database(postgres.url(dbname=name), role=role_of(AUDITOR))
    assert _intact(reader) == 5
    said = newest_entries(reader, 2).rows[0]
    reader.close()
    assert (said.action, said.details) == (Action.PART_BEGUN, {"first": 4})


def test_no_part_ends_within_a_month_nor_before_an_entry_is_there(
    ledger: Ledger, owner: psycopg.Connection[Any]
) -> None:
    assert divide_trail(ledger) is None
    ledger.record(Action.STARTED)
    assert divide_trail(ledger) is None  # it is told of, and begins now
    assert owner.execute("SELECT first FROM dicom_node.audit_parts").fetchall() == [(1,)]
    assert divide_trail(ledger) is None
    owner.execute("INSERT INTO dicom_node.audit_parts VALUES (2, now() + interval '40 days')")  # a clock set back since
    ledger.record(Action.STOPPED)
    assert divide_trail(ledger) is None
    assert len(owner.execute(PIECES).fetchall()) == 1


def test_who_reads_the_trail_for_long_holds_up_the_next_part_and_no_entry(
    ledger: Ledger, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(A_MONTH_AGO)
    ledger.record(Action.STARTED)
    with owner.transaction():
        owner.execute("SELECT count(*) FROM dicom_node.audit_entries")
        with pytest.raises(GivenUp):
            divide_trail(ledger)
        ledger.record(Action.STOPPED)
    assert divide_trail(ledger) == 3


@pytest.mark.parametrize("process", PARTS)
def test_the_right_to_begin_a_part_is_retains_alone_and_nobody_divides_where_they_like(
    process: str, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(f"SET ROLE {role_of(process)}".encode())
    if process == "retain":
        assert owner.execute("SELECT dicom_node.open_trail_part()").fetchone() == (None,)
    else:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("SELECT dicom_node.open_trail_part()")
    for statement in (
        "SELECT dicom_node.divide_trail(1, 2)",
        "INSERT INTO dicom_node.audit_parts VALUES (7, now())",
        "ALTER TABLE dicom_node.audit_entries DETACH PARTITION dicom_node.audit_entries_1",
        "SELECT entry FROM dicom_node.audit_entries_1",
        "CREATE TABLE dicom_node.mine PARTITION OF dicom_node.audit_entries FOR VALUES FROM (-9) TO (0)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(statement.encode())


def test_the_triggers_refuse_a_superuser_in_every_part_also_one_who_plays_a_replica(
    ledger: Ledger, owner: psycopg.Connection[Any]
) -> None:
    owner.execute(A_MONTH_AGO)
    ledger.record(Action.STARTED)
    assert divide_trail(ledger)
    tables = [f"dicom_node.{one}" for one in ("audit_entries", "audit_entries_1", "audit_entries_2", "audit_parts")]
    for mode in ("origin", "replica"):
        owner.execute(f"SET session_replication_role = {mode}".encode())
        for statement in (change.format(table) for table in tables for change in CHANGES):
            if "audit_parts" in statement:
                statement = statement.replace("entry = ''", "first = 3")  # noqa: PLW2901
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(statement.encode())


def test_a_trail_that_stands_becomes_a_part_as_it_is_and_no_row_is_copied(postgres: Postgres) -> None:
    name = postgres.fresh_database()
    url = postgres.url(dbname=name)
    upgrade(url, "0031")
    with postgres.connect(name) as owner:
        before, head = _append(owner, 5), owner.execute("SELECT pg_relation_filenode('dicom_node.audit_entries')")
        file = head.fetchone()
        upgrade(url)
        assert owner.execute("SELECT pg_relation_filenode('dicom_node.audit_entries_1')").fetchone() == file
        assert owner.execute(PIECES).fetchall() == [("dicom_node.audit_entries_1", 1, 5)]
        assert owner.execute("SELECT first FROM dicom_node.audit_parts ORDER BY 1").fetchall() == [(1,), (6,)]
    database = Database(url)
    ledger = Ledger(database, "test")
    ledger.record(Action.STARTED)
    assert before == 5
    assert _intact(database) == 6
    database.close()
    postgres.drop(name)


def _append(owner: psycopg.Connection[Any], count: int) -> int:
    head = GENESIS
    for number in range(1, count + 1):
        said = {"number": number, "at": "2026-01-01T00:00:00.000000+00:00", "by": {"role": "index", "host": "x"}}
        entry = canonical({**said, "study": None, "action": "started", "details": {}})
        head = link(head, entry)
        asked = "SELECT dicom_node.append_to_trail(%s::bigint[], %s::text[], %s::bytea[])"
        owner.execute(asked, [[number], [entry], [head]])
    return count


@pytest.fixture(scope="module")
def long(postgres: Postgres) -> Iterator[Database]:
    """Three parts of ten thousand entries and one that is open, half a minute apart."""
    name = postgres.fresh_schema()
    with postgres.connect(name) as owner:
        owner.execute("INSERT INTO dicom_node.audit_parts VALUES (1, now())")
        for first in (1, 10_001, 20_001):
            add_entries(owner, first, first + 9_999)
            begin_part(owner, first + 10_000)
        add_entries(owner, 30_001, 35_000)
        owner.execute("ANALYZE dicom_node.audit_entries")
    database = Database(postgres.url(dbname=name))
    yield database
    database.close()
    postgres.drop(name)


DAY = datetime(2026, 1, 3, tzinfo=UTC)
OF_A_STUDY = EntryFilter(StudyId(study(7_507)))  # type: ignore[arg-type]
OF_A_DAY = EntryFilter(since=DAY, until=DAY + timedelta(days=1))


@pytest.mark.parametrize(
    "wanted",
    [
        OF_A_STUDY,
        OF_A_DAY,
        EntryFilter(until=datetime(2026, 1, 1, 1, tzinfo=UTC)),
        EntryFilter(action="results withdrawn"),
        EntryFilter(actor="user-7"),
        EntryFilter(actor="nobody's"),
    ],
    ids=["a study", "a day", "long ago", "a rare action", "a user", "a user that there is not"],
)
def test_what_is_asked_of_a_long_trail_is_found_by_an_index(long: Database, wanted: EntryFilter) -> None:
    asked: list[tuple[str, Any]] = []
    with long.transaction() as connection:
        event.listen(connection, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
        trail.newest(connection, 200, wanted)
        trail.size(connection, wanted)
        trail.extent(connection, wanted)
        for statement, given in asked[:]:  # which grows by each that explains one
            (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", given).scalar_one()
            nodes = list(_nodes(plan["Plan"]))
            assert not [one for one in nodes if one["Node Type"] == "Seq Scan"], json.dumps(plan)
            # Nor is it read through by its numbers.
            assert not [one for one in nodes if one.get("Index Name", "").endswith("_pkey")], json.dumps(plan)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for one in plan.get("Plans", ()):
        yield from _nodes(one)


@pytest.mark.parametrize(
    "wanted",
    [
        OF_A_STUDY,
        OF_A_DAY,
        EntryFilter(since=datetime(2026, 1, 11, 9, 59, 30, tzinfo=UTC)),
        EntryFilter(until=datetime(2026, 1, 1, 0, 30, 30, tzinfo=UTC)),
        EntryFilter(action="results w"),
        EntryFilter(action="results withdrawn", since=DAY),
        EntryFilter(actor="USER-1", until=DAY),
        EntryFilter(actor="console"),
        EntryFilter(OF_A_STUDY.study, action="inference", actor="node-1"),
    ],
)
def test_what_is_found_is_what_every_entry_says_for_itself(long: Database, wanted: EntryFilter) -> None:
    with long.transaction() as connection:
        every = [json.loads(one.entry) for one in trail.after(connection, 0, 35_000)]
        right = [one["number"] for one in every if _fits(one, wanted)]
        assert right
        assert [one.number for one in trail.newest(connection, 50, wanted)] == right[-50:]
        assert trail.size(connection, wanted) == len(right)
        assert trail.extent(connection, wanted) == (right[0], right[-1])
        assert [one.number for one in trail.matching(connection, wanted, right[0], 20)] == right[1:21]


def _fits(entry: dict[str, Any], wanted: EntryFilter) -> bool:
    at, by = datetime.fromisoformat(entry["at"]), entry["by"]
    user = entry["details"].get("user", "")
    return (
        (wanted.study is None or entry["study"] == str(wanted.study))
        and entry["action"].startswith(wanted.action)
        and (not wanted.actor or wanted.actor in by.values() or wanted.actor.lower() in user.lower())
        and (wanted.since is None or at >= wanted.since)
        and (wanted.until is None or at < wanted.until)
    )
