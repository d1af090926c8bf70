"""What the node's own database role can do to the trail: append what follows, and nothing else, however it asks."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from audit.actions import Action
from audit.canonical import canonical
from audit.chain import link, verify
from audit.trail import Ledger, rows
from store.database import APPLICATION_ROLE, Database
from tests.support.servers import Postgres

LARGEST = 2**63 - 1


@pytest.fixture(scope="module")
def kept(postgres: Postgres) -> Iterator[tuple[Database, psycopg.Connection[Any]]]:
    """A trail with two entries, and the role's own way to its database, past the node."""
    name = postgres.fresh_schema()
    database = Database(postgres.url(dbname=name))
    for _ in range(2):
        Ledger(database, "test").record(Action.STARTED)
    with postgres.connect(name, APPLICATION_ROLE) as role:
        yield database, role
    database.close()


def _entry(number: int) -> str:
    said = {"number": number, "at": "2026-01-01T00:00:00.000000+00:00", "by": {"role": "evil", "host": "x"}}
    return canonical({**said, "study": None, "action": "started", "details": {}})


def _last(role: psycopg.Connection[Any]) -> tuple[int, bytes]:
    found = role.execute("SELECT number, hash FROM dicom_node.audit_entries ORDER BY number DESC LIMIT 1").fetchone()
    assert found is not None
    return int(found[0]), bytes(found[1])


def _append(role: psycopg.Connection[Any], *given: tuple[int | None, str | None, bytes | None]) -> None:
    numbers, entries, hashes = (list(column) for column in zip(*given, strict=True)) if given else ([], [], [])
    asked = "SELECT dicom_node.append_to_trail(%s::bigint[], %s::text[], %s::bytea[])"
    role.execute(asked, [numbers, entries, hashes])


def _unharmed(kept: tuple[Database, psycopg.Connection[Any]], before: int, added: int = 0) -> None:
    """The trail holds what it held, the node goes on, and its verifier finds nothing."""
    database, role = kept
    assert _last(role)[0] == before + added
    Ledger(database, "test").record(Action.STARTED)
    verdict = verify(rows(database))
    assert (verdict.bad, verdict.checked) == (None, before + added + 1)


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO dicom_node.audit_entries VALUES ({LARGEST}, '{{}}', '')",
        "INSERT INTO dicom_node.audit_entries SELECT max(number) + 1, '{}', '' FROM dicom_node.audit_entries",
        "INSERT INTO dicom_node.audit_entries SELECT * FROM dicom_node.audit_entries ON CONFLICT DO NOTHING",
        "MERGE INTO dicom_node.audit_entries USING (SELECT) s ON false WHEN NOT MATCHED THEN INSERT VALUES (9, '', '')",
        "UPDATE dicom_node.audit_entries SET entry = entry",
        f"UPDATE dicom_node.audit_entries SET number = {LARGEST} WHERE number = 1",
        "SELECT * FROM dicom_node.audit_entries FOR UPDATE",
        "DELETE FROM dicom_node.audit_entries",
        "TRUNCATE dicom_node.audit_entries",
        "DO $$ BEGIN LOCK TABLE dicom_node.audit_entries IN ACCESS EXCLUSIVE MODE; END $$",
        "DROP TABLE dicom_node.audit_entries",
        "ALTER TABLE dicom_node.audit_entries DISABLE TRIGGER ALL",
        "CREATE RULE mine AS ON INSERT TO dicom_node.audit_entries DO INSTEAD NOTHING",
        "CREATE TRIGGER mine BEFORE INSERT ON dicom_node.audit_entries EXECUTE FUNCTION dicom_node.refuse_change()",
        "SET session_replication_role = replica",
        "DROP FUNCTION dicom_node.append_to_trail",
        "ALTER FUNCTION dicom_node.append_to_trail SET search_path = pg_temp",
        "CREATE OR REPLACE FUNCTION dicom_node.append_to_trail(a bigint[], b text[], c bytea[]) RETURNS void AS ''",
        "SET ROLE postgres",
        "GRANT INSERT ON dicom_node.audit_entries TO dicom_node_app",
    ],
)
def test_no_statement_of_the_nodes_role_changes_the_trail(
    statement: str, kept: tuple[Database, psycopg.Connection[Any]]
) -> None:
    before, _ = _last(kept[1])
    if statement.startswith("GRANT"):
        kept[1].execute(statement.encode())  # a warning: there is nothing that it could grant
        statement = f"INSERT INTO dicom_node.audit_entries VALUES ({LARGEST}, '{{}}', '')"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        kept[1].execute(statement.encode())
    _unharmed(kept, before)


def test_no_copy_of_the_nodes_role_reaches_the_trail(kept: tuple[Database, psycopg.Connection[Any]]) -> None:
    before, _ = _last(kept[1])
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        kept[1].cursor().copy("COPY dicom_node.audit_entries FROM STDIN") as copy,
    ):
        copy.write_row((LARGEST, "{}", b""))
    _unharmed(kept, before)


@pytest.mark.parametrize("number", [LARGEST, -LARGEST - 1, 0, None, "next but one", "the last again"])
def test_an_entry_with_a_number_that_does_not_follow_is_refused(
    number: object, kept: tuple[Database, psycopg.Connection[Any]]
) -> None:
    before, head = _last(kept[1])
    asked = {"next but one": before + 2, "the last again": before}.get(str(number), number)
    entry = _entry(int(str(asked)) if asked is not None and abs(int(str(asked))) < 2**53 else 1)
    with pytest.raises(psycopg.errors.CheckViolation, match="follows, not"):
        _append(kept[1], (asked if asked is None else int(str(asked)), entry, link(head, entry)))
    _unharmed(kept, before)


@pytest.mark.parametrize("wrong", [b"", bytes(32), None, "of the first", "of other bytes"])
def test_an_entry_that_is_not_linked_to_the_one_before_is_refused(
    wrong: object, kept: tuple[Database, psycopg.Connection[Any]]
) -> None:
    before, head = _last(kept[1])
    entry = _entry(before + 1)
    made = {"of the first": link(bytes(32), entry), "of other bytes": hashlib.sha256(head + b"x").digest()}
    with pytest.raises(psycopg.errors.CheckViolation, match="does not follow from the entry before it"):
        _append(kept[1], (before + 1, entry, made.get(wrong) if isinstance(wrong, str) else wrong))  # type: ignore[arg-type]
    _unharmed(kept, before)


@pytest.mark.parametrize("text", [_entry(1), "{}", "[]", "null", '{"number": "x"}'])
def test_an_entry_whose_text_carries_another_number_is_refused(
    text: str, kept: tuple[Database, psycopg.Connection[Any]]
) -> None:
    before, head = _last(kept[1])
    with pytest.raises(psycopg.errors.CheckViolation, match="carries another number"):
        _append(kept[1], (before + 1, text, link(head, text)))
    _unharmed(kept, before)


@pytest.mark.parametrize("text", ["", "no JSON", '{"number": '])
def test_a_text_that_is_no_entry_is_refused(text: str, kept: tuple[Database, psycopg.Connection[Any]]) -> None:
    before, head = _last(kept[1])
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        _append(kept[1], (before + 1, text, link(head, text)))
    _unharmed(kept, before)


def test_of_a_batch_with_one_wrong_entry_nothing_is_kept(kept: tuple[Database, psycopg.Connection[Any]]) -> None:
    before, head = _last(kept[1])
    first, second = _entry(before + 1), _entry(before + 2)
    with pytest.raises(psycopg.errors.CheckViolation):
        _append(kept[1], (before + 1, first, link(head, first)), (before + 2, second, link(head, second)))
    _unharmed(kept, before)


def test_arrays_of_several_lengths_are_refused(kept: tuple[Database, psycopg.Connection[Any]]) -> None:
    before, head = _last(kept[1])
    entry = _entry(before + 1)
    for given in (([before + 1], [entry, entry], [head]), ([before + 1], [entry], []), ([], [entry], [head])):
        with pytest.raises(psycopg.errors.CheckViolation, match="follow"):
            kept[1].execute("SELECT dicom_node.append_to_trail(%s::bigint[], %s::text[], %s::bytea[])", given)
    _unharmed(kept, before)


def test_what_follows_is_appended_whatever_the_caller_has_made_of_names(
    kept: tuple[Database, psycopg.Connection[Any]],
) -> None:
    """A caller's own tables and functions under the names that the function uses are not what it uses."""
    before, head = _last(kept[1])
    role = kept[1]
    role.execute("CREATE TEMPORARY TABLE audit_entries (number bigint, entry text, hash bytea)")
    role.execute("CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT $1 $$")
    role.execute("SET search_path = pg_temp, public, pg_catalog")
    entry = _entry(before + 1)
    with pytest.raises(psycopg.errors.CheckViolation):
        _append(role, (before + 1, entry, head + entry.encode()))
    _append(role, (before + 1, entry, link(head, entry)))
    assert role.execute("SELECT count(*) FROM pg_temp.audit_entries").fetchone() == (0,)
    role.execute("RESET search_path")
    role.execute("DROP TABLE pg_temp.audit_entries")
    _unharmed(kept, before, added=1)


def test_two_that_append_at_once_past_the_nodes_lock_make_one_chain(
    kept: tuple[Database, psycopg.Connection[Any]], postgres: Postgres
) -> None:
    before, head = _last(kept[1])
    entry = _entry(before + 1)
    role = kept[1]
    with role.transaction():
        _append(role, (before + 1, entry, link(head, entry)))
        with postgres.connect(role.info.dbname, APPLICATION_ROLE) as other:
            other.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                _append(other, (before + 1, entry, link(head, entry)))
    _unharmed(kept, before, added=1)


def test_only_the_nodes_role_and_the_owner_may_append(
    kept: tuple[Database, psycopg.Connection[Any]], postgres: Postgres
) -> None:
    before, head = _last(kept[1])
    entry = _entry(before + 1)
    with postgres.connect(kept[1].info.dbname) as superuser:
        superuser.execute("CREATE ROLE somebody LOGIN")
        superuser.execute("GRANT USAGE ON SCHEMA dicom_node TO somebody")
        try:
            with (
                postgres.connect(kept[1].info.dbname, "somebody") as other,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                _append(other, (before + 1, entry, link(head, entry)))
        finally:
            superuser.execute("DROP OWNED BY somebody")
            superuser.execute("DROP ROLE somebody")
    _unharmed(kept, before)


def test_an_entry_with_every_letter_that_an_entry_may_hold_is_linked_alike_on_both_sides(
    kept: tuple[Database, psycopg.Connection[Any]],
) -> None:
    before, _ = _last(kept[1])
    hostile = "".join(map(chr, (*range(1, 0x300), 0x2028, 0xFFFF, 0x1F600))) + "\\\\\"'%s\\x00"
    Ledger(kept[0], "test").record(Action.READ, user=hostile, many=[hostile, json.dumps(hostile)])
    _unharmed(kept, before, added=1)
