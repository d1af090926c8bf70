"""What the login of one role can do to all the others by what it may write: cost them nothing but its own rows."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from audit.actions import Action
from audit.chain import verify
from audit.trail import NO_ENTRY, Ledger, newest_entries, rows
from console.cli.app import app
from consumers.bus.dead_letters import list_dead_letters
from consumers.leased import LeasedLoop
from consumers.steps.deliver import DeliveryTo, Sent
from domain.errors import Unavailable
from domain.events import EventType
from domain.retry import RetryPolicy
from models.registry import Registry
from store import outbox, schema
from store.database import Database
from store.deliveries import Delivery
from store.grants import AUDITOR, READER, role_of
from store.holders import Holder
from store.outbox import LONGEST, OutboxReader
from store.unit_of_work import EVENTS_TOPIC
from tests.support.bench import Bench, open_bench
from tests.support.buses import KafkaWorld, PostgresWorld, World, numbering
from tests.support.ingest import send
from tests.support.phantoms import Phantom
from tests.support.processes import wait_for
from tests.support.secured_kafka import SecuredKafka
from tests.support.servers import Postgres
from tests.support.working import ARCHIVE, LEASE, SMALL, FakeChild, job, route, worker, write_and_plan

COMPLETED = EventType.STUDY_COMPLETED
# kafka-python leaves a socket whose connection was refused to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <(ssl|socket):ResourceWarning")


@pytest.fixture(params=["postgres", "kafka"])
def world(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[World]:
    kafka: SecuredKafka | None = request.getfixturevalue("kafka") if request.param == "kafka" else None
    made = KafkaWorld(postgres, kafka) if kafka else PostgresWorld(postgres)
    yield made
    made.close()


def _announce(world: World, envelope: Any, key: str = "") -> None:
    """As the worker's login, past the node's code."""
    with world.server.connect(world.dbname) as login:
        login.execute(f"SET ROLE {role_of('work')}".encode())
        row = (envelope.get("id") or uuid.uuid4(), key, EVENTS_TOPIC, json.dumps(envelope))
        login.execute("INSERT INTO dicom_node.outbox (event_id, key, topic, envelope) VALUES (%s, %s, %s, %s)", row)


def test_an_announcement_without_what_every_event_has_costs_a_letter_and_not_the_group(world: World) -> None:
    bare = str(uuid.uuid4())
    _announce(world, {"id": bare})
    world.announce(world.study(), 1)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: handled, 60, "the event behind it")
        [letter] = wait_for(lambda: list_dead_letters(world.database), 60, "the dead letter")
    assert (str(letter.event_id), letter.study_id) == (bare, None)


def test_an_announcement_that_no_broker_takes_and_a_key_as_long_hold_nobody_up(world: World) -> None:
    _announce(world, {"id": str(uuid.uuid4()), "type": COMPLETED.value, "more": "x" * 2_000_000})
    _announce(world, {"id": str(uuid.uuid4()), "type": "nothing"}, key="k" * 100_000)
    world.announce(world.study(), 1)
    handled: list[int] = []
    with world.consumer("group", {COMPLETED: numbering(handled)}):
        wait_for(lambda: handled, 60, "the event behind them")


def test_a_key_that_no_index_takes_is_refused_by_the_server(postgres: Postgres) -> None:
    with closing(PostgresWorld(postgres)) as world, pytest.raises(psycopg.errors.ProgramLimitExceeded):
        _announce(world, {"id": str(uuid.uuid4())}, key="k" * 2_000_000)


def test_an_envelope_without_an_end_is_brought_into_nobodys_memory(postgres: Postgres) -> None:
    with closing(PostgresWorld(postgres)) as world:
        _announce(world, {"id": str(uuid.uuid4()), "more": "x" * 20_000_000}, key="k" * 100_000)
        _announce(world, {"id": str(uuid.uuid4()), "more": "x" * (LONGEST - 1000)})
        reader = OutboxReader(world.database, "group", [EVENTS_TOPIC])
        with closing(reader):
            long, fits = reader.read(0.1)
    assert (long.envelope, len(long.key) <= 100, len(fits.envelope) > LONGEST - 1000) == ("{}", True, True)


def test_a_login_that_keeps_a_group_from_its_place_is_named_and_no_twin_of_the_group_is(postgres: Postgres) -> None:
    url = postgres.url(dbname=postgres.fresh_schema())
    name = url.rpartition("/")[2]
    database, reader = Database(url, role=role_of("assemble")), _Login(postgres, name, role_of(READER))
    waits = OutboxReader(database, "routing", [EVENTS_TOPIC])
    with closing(database), closing(waits):
        with reader as login:
            login.execute("SELECT pg_advisory_lock(hashtextextended('routing', %s))", [outbox._READER_LOCKS])
            with pytest.raises(Unavailable, match=r"the login hostile, which .*pg_terminate_backend\([0-9]+\)"):
                waits.read(0.01)
        twin = OutboxReader(database, "routing", [EVENTS_TOPIC])
        with closing(twin):
            wait_for(lambda: twin.read(0.01) == [] and twin._last is not None, 60, "the place, once it is free")
            assert waits.read(0.01) == []


class _Login:
    """A login of its own, which is a member of one role of the node's."""

    def __init__(self, server: Postgres, database: str, role: str) -> None:
        self._server, self._database, self._role = server, database, role

    def __enter__(self) -> psycopg.Connection[Any]:
        with self._server.connect(self._database) as owner:
            owner.execute("DROP ROLE IF EXISTS hostile")
            owner.execute(f"CREATE ROLE hostile LOGIN IN ROLE {self._role}".encode())
        self._connection = self._server.connect(self._database, "hostile")
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        with self._server.connect(self._database) as owner:
            owner.execute("DROP ROLE hostile")


# What the function that appends takes, and the verifier and whoever reads cannot take for an entry.
ODD = [
    '{"number":@}',  # the verifier has nothing to say of this one
    '{"number":"@"}',
    '{"number":1,"number":@}',
    '{"at":"x","by":5,"number":@}',
    '{"number":@,"x":' + "[" * 4000 + "]" * 4000 + "}",
    '{"number":@,"x":' + "9" * 5000 + "}",
    '{"number":@,"x":1e999}',
    *(
        json.dumps({"action": "a", "at": at, "by": by, "details": details, "number": 0, "study": study}).replace(
            '"number": 0', '"number": @'
        )
        for at, by, details, study in (
            ("0001-01-01T00:00:00+23:59", {"host": "h", "role": "r"}, {}, None),
            ("2026-01-01T00:00:00+00:00", {"host": 1, "role": "r"}, {}, None),
            ("2026-01-01T00:00:00+00:00", {"host": "h", "role": "r"}, [], None),
            ("2026-01-01T00:00:00+00:00", {"host": "h", "role": "r"}, {}, {"a": 1}),
        )
    ),
]


def test_entries_that_are_none_hide_nothing_of_what_stands_behind_them(postgres: Postgres) -> None:
    """Each of them would have ended `audit show`, and `audit verify` at the first of them."""
    url = postgres.url(dbname=postgres.fresh_schema())
    with closing(Database(url)) as database, psycopg.connect(url.replace("+psycopg", "")) as login:
        ledger = Ledger(database, "test")
        ledger.record(Action.STARTED)
        login.execute(f"SET ROLE {role_of('work')}".encode())
        for text in ODD:
            _append(login, text)
        login.commit()
        ledger.record(Action.STOPPED)
        verdict = verify(rows(database))
        shown = newest_entries(database, 100).rows
        head = list(rows(database))[-1].hash
    assert (verdict.bad, verdict.checked, verdict.beyond, verdict.breaks) == (3, 2, len(ODD) - 1, "")
    assert verdict.head == head
    assert [one.action for one in shown] == [Action.STARTED, *[NO_ENTRY] * len(ODD), Action.STOPPED]
    for command in (["show"], ["show", "--json"], ["verify"]):
        done = CliRunner().invoke(app, ["audit", *command, "--database", url])
        assert done.exit_code == (1 if command == ["verify"] else 0), done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)


def _append(login: psycopg.Connection[Any], text: str) -> None:
    """An entry that follows, by the owner's function."""
    [(number, head)] = login.execute(
        "SELECT number, hash FROM dicom_node.audit_entries ORDER BY number DESC LIMIT 1"
    ).fetchall()
    entry = text.replace("@", str(number + 1))
    given = ([number + 1], [entry], [hashlib.sha256(bytes(head) + entry.encode()).digest()])
    login.execute("SELECT dicom_node.append_to_trail(%s::bigint[], %s::text[], %s::bytea[])", given)


class _FewNotifications(Postgres):
    def command(self) -> list[str]:
        return [*super().command(), "-c", "max_notify_queue_pages=64"]


def test_a_full_queue_of_notifications_is_waited_for_and_puts_no_image_into_quarantine(tmp_path: Path) -> None:
    """Whoever may log in can fill it, beside a session of theirs that listens and reads nothing."""
    with _FewNotifications() as server:
        name = server.fresh_schema()
        with open_bench(tmp_path, server.url(dbname=name)) as bench:
            with server.connect(name) as floods:
                floods.execute(f"SET ROLE {role_of(READER)}".encode())
                with server.connect(name) as listens:
                    _fill(listens, floods)
                    send(bench.writer, Phantom(slices=3, size=(16, 16)).datasets())
                    with pytest.raises(Unavailable, match="notifications"):
                        bench.index()
                floods.execute("LISTEN anything")  # by which the server looks after who is left
            bench.index()
            assert (bench.count("instances"), bench.count("quarantine")) == (3, 0)


def _fill(listens: psycopg.Connection[Any], floods: psycopg.Connection[Any]) -> None:
    listens.execute(f"SET ROLE {role_of(READER)}".encode())
    listens.execute("LISTEN anything")
    listens.execute("BEGIN")
    listens.execute("SELECT 1")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        while True:
            floods.execute("SELECT pg_notify('anything', repeat('x', 7000) || n) FROM generate_series(1, 50) n")


def test_moments_that_only_postgresql_knows_and_an_address_that_is_none_end_no_list_and_no_role(
    tmp_path: Path, database_url: str
) -> None:
    """One row of a study, of a destination and of a job, as roles may change them that do not read them."""
    with open_bench(tmp_path, database_url) as bench:
        bench.receive(Phantom(slices=3, size=(16, 16)).datasets())
        study = bench.ask("SELECT id FROM dicom_node.studies")[0][0]
        for value in ("infinity", "-infinity", "294276-01-01", "4713-01-01 BC"):
            bench.as_owner(
                f"UPDATE dicom_node.studies SET (since, first_received, last_received)"
                f" = ('{value}', '{value}', '{value}')",
                f"INSERT INTO dicom_node.destinations_seen (name, address, seen_at, changed_at, tried_at, error)"
                f" VALUES ('none at {value}', 'no address', now(), now(), now(), ''),"
                f" ('{value}', 'PACS@127.0.0.1:1', '{value}', '{value}', '{value}', '')",
            )
            for command in (["status"], ["status", "--json"], ["status", str(study)], ["destinations", "list"]):
                done = CliRunner().invoke(app, [*command, "--database", database_url])
                assert done.exit_code == 0, (command, done.output, done.exception)
            bench.settle()


def test_a_count_of_attempts_that_is_full_and_a_first_one_that_never_was_let_their_rows_be_worked_on(
    bench: Bench, registry: Registry
) -> None:
    """Who routes may change both, and who runs models or delivers reads them."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    bench.as_owner("UPDATE dicom_node.jobs SET attempts = 2147483647, requested_at = 'infinity', since = '-infinity'")
    assert worker(bench, FakeChild(registry)).step()
    assert job(bench)[0] == "succeeded"
    write_and_plan(bench, [ARCHIVE])
    bench.as_owner("UPDATE dicom_node.deliveries SET attempts = 2147483647, first_attempt = 'infinity'")
    policy = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, ARCHIVE, "NODE", policy, 30, bench.clock)
    delivering: LeasedLoop[Delivery, Sent] = LeasedLoop(
        bench.as_process("deliver"), work, Holder("sender", bench.life()), LEASE
    )
    assert delivering.step()


@pytest.mark.parametrize(
    "held",
    [f"SELECT pg_advisory_lock({schema._MIGRATION_LOCK})", "BEGIN; SELECT id FROM dicom_node.studies"],
    ids=["the lock of migrations", "a table that was read"],
)
def test_a_session_that_holds_a_lock_for_ever_holds_no_migration_up_for_ever_and_is_named(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    name = postgres.fresh_schema()
    monkeypatch.setattr(schema, "_PATIENCE", 1)
    with _Login(postgres, name, role_of(AUDITOR)) as login:
        login.execute(held.encode())
        with (
            pytest.raises(Unavailable, match=r"hostile \(process [0-9]+\)"),
            schema._owner(postgres.url(dbname=name)) as connection,
        ):
            connection.exec_driver_sql("ALTER TABLE dicom_node.studies ADD COLUMN more text")
