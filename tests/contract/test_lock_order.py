"""One order of locks (store/locks.py), on a real PostgreSQL: no two steps ever wait for each other.

A step is held before each of its statements in turn while another one runs until it ends or waits; then both must end.
What they change is undone, so that every pair finds the same rows.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, make_url, text

from audit.trail import Actor, Ledger, Transaction
from config.peers import Destination
from consumers.steps import adopt, forget
from consumers.steps.index_batch import IndexBatch
from consumers.steps.plan import DeliveryPlanner
from consumers.steps.retry import retry
from consumers.steps.route import Router
from consumers.steps.withdraw import withdraw_results
from dicom_node.intake.filing import Filed, Unreadable, file
from domain.clock import ManualClock
from domain.errors import Retryable
from domain.events import Event, StudyCompleted
from domain.ids import StudyId
from models.registry import Registry
from store import studies
from store.database import Database
from store.jobs import JOBS
from store.leases import Lease
from tests.support.bench import Bench, open_bench
from tests.support.entries import cut, entry
from tests.support.ingest import encoded, send
from tests.support.packages import write_package
from tests.support.phantoms import Phantom
from tests.support.processes import wait_for
from tests.support.servers import Postgres
from tests.support.working import ARCHIVE, FakeChild, events, route, worker, write_and_plan

OTHER = replace(ARCHIVE, destination=Destination(name="OTHER", aet="OTHER", host="127.0.0.1", port=105))
THIRD = replace(ARCHIVE, destination=Destination(name="THIRD", aet="THIRD", host="127.0.0.1", port=106))
ALL = [ARCHIVE, OTHER, THIRD]
ONE, TWO = (Phantom(size=(16, 16), slices=4, study=name) for name in ("one", "two"))
LONG = 600.0
ASSOCIATIONS = {one.study: uuid.uuid4() for one in (ONE, TWO)}


class _Undo(Exception):
    """What was done is not to stay."""


class Undone(Ledger):
    """Transactions that take every lock and leave nothing behind."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with suppress(_Undo), self.database.transaction() as connection:
            transaction = Transaction(connection, Actor("test"), ManualClock(), {})
            yield transaction
            transaction.flush()
            raise _Undo


@dataclass
class World:
    """Two studies, each with a job in every state that matters, and deliveries to two destinations."""

    bench: Bench
    registry: Registry
    watcher: psycopg.Connection[Any]
    own: tuple[Database, Database]  # of the two steps
    studies: list[StudyId] = field(default_factory=list)


Step = Callable[[World, Ledger], object]


def _add_jobs(bench: Bench) -> None:
    """Of each job and delivery one more in every state that a step looks for."""
    jobs = [row[0] for row in bench.ask("SELECT column_name FROM information_schema.columns WHERE table_name = 'jobs'")]
    own = {"id", "state", "input_set", "findings", "owner", "lease_until", "result_number"}
    same = ", ".join(sorted(set(jobs) - own))
    for state in ("failed", "requested", "running"):
        held = "'dead#life', now()" if state == "running" else "NULL, NULL"
        bench.ask(
            f"INSERT INTO dicom_node.jobs (id, state, input_set, owner, lease_until, {same})"
            f" SELECT gen_random_uuid(), '{state}', '{state}', {held}, {same}"
            " FROM dicom_node.jobs WHERE state = 'succeeded' RETURNING 1"
        )
    bench.ask("UPDATE dicom_node.deliveries SET state = 'refused' WHERE destination = 'OTHER' RETURNING 1")
    bench.ask("UPDATE dicom_node.studies SET state = 'stuck', unsynced = ARRAY['a spool'] RETURNING 1")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[World]:
    root = tmp_path_factory.mktemp("locks")
    url = postgres.url(dbname=postgres.fresh_schema())
    write_package(root / "models")
    registry = Registry.load(root / "models")
    with open_bench(root, url) as bench:
        for phantom in (ONE, TWO):
            bench.receive(phantom.datasets())
        route(bench, registry)
        for phantom in (ONE, TWO):
            assert worker(bench, FakeChild(registry, phantom=phantom)).step()
        write_and_plan(bench, ALL)
        for changed in ("first", "second"):
            corrected = ONE.datasets()[0]
            corrected.SeriesDescription = changed
            send(bench.writer, [corrected])
        bench.index()
        _add_jobs(bench)
        found = bench.ask("SELECT id FROM dicom_node.studies ORDER BY id")
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as watcher:  # the node's role does not see who waits
            own = Database(url), Database(url)
            yield World(bench, registry, watcher, own, [StudyId(row[0]) for row in found])
            for one in own:
                one.close()


def routed(number: int) -> Step:
    def step(world: World, ledger: Ledger) -> None:
        announced = Event(StudyCompleted(1, 1, 4), world.studies[number], world.bench.clock.now())
        with ledger.transaction() as transaction:
            Router(world.registry.packages.values, lambda: None, world.bench.clock)(transaction, announced)

    return step


def planned(world: World, ledger: Ledger) -> None:
    """For the destinations whose deliveries were made last first."""
    found = world.bench.ask("SELECT destination FROM dicom_node.deliveries ORDER BY study_id, id DESC")
    names = [row[0] for row in found[: len(ALL)]]
    (written,) = (one for one in events(world.bench, "results.written") if one.study_id == world.studies[0])
    with ledger.transaction() as transaction:
        DeliveryPlanner(sorted(ALL, key=lambda one: names.index(one.name)), world.bench.clock)(transaction, written)


def forgotten(world: World, ledger: Ledger) -> None:
    forget.forget(ledger, "PACS", world.bench.clock.now())


def retried(number: int) -> Step:
    def step(world: World, ledger: Ledger) -> None:
        packages = list(world.registry.packages.values())
        retry(ledger, world.studies[number], packages, world.bench.clock.now())

    return step


def claimed(world: World, ledger: Ledger) -> None:
    worker(world.bench, FakeChild(world.registry), together=4, ledger=ledger)._claim()


def taken_back(world: World, ledger: Ledger) -> None:
    worker(world.bench, FakeChild(world.registry), ledger=ledger)._take_back()


def renewed(world: World, ledger: Ledger) -> None:
    found = world.bench.ask("SELECT id, lease_epoch FROM dicom_node.jobs WHERE state = 'running' ORDER BY id DESC")
    with suppress(_Undo), ledger.database.transaction() as connection:
        JOBS.renew(connection, [Lease(*row) for row in found], LONG)
        raise _Undo


def adopted(which: int) -> Step:
    def step(world: World, ledger: Ledger) -> None:
        numbers = world.bench.ask("SELECT id FROM dicom_node.conflicts ORDER BY id")
        adopt.adopt(ledger, world.bench.objects, numbers[which][0], world.bench.clock.now())

    return step


def indexed(new: Phantom, broken: Phantom, repeated: Phantom) -> Step:
    """A batch with something new of one study, something unreadable of another, and what was there of a third."""

    def step(world: World, ledger: Ledger) -> None:
        fresh, bad = (replace(one, slices=9).datasets()[8] for one in (new, broken))
        known = repeated.datasets()[0]
        data = [encoded(fresh), cut(encoded(bad)), encoded(known)]
        uids = [one.SOPInstanceUID for one in (fresh, bad, known)]
        pairs = zip(data, uids, strict=True)
        entries = [
            entry(number, piece, sop_instance=uid, association=ASSOCIATIONS[new.study])
            for number, (piece, uid) in enumerate(pairs)
        ]
        filings = [file(one) for one in entries]
        with ledger.transaction() as transaction:
            batch = IndexBatch(transaction, world.bench.clock.now(), "a spool")
            batch.open_associations(entries)
            filed = [one for one in filings if isinstance(one, Filed)]
            unreadable = [one for one in filings if isinstance(one, Unreadable)]
            batch.lock_studies(filed, unreadable)
            batch.file_instances(filed)
            batch.quarantine(unreadable)

    return step


def synced(world: World, ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        studies.note_synced(transaction.connection, "a spool", None)


def withdrawn(world: World, ledger: Ledger) -> None:
    withdraw_results(ledger, world.studies[0], "wrong", "somebody", world.bench.clock.now())


PAIRS: dict[str, tuple[Step, Step]] = {
    "two batches of the index": (indexed(ONE, TWO, TWO), indexed(TWO, ONE, ONE)),
    "index and the end of a sync": (indexed(TWO, ONE, ONE), synced),
    "index and forget": (indexed(ONE, TWO, TWO), forgotten),
    "forget and route": (forgotten, routed(0)),
    "forget and retry": (forgotten, retried(1)),
    "forget and a worker that lost its job": (forgotten, taken_back),
    "retry and route": (retried(0), routed(0)),
    "plan and route": (planned, routed(0)),
    "plan and retry": (planned, retried(0)),
    "claims and index": (claimed, indexed(ONE, TWO, TWO)),
    "renewal and route": (renewed, routed(0)),
    "two corrected instances": (adopted(0), adopted(1)),
    "withdraw and route": (withdrawn, routed(0)),
    "withdraw and forget": (withdrawn, forgotten),
    "adopt and index": (adopted(0), indexed(ONE, TWO, TWO)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_no_two_steps_wait_for_each_other(world: World, pair: tuple[Step, Step]) -> None:
    lock = 1  # behind the first at least: before it nobody can wait for the step
    while _interleaved(world, *pair, lock):
        lock += 1
    assert lock > 1


def _interleaved(world: World, first: Step, second: Step, lock: int) -> bool:
    """Run both, the first one held before its lock of this number until the other ends or waits; False: it has less."""
    held, go = threading.Event(), threading.Event()
    errors: list[BaseException] = []
    threads = [
        threading.Thread(target=_run, args=(world, *of, errors)) for of in zip((first, second), world.own, strict=True)
    ]
    with _held(world.own[0], lock, held, go):
        threads[0].start()
        wait_for(lambda: held.is_set() or not threads[0].is_alive(), 60, "the lock", interval=0.002)
        threads[1].start()
        wait_for(lambda: not threads[1].is_alive() or _waits(world), 60, "the other step", interval=0.002)
        go.set()
        for thread in threads:
            thread.join(60)
    assert errors == []
    return held.is_set()


@contextmanager
def _held(database: Database, lock: int, held: threading.Event, go: threading.Event) -> Iterator[None]:
    seen = 0

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal seen
        if not statement.startswith(("INSERT", "UPDATE", "DELETE")) and " FOR NO KEY UPDATE" not in statement:
            return
        if seen == lock:
            held.set()
            assert go.wait(60)
        seen += 1

    event.listen(database._engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(database._engine, "before_cursor_execute", count)


def _run(world: World, step: Step, database: Database, errors: list[BaseException]) -> None:
    try:
        step(world, Undone(database, "test"))
    except Exception as error:
        errors.append(error)


def _waits(world: World) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(world.watcher.execute(waiting).fetchall())


def test_steps_that_wait_for_each_other_all_the_same_are_tried_again(world: World) -> None:
    rows = [row[0] for row in world.bench.ask("SELECT id FROM dicom_node.studies ORDER BY id")]
    met = threading.Barrier(2, timeout=60)
    errors: list[BaseException] = []

    def lock(order: list[uuid.UUID]) -> None:
        try:
            with world.bench.database.transaction() as connection:
                for number, row in enumerate(order):
                    if number:
                        met.wait()
                    connection.execute(text("SELECT 1 FROM dicom_node.studies WHERE id = :id FOR UPDATE"), {"id": row})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=lock, args=(order,)) for order in (rows, rows[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [isinstance(error, Retryable) for error in errors] == [True]
