"""Leases on a real PostgreSQL: who holds what, what a holder that lost it may write, and whose clock decides.

What is shown with jobs and with deliveries is `consumers.leased`, which is the same for both.
"""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from audit.trail import Transaction
from consumers.leased import LeasedLoop
from consumers.steps import deliver as delivery_module
from consumers.steps.deliver import DeliveryTo, Sent
from consumers.steps.infer import Inference, Inferred
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain import clock as clock_module
from domain.errors import NodeError, Retryable, Unavailable, UnusableInput
from domain.retry import RetryPolicy
from models.registry import Registry
from store.deliveries import Delivery
from store.holders import Holder
from store.jobs import Job
from tests.support.bench import Bench
from tests.support.processes import wait_for
from tests.support.working import ARCHIVE, LEASE, SMALL, FakeChild, events, job, route, study, worker, write_and_plan

ENDINGS = [None, UnusableInput("no use"), Retryable("again, please")]


@pytest.fixture
def requested(bench: Bench, registry: Registry) -> Bench:
    """A study whose model was asked for."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    return bench


@pytest.fixture
def planned(requested: Bench, registry: Registry) -> Bench:
    """A study whose results wait to be sent."""
    assert worker(requested, FakeChild(registry)).step()
    write_and_plan(requested, [ARCHIVE])
    return requested


def sender(bench: Bench, name: str) -> LeasedLoop[Delivery, Sent]:
    policy = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, ARCHIVE, "NODE", policy, 30, bench.clock)
    return LeasedLoop(bench.as_process("deliver"), work, Holder(name, bench.life()), LEASE)


def everything(bench: Bench) -> list[object]:
    """What an outcome could change."""
    tables = ("jobs", "deliveries", "delivery_objects", "outbox", "audit_entries", "studies")
    return [bench.ask(f"SELECT t::text FROM dicom_node.{name} t ORDER BY 1") for name in tables]


@pytest.mark.parametrize("ending", ENDINGS, ids=["success", "failure", "retry"])
def test_a_worker_that_lost_its_job_writes_nothing_whatever_came_of_it(
    requested: Bench, registry: Registry, ending: NodeError | None
) -> None:
    seen: list[object] = []

    def overtake() -> None:
        requested.pass_time(LEASE + 1)
        assert worker(requested, FakeChild(registry), "fast").step()
        seen.append(everything(requested))

    assert worker(requested, FakeChild(registry, [ending], during=overtake), "slow").step()
    assert seen == [everything(requested)]
    assert job(requested) == ("succeeded", "done")
    assert len(events(requested, "inference.completed")) == 1
    assert requested.actions().count("inference done") == 1


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_sender_that_lost_its_delivery_writes_nothing_whatever_its_destination_says(
    planned: Bench, monkeypatch: pytest.MonkeyPatch, verdict: Verdict
) -> None:
    seen: list[object] = []

    def send(objects: Sequence[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        for one in objects:
            if not seen:
                seen.append(None)
                planned.pass_time(LEASE + 1)
                assert sender(planned, "fast").step()
                seen.append(everything(planned))
                yield Outcome(one, verdict, "late", 0xC000)
            yield Outcome(one, Verdict.STORED, "", 0)

    monkeypatch.setattr(delivery_module, "send", send)
    assert sender(planned, "slow").step()
    assert seen[1] == everything(planned)
    assert planned.ask("SELECT DISTINCT stored, status FROM dicom_node.delivery_objects") == [(True, 0)]
    assert len(events(planned, "results.delivered")) == 1
    assert planned.actions().count("results delivered") == 1
    assert study(planned) == ("complete", "results delivered to PACS")


@pytest.mark.parametrize("fault", [ValueError("DOE^JANE"), OSError(5, "Input/output error")])
def test_what_a_job_brings_its_worker_to_ends_or_delays_that_job_and_no_process(
    requested: Bench, registry: Registry, fault: Exception
) -> None:
    assert worker(requested, FakeChild(registry, [fault])).step()
    passing = isinstance(fault, OSError)
    assert job(requested)[0] == ("requested" if passing else "failed")
    assert study(requested)[0] == ("complete" if passing else "stuck")
    assert "DOE^JANE" not in str(everything(requested))


def test_findings_that_no_table_takes_end_their_job_and_no_process(
    requested: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot_be_written(self: Inference, transaction: Transaction, item: Job, result: Inferred) -> str:
        transaction.connection.execute(text("SELECT 1 / 0"))
        raise AssertionError("unreachable")

    monkeypatch.setattr(Inference, "succeeded", cannot_be_written)
    assert worker(requested, FakeChild(registry)).step()
    assert job(requested) == ("failed", "DataError in the node's own work")
    assert study(requested)[0] == "stuck"


def test_what_a_delivery_brings_its_sender_to_ends_that_delivery_and_no_process(
    planned: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_: object, together: bool) -> Iterator[Outcome]:
        raise KeyError("DOE^JANE")

    monkeypatch.setattr(delivery_module, "send", send)
    assert sender(planned, "one").step()
    assert planned.ask("SELECT state FROM dicom_node.deliveries") == [("refused",)]
    assert study(planned) == ("stuck", "PACS: KeyError in the node's own work")


def test_two_holders_at_once_never_have_the_same_row(requested: Bench, registry: Registry) -> None:
    child = FakeChild(registry)
    loops = [worker(requested, child, f"w{number}") for number in range(4)]
    threads = [threading.Thread(target=loop.step) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(child.tasks) == 1
    assert requested.ask("SELECT attempts, lease_epoch FROM dicom_node.jobs") == [(1, 1)]


def test_a_holder_that_hangs_renews_nothing_and_gives_no_sign_of_life(
    requested: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Inference, "longest", lambda *_: 0.0)
    beats: list[int] = []

    def hang() -> None:
        wait_for(
            lambda: requested.ask("SELECT 1 FROM dicom_node.jobs WHERE lease_until < now()"), 60, "the lease's end"
        )
        assert worker(requested, FakeChild(registry), "another").step()

    hanging = worker(requested, FakeChild(registry, during=hang), lease=0.3, alive=lambda: beats.append(1))
    assert hanging.step()
    assert beats == [1]  # as it began, and none since
    assert "hangs" in caplog.text
    assert requested.actions().count("inference done") == 1


def test_an_outcome_that_was_given_up_for_anothers_sake_is_written_and_not_worked_out_again(
    requested: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = iter([True, True, False])
    succeeded = Inference.succeeded

    def succeed(self: Inference, transaction: Transaction, item: Job, result: Inferred) -> str:
        if next(given_up):
            transaction.connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '40P01'; END $$"))
        return succeeded(self, transaction, item, result)

    monkeypatch.setattr(Inference, "succeeded", succeed)
    child = FakeChild(registry)
    assert worker(requested, child).step()
    assert job(requested) == ("succeeded", "done")
    assert len(child.tasks) == 1


def test_a_lease_is_renewed_while_the_work_goes_on(requested: Bench, registry: Registry) -> None:
    def until() -> list[object]:
        return requested.ask("SELECT lease_until FROM dicom_node.jobs")

    def renewed() -> None:
        before = until()
        wait_for(lambda: until() > before, 30, "the lease to be renewed")

    assert worker(requested, FakeChild(registry, during=renewed), lease=3).step()
    assert job(requested)[0] == "succeeded"


def test_what_an_earlier_life_of_a_process_held_is_taken_up_at_once(requested: Bench, registry: Registry) -> None:
    life = requested.life()
    dead = worker(requested, FakeChild(registry), life=life)
    life.prove()
    assert dead._claim()
    life.close()
    assert worker(requested, FakeChild(registry)).step()
    assert job(requested)[0] == "succeeded"
    assert requested.actions().count("inference taken back") == 1


def test_what_a_live_twin_of_the_same_name_holds_is_left_to_it(requested: Bench, registry: Registry) -> None:
    life = requested.life()
    twin = worker(requested, FakeChild(registry), life=life)
    life.prove()
    assert twin._claim()
    assert not worker(requested, FakeChild(registry)).step()
    assert job(requested)[0] == "running"


def test_what_another_host_holds_waits_for_its_lease_to_end(requested: Bench, registry: Registry) -> None:
    assert worker(requested, FakeChild(registry), "gone@elsewhere")._claim()
    assert not worker(requested, FakeChild(registry)).step()
    requested.pass_time(LEASE + 1)
    assert worker(requested, FakeChild(registry)).step()


def test_what_a_holder_left_behind_when_the_database_went_away_is_taken_up_by_itself(
    requested: Bench, registry: Registry
) -> None:
    loop = worker(requested, FakeChild(registry))
    assert loop._claim()
    assert loop.step()
    assert requested.ask("SELECT state, attempts FROM dicom_node.jobs") == [("succeeded", 2)]


def test_a_server_that_goes_away_again_and_again_costs_no_attempt(requested: Bench, registry: Registry) -> None:
    away = [Unavailable("PostgreSQL does not answer")] * 5
    loop = worker(requested, FakeChild(registry, [*away]))
    for _ in away:
        with pytest.raises(Unavailable):
            loop.step()
    assert loop.step()
    assert requested.ask("SELECT state, attempts FROM dicom_node.jobs") == [("succeeded", 1)]


def test_a_job_that_kills_every_worker_ends(requested: Bench, registry: Registry) -> None:
    for _ in range(3):
        life = requested.life()
        dead = worker(requested, FakeChild(registry), life=life)
        dead._take_back()
        assert dead._claim()
        life.close()
    assert not worker(requested, FakeChild(registry)).step()
    assert job(requested) == ("failed", "its holder was lost 3 times")
    assert study(requested)[0] == "stuck"


def test_what_a_restart_cuts_off_is_told_as_that_and_costs_no_attempt(requested: Bench, registry: Registry) -> None:
    def is_told() -> bool:
        return job(requested)[1].endswith(", which was told to stop")

    for _ in range(3):  # as many as end a job whose holder was lost
        life, stop = requested.life(), threading.Event()

        def cut_off(stop: threading.Event = stop) -> None:
            stop.set()
            wait_for(is_told, 30, "the stop to be noted", lambda: str(job(requested)))
            raise KeyboardInterrupt  # which nothing takes for a failure of the job

        with pytest.raises(KeyboardInterrupt):
            worker(requested, FakeChild(registry, during=cut_off), life=life, stop=stop).step()
        life.close()
    assert worker(requested, FakeChild(registry)).step()
    assert requested.ask("SELECT state, attempts FROM dicom_node.jobs") == [("succeeded", 1)]
    said = "%its holder was stopped; it is taken up again%"
    assert requested.ask(f"SELECT count(*) FROM dicom_node.audit_entries WHERE entry LIKE '{said}'") == [(3,)]


def test_a_try_that_failed_and_a_holder_that_was_lost_are_told_apart_on_the_trail(
    requested: Bench, registry: Registry
) -> None:
    loop = worker(requested, FakeChild(registry, [Retryable("out of memory")]))
    assert loop.step()
    assert "inference tried again" in requested.actions()
    assert "inference taken back" not in requested.actions()


@pytest.mark.parametrize("ahead", [40.0, 86_400.0, -3600.0])
def test_a_hosts_clock_decides_nothing_about_leases(
    requested: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    assert worker(requested, FakeChild(registry), "held@elsewhere")._claim()
    requested.clock.step(ahead)
    true = clock_module.SystemClock.now
    monkeypatch.setattr(clock_module.SystemClock, "now", lambda self: true(self) + timedelta(seconds=ahead))
    wrong = worker(requested, FakeChild(registry), "wrong")
    assert not wrong.step()
    assert wrong.seconds_until_due() is None
    requested.pass_time(LEASE + 1)
    assert wrong.step()
    assert job(requested)[0] == "succeeded"


def test_a_pause_is_measured_by_the_databases_clock(requested: Bench, registry: Registry) -> None:
    loop = worker(requested, FakeChild(registry, [Retryable("out of memory")]))
    assert loop.step()
    requested.clock.step(-3600)
    due = loop.seconds_until_due()
    assert due is not None
    assert 0 <= due <= 1
    requested.pass_time(1)
    assert loop.seconds_until_due() == 0
    assert loop.step()
