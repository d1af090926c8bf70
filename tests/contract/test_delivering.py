"""Delivery on a real PostgreSQL: what is sent, again and to whom, and what ends it."""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumers.bus.dead_letters import replay, set_aside
from consumers.bus.protocol import Message
from consumers.leased import LeasedLoop
from consumers.steps import deliver as delivery_module
from consumers.steps import stuck
from consumers.steps.adopt import adopt
from consumers.steps.deliver import DeliveryTo, DeliveryToNobody, Sent
from consumers.steps.retry import intended, retry
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.errors import Permanent
from domain.events import DeliveryFailed
from domain.profiles import ResultKind
from domain.retry import RetryPolicy
from models.registry import Registry
from store.deliveries import DELIVERIES, Delivery
from store.holders import Holder, Life
from store.leases import Backlog
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.result_files import usual
from tests.support.working import (
    ARCHIVE,
    LEASE,
    SMALL,
    FakeChild,
    events,
    route,
    study,
    study_id,
    worker,
    write_and_plan,
)

POLICY = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))


def deliver(bench: Bench, monkeypatch: pytest.MonkeyPatch, verdicts: Sequence[Verdict], reason: str = "") -> list[str]:
    """One attempt against an archive that gives these verdicts in turn; what it was sent."""
    sent: list[str] = []

    def send(objects: Sequence[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        assert together
        for one, verdict in zip(objects, verdicts, strict=False):
            sent.append(one.sop_class)
            yield Outcome(one, verdict, reason, 0)

    monkeypatch.setattr(delivery_module, "send", send)
    sender(bench).step()
    return sent


def sender(bench: Bench, life: Life | None = None, lease: float = LEASE) -> LeasedLoop[Delivery, Sent]:
    """The deliveries to ARCHIVE, in a life of its own."""
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, ARCHIVE, "NODE", POLICY, 30, bench.clock)
    return LeasedLoop(bench.as_process("deliver"), work, Holder("d1", life or bench.life()), lease)


@pytest.fixture
def written(bench: Bench, registry: Registry) -> Bench:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    return bench


def delivery(bench: Bench) -> tuple[str, str]:
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.deliveries")
    return state, reason


def test_only_what_was_not_stored_is_sent_again(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.RETRY], "the archive is full")
    assert delivery(written) == ("pending", "the archive is full; attempt 1, next in 2 s")
    assert deliver(written, monkeypatch, [Verdict.STORED]) == []
    written.pass_time(2)
    assert len(deliver(written, monkeypatch, [Verdict.STORED])) == 1
    assert delivery(written)[0] == "stored"


def test_a_refusal_for_good_ends_the_delivery_and_says_so(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.REFUSED], "SOP class not supported")
    assert delivery(written) == ("refused", "SOP class not supported")
    assert study(written) == ("stuck", "PACS: SOP class not supported")
    assert events(written, "delivery.failed")[0].of(DeliveryFailed).state == "refused"


def test_results_that_are_not_taken_are_told_once_with_the_reason(
    written: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def send(objects: Sequence[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        yield from (Outcome(one, Verdict.RETRY, "out of resources", 0xA700) for one in objects)

    monkeypatch.setattr(delivery_module, "send", send)
    sending = sender(written)
    for _ in range(2):
        assert sending.step()
        written.pass_time(1000)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [f"results were not delivered to {ARCHIVE.name}: out of resources"]


def test_delivery_goes_on_for_days_and_then_asks_for_a_person(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.RETRY, Verdict.RETRY], "no answer")
    written.pass_time(6 * 86400)
    deliver(written, monkeypatch, [Verdict.RETRY, Verdict.RETRY], "no answer")
    assert delivery(written)[0] == "pending"
    written.pass_time(86400 + 1000)
    deliver(written, monkeypatch, [Verdict.RETRY, Verdict.RETRY], "no answer")
    assert delivery(written) == ("failed", "no answer; given up after 7 days")
    assert study(written)[0] == "stuck"


def test_a_sender_that_died_is_followed_by_another_attempt(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    life = written.life()
    dead = sender(written, life)
    life.prove()
    assert dead._claim()
    life.close()
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert delivery(written)[0] == "stored"


def test_a_destination_that_is_no_longer_configured_is_named(written: Bench) -> None:
    work = DeliveryToNobody(["OTHER"], POLICY, written.clock)
    loop: LeasedLoop[Delivery, Sent] = LeasedLoop(
        written.as_process("deliver"), work, Holder("d1", written.life()), LEASE
    )
    assert loop.step()
    said = "is no longer configured; configure it, or: dicom-node destinations forget PACS"
    assert delivery(written) == ("refused", said)


def test_results_without_a_destination_are_kept_and_the_study_says_so(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [])
    assert study(bench) == ("complete", "results kept; no destination is configured")


def test_findings_become_objects_once_and_are_delivered(
    bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    write_and_plan(bench, [ARCHIVE])
    written = sorted(bench.ask("SELECT kind, refers FROM dicom_node.results"))
    assert written == [("SEG", ""), ("SR", usual(ResultKind.SEG).name)]
    assert bench.count("deliveries") == 1
    deliver(bench, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("stored",)]
    assert study(bench) == ("complete", "results delivered to PACS")
    assert bench.chain_holds()
    actions = bench.actions()
    order = ["instances received", "study completed", "models chosen", "inference leased", "inference done"]
    order += ["results written", "delivery planned", "delivery started", "results delivered"]
    assert [action for action in order if action in actions] == order
    assert [actions.index(action) for action in order] == sorted(actions.index(action) for action in order)


def test_a_person_sends_refused_results_again(written: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(written, monkeypatch, [Verdict.REFUSED, Verdict.REFUSED], "SOP class not supported")
    assert retry(written.ledger, study_id(written), [], written.clock.now()).deliveries == 1
    assert study(written)[0] == "complete"
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert delivery(written)[0] == "stored"


@pytest.mark.parametrize("state", ["stored", "cancelled"])
def test_results_that_a_destination_got_nothing_of_are_sent_there_by_a_persons_retry(
    written: Bench, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """As an earlier release left it that planned a delivery before there was anything to deliver."""
    handled = {one.id for kind in ("inference.completed", "results.written") for one in events(written, kind)}
    written.as_owner(
        "DELETE FROM dicom_node.delivery_objects",
        f"UPDATE dicom_node.deliveries SET state = '{state}', choices = '[]'",
    )
    assert any("nothing of" in said for said in intended(written.database, study_id(written), []))
    assert retry(written.ledger, study_id(written), [], written.clock.now()).deliveries == 1
    write_and_plan(written, [ARCHIVE], handled)
    assert len(deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])) == 2
    assert delivery(written)[0] == "stored"


def test_results_whose_event_was_lost_are_written_and_sent_by_a_persons_retry(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    lost = {one.id for one in events(bench, "inference.completed")}
    retry(bench.ledger, study_id(bench), [], bench.clock.now())
    write_and_plan(bench, [ARCHIVE], lost)
    assert delivery(bench)[0] == "pending"
    assert bench.count("delivery_objects") == 2
    assert retry(bench.ledger, study_id(bench), [], bench.clock.now(), ["PACS"]).deliveries == 1
    assert len(events(bench, "results.requested")) == 1


def test_a_delivery_whose_plan_was_lost_is_planned_by_a_persons_retry(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE], lost := set())
    lost |= {one.id for one in events(bench, "results.written")}
    bench.as_owner(
        "DELETE FROM dicom_node.delivery_objects",
        "DELETE FROM dicom_node.deliveries",
    )
    retry(bench.ledger, study_id(bench), [], bench.clock.now(), ["PACS"])
    write_and_plan(bench, [ARCHIVE], lost)
    assert bench.count("delivery_objects") == 2


def test_findings_that_give_nothing_to_send_are_not_asked_for_again(written: Bench) -> None:
    written.as_owner(
        "DELETE FROM dicom_node.delivery_objects",
        "DELETE FROM dicom_node.results",
        "UPDATE dicom_node.deliveries SET state = 'cancelled', choices = '[]'",
    )
    assert retry(written.ledger, study_id(written), [], written.clock.now()).deliveries == 0
    assert events(written, "results.requested") == []


def test_results_that_were_refused_are_no_answer_to_a_revision_that_wants_them_too(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, [Verdict.REFUSED, Verdict.REFUSED], "SOP class not supported")
    assert study(written)[0] == "stuck"
    late = replace(SMALL, series="9").datasets()[0]
    late.Modality = "SR"
    written.receive([late])
    route(written, registry)
    assert delivery(written) == ("pending", "the study was amended")
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert delivery(written)[0] == "stored"
    assert study(written) == ("complete", "results delivered to PACS")


def test_what_failed_of_overtaken_results_keeps_no_study_stuck(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, [Verdict.REFUSED, Verdict.REFUSED], "SOP class not supported")
    handled = {one.id for kind in ("inference.completed", "results.written") for one in events(written, kind)}
    written.receive(replace(SMALL, slices=6).datasets()[5:])
    route(written, registry)
    assert worker(written, FakeChild(registry)).step()
    write_and_plan(written, [ARCHIVE], handled)
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])
    assert study(written)[0] == "complete"
    event = events(written, "results.delivered")[-1]
    message = Message(json.dumps(event.envelope()).encode(), str(event.study_id), 0, 1)
    number = set_aside(
        written.as_process("deliver"), "delivery", message, Permanent("not today"), 1, written.clock.now()
    )
    assert study(written)[0] == "stuck"
    replay(written.ledger, number, written.clock.now())
    assert study(written)[0] == "complete"


def test_a_delivery_that_ends_badly_while_a_newer_revision_is_routed_is_tried_anew_by_it(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = replace(SMALL, series="9").datasets()[0]
    late.Modality = "SR"
    written.receive([late])
    routing = threading.Thread(target=route, args=(written, registry))
    stop = stuck.stop

    def meanwhile(*arguments: Any) -> bool:
        routing.start()
        routing.join(2)
        return stop(*arguments)

    monkeypatch.setattr(stuck, "stop", meanwhile)
    deliver(written, monkeypatch, [Verdict.REFUSED, Verdict.REFUSED], "SOP class not supported")
    routing.join(60)
    assert delivery(written) == ("pending", "the study was amended")


def test_a_corrected_header_that_is_adopted_gives_results_of_their_own(
    written: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])
    first = {row[0] for row in written.ask("SELECT sop_uid FROM dicom_node.results")}
    corrected = SMALL.datasets()[0]
    corrected.ReferringPhysicianName = "Corrected^Name"
    send(written.writer, [corrected])
    written.index()
    ((number,),) = written.ask("SELECT id FROM dicom_node.conflicts")
    adopt(written.ledger, written.objects, number, written.clock.now())
    written.receive([])
    route(written, registry)
    assert worker(written, FakeChild(registry)).step()
    write_and_plan(written, [ARCHIVE])
    every = {row[0] for row in written.ask("SELECT sop_uid FROM dicom_node.results")}
    assert len(every) == 2 * len(first)
    assert len(deliver(written, monkeypatch, [Verdict.STORED, Verdict.STORED])) == len(first)


def test_the_age_of_what_is_to_be_delivered_is_counted_from_its_plan_through_every_attempt(
    written: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.as_owner(
        "UPDATE dicom_node.deliveries SET planned_at = planned_at - interval '1 hour'",
        "UPDATE dicom_node.deliveries SET since = since - interval '1 hour'",
    )

    def backlog() -> Backlog:
        with written.database.transaction() as connection:
            return DELIVERIES.backlogs(connection, DELIVERIES.table.c.destination)[ARCHIVE.name]

    before = backlog()
    during: list[Backlog] = []

    def send(objects: Sequence[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        during.append(backlog())
        yield from (Outcome(one, Verdict.RETRY, "no connection", unreached=True) for one in objects)

    monkeypatch.setattr(delivery_module, "send", send)
    sender(written).step()
    assert delivery(written)[0] == "pending"
    assert [one.count for one in (before, *during, backlog())] == [1, 1, 1]
    assert backlog().age >= during[0].age >= before.age >= 3600
