"""What destinations take, as the node remembers it, and what each then gets: on PostgreSQL, against real receivers."""

import itertools
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config.peers import Destination
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps import deliver
from consumers.steps.deliver import DeliveryTo, Sent
from consumers.steps.plan import DeliveryPlanner
from consumers.steps.probe import PeriodicProbe
from consumers.steps.retry import retry
from consumers.steps.write import ResultsWriter
from dicom_node.scu.probe import ProbeResult
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.errors import Permanent
from domain.profiles import (
    BASIC_TEXT_SR,
    COMPREHENSIVE_3D_SR,
    ENHANCED_SR,
    EXPLICIT,
    IMPLICIT,
    PARAMETRIC_MAP,
    SEGMENTATION,
    Profile,
    Report,
    ResultKind,
)
from domain.retry import RetryPolicy
from models.registry import Registry
from store import destinations
from store.deliveries import Delivery
from store.holders import Holder
from store.queries.path import study_path
from tests.support.bench import Bench, open_bench
from tests.support.packages import write_package
from tests.support.processes import free_port
from tests.support.receivers import Receiver
from tests.support.result_files import usual
from tests.support.working import LEASE, SMALL, FakeChild, events, route, worker, write_and_plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPORTS = (Report.COMPREHENSIVE_3D, Report.ENHANCED)
PROFILE = Profile("segments", (ResultKind.SEG, ResultKind.SR), reports=REPORTS)
BOTH = (EXPLICIT, IMPLICIT)
POLICY = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def inferred(bench: Bench, tmp_path: Path) -> Bench:
    """A study whose findings have two segments with measurements."""
    write_package(tmp_path / "models")
    registry = Registry.load(tmp_path / "models")
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    return bench


def recipient(port: int = 104, profile: Profile = PROFILE, name: str = "PACS") -> ProfiledDestination:
    return ProfiledDestination(Destination(name=name, aet=name, host="127.0.0.1", port=port), profile)


def remember(bench: Bench, one: ProfiledDestination, contexts: Mapping[str, Sequence[str]]) -> None:
    accepted = frozenset((sop_class, syntax) for sop_class, syntaxes in contexts.items() for syntax in syntaxes)
    with bench.database.transaction() as connection:
        one.note(connection, ProbeResult(accepted))


def deliverers(bench: Bench, destinations: Sequence[ProfiledDestination]) -> list[LeasedLoop[Delivery, Sent]]:
    """A sender for each destination."""
    return [
        LeasedLoop(
            bench.as_process("deliver"),
            DeliveryTo(bench.as_process("deliver"), bench.objects, one, "NODE", POLICY, 5, bench.clock),
            Holder(f"to {one.name}", bench.life()),
            LEASE,
        )
        for one in destinations
    ]


def deliver_all(bench: Bench, destinations: Sequence[ProfiledDestination], handled: Collection[uuid.UUID] = ()) -> None:
    """Write, plan and send until nothing is pending."""
    done = set(handled)
    senders = deliverers(bench, destinations)
    for _ in range(10):
        before = len(done)
        write_and_plan(bench, destinations, done)
        if len(done) == before and not bench.ask("SELECT 1 FROM dicom_node.deliveries WHERE state = 'pending'"):
            return
        bench.pass_time(1000)
        while sum(one.step() for one in senders):
            pass
    raise AssertionError("deliveries are pending for ever")


def deliveries(bench: Bench) -> dict[str, tuple[str, str]]:
    return {
        name: (state, reason)
        for name, state, reason in bench.ask("SELECT destination, state, reason FROM dicom_node.deliveries")
    }


def choices(bench: Bench, name: str = "PACS") -> dict[str, tuple[str | None, str]]:
    ((found,),) = bench.ask(f"SELECT choices FROM dicom_node.deliveries WHERE destination = '{name}'")
    return {one["kind"]: (one["sop_class"], one["why"]) for one in found}


def planned(bench: Bench) -> list[dict[str, Any]]:
    """The details of every plan on the trail."""
    found = bench.ask(
        "SELECT entry::jsonb -> 'details' FROM dicom_node.audit_entries"
        " WHERE entry::jsonb ->> 'action' = 'delivery planned' ORDER BY number"
    )
    return [row[0] for row in found]


def test_what_was_seen_outlives_a_destination_that_is_away(bench: Bench) -> None:
    with bench.database.transaction() as connection:
        destinations.note_failure(connection, "PACS", "P@h:1", "no connection")
        nothing = destinations.seen_at(connection, "PACS", "P@h:1")
        assert nothing
        assert (nothing.accepted, nothing.seen_at, nothing.error) == (None, None, "no connection")
        destinations.note_answer(connection, "PACS", "P@h:1", [(SEGMENTATION, EXPLICIT)], "SOME 1.0")
        destinations.note_failure(connection, "PACS", "P@h:1", "no connection")
        (seen,) = destinations.all_seen(connection)
    assert seen.accepted == frozenset({(SEGMENTATION, EXPLICIT)})
    assert seen.implementation == "SOME 1.0"
    assert seen.seen_at and seen.seen_at < seen.tried_at
    assert seen.error == "no connection"


def test_a_destination_that_takes_nothing_is_not_one_that_never_answered(bench: Bench) -> None:
    with bench.database.transaction() as connection:
        destinations.note_answer(connection, "PACS", "P@h:1", [], "")
        seen = destinations.seen_at(connection, "PACS", "P@h:1")
    assert seen
    assert seen.accepted == frozenset()


def test_what_was_seen_at_another_address_counts_for_nothing(bench: Bench) -> None:
    with bench.database.transaction() as connection:
        destinations.note_answer(connection, "PACS", "P@h:1", [(SEGMENTATION, EXPLICIT)], "SOME 1.0")
        assert destinations.seen_at(connection, "PACS", "P@h:2") is None
        destinations.note_failure(connection, "PACS", "P@h:2", "no connection")
        (moved,) = destinations.all_seen(connection)
    assert (moved.address, moved.accepted, moved.implementation, moved.seen_at) == ("P@h:2", None, "", None)


def test_a_destination_is_asked_at_once_and_then_seldom_and_sooner_while_it_is_away(bench: Bench) -> None:
    asked = 0

    def ask(*_: object) -> ProbeResult:
        nonlocal asked
        asked += 1
        return answer

    one = PeriodicProbe(bench.database, recipient(), "NODE", 1, again=1000, retry=100, clock=bench.clock, ask=ask)
    answer = ProbeResult(error="no connection")
    assert one.step()
    assert not one.step()
    bench.clock.sleep(100)
    answer = ProbeResult(frozenset({(SEGMENTATION, EXPLICIT)}))
    assert one.step()
    bench.clock.sleep(999)
    assert not one.step()
    bench.clock.sleep(1)
    assert one.step()
    assert asked == 3
    assert bench.ask("SELECT accepted FROM dicom_node.destinations_seen") == [([[SEGMENTATION, EXPLICIT]],)]


def test_a_destination_that_went_away_is_noticed_by_a_c_echo_and_asked_at_once_what_it_takes_when_it_is_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver("ECHOED", {SEGMENTATION: BOTH})
    with receiver:
        one = recipient(receiver.port, name="ECHOED")
        probing = PeriodicProbe(bench.database, one, "NODE", 5, 86400, 86400, bench.clock, every=60)
        assert probing.step()
    bench.clock.sleep(60)
    assert not probing.step()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "destination ECHOED takes no association"
    ]
    bench.clock.sleep(60)
    receiver.accept({SEGMENTATION: BOTH, ENHANCED_SR: BOTH})
    with receiver:
        assert probing.step()
    assert "destination ECHOED takes associations again" in caplog.text
    (accepted,) = bench.ask("SELECT accepted FROM dicom_node.destinations_seen")
    assert ENHANCED_SR in {sop_class for sop_class, _ in accepted[0]}


def test_asking_ends_when_it_is_told_to(bench: Bench) -> None:
    stop = threading.Event()

    def ask(*_: object) -> ProbeResult:
        stop.set()
        return ProbeResult()

    PeriodicProbe(bench.database, recipient(), "NODE", 1, 1000, 100, ask=ask).run(stop)
    assert bench.count("destinations_seen") == 1


def test_each_destination_gets_its_share_of_what_is_written_once_for_all(inferred: Bench) -> None:
    with (
        Receiver("FULL", {SEGMENTATION: BOTH, COMPREHENSIVE_3D_SR: BOTH}) as full,
        Receiver("OLD", {ENHANCED_SR: BOTH}) as old,
    ):
        destinations = [recipient(full.port, name="FULL"), recipient(old.port, name="OLD")]
        for one in destinations:
            PeriodicProbe(inferred.database, one, "NODE", 5, 1000, 100, inferred.clock).step()
        deliver_all(inferred, destinations)
        assert full.classes() == sorted([SEGMENTATION, COMPREHENSIVE_3D_SR])
        assert old.classes() == [ENHANCED_SR]
    assert deliveries(inferred) == {"FULL": ("stored", "stored"), "OLD": ("stored", "stored")}
    forms = sorted(inferred.ask("SELECT kind, sop_class, refers FROM dicom_node.results"))
    assert forms == [
        ("SEG", SEGMENTATION, ""),
        ("SR", ENHANCED_SR, ""),
        ("SR", COMPREHENSIVE_3D_SR, usual(ResultKind.SEG).name),
    ]
    assert choices(inferred, "OLD") == {
        "SEG": (None, "left out: it takes no Segmentation"),
        "SR": (ENHANCED_SR, "Enhanced SR, for it takes no Comprehensive 3D SR"),
    }
    (plan,) = planned(inferred)
    assert plan["destinations"] == ["FULL", "OLD"]
    assert {one["kind"]: one["why"] for one in plan["choices"]["OLD"]}["SEG"] == "left out: it takes no Segmentation"
    assert inferred.chain_holds()


def test_a_report_never_points_at_a_segmentation_that_its_destination_does_not_get(inferred: Bench) -> None:
    with Receiver("OLD", {ENHANCED_SR: BOTH}) as old:
        destinations = [recipient(old.port, name="OLD")]
        deliver_all(inferred, destinations)
        (report,) = old.received
    assert SEGMENTATION not in report.to_json()


def test_a_refused_class_is_answered_by_asking_and_choosing_anew_before_anything_is_sent(inferred: Bench) -> None:
    with Receiver("PACS", {ENHANCED_SR: BOTH}) as receiver:
        one = recipient(receiver.port)
        remember(inferred, one, {SEGMENTATION: BOTH, COMPREHENSIVE_3D_SR: BOTH, ENHANCED_SR: BOTH})
        write_and_plan(inferred, [one])
        assert choices(inferred)["SR"] == (COMPREHENSIVE_3D_SR, "Comprehensive 3D SR, as preferred")
        inferred.clock.sleep(1)
        assert deliverers(inferred, [one])[0].step()
        assert receiver.received == []
        refused = "the destination does not support its SOP class; results are written for what it takes now"
        assert deliveries(inferred) == {"PACS": ("pending", refused)}
        deliver_all(inferred, [one])
        assert receiver.classes() == [ENHANCED_SR]
    assert deliveries(inferred) == {"PACS": ("stored", "stored")}
    assert choices(inferred) == {
        "SEG": (None, "left out: it takes no Segmentation"),
        "SR": (ENHANCED_SR, "Enhanced SR, for it takes no Comprehensive 3D SR"),
    }
    assert inferred.ask("SELECT count(*) FROM dicom_node.delivery_objects WHERE dropped") == [(2,)]
    assert "results written" in inferred.actions()[inferred.actions().index("delivery failed") :]
    assert inferred.chain_holds()


@pytest.mark.parametrize(
    ("taken", "sent"),
    [
        ({ENHANCED_SR: BOTH}, [ENHANCED_SR]),
        ({SEGMENTATION: [IMPLICIT], ENHANCED_SR: [IMPLICIT]}, [SEGMENTATION, ENHANCED_SR]),
    ],
)
def test_what_never_answered_gets_what_it_takes_in_the_end(
    inferred: Bench, taken: dict[str, list[str]], sent: list[str]
) -> None:
    with Receiver("PACS", taken) as receiver:
        one = recipient(receiver.port)
        write_and_plan(inferred, [one])
        assert choices(inferred)["SR"] == (COMPREHENSIVE_3D_SR, "Comprehensive 3D SR; what it takes is not known yet")
        deliver_all(inferred, [one])
        assert receiver.classes() == sorted(sent)


@pytest.mark.parametrize("wrong_by", [0.0, 86_400.0, -86_400.0])
def test_an_answer_that_comes_between_writing_and_planning_is_heeded_whatever_a_hosts_clock_says(
    inferred: Bench, wrong_by: float
) -> None:
    inferred.clock.moment = datetime.now(UTC) + timedelta(seconds=wrong_by)
    with Receiver("PACS", {ENHANCED_SR: BOTH}) as receiver:
        one = recipient(receiver.port)
        (completed,) = events(inferred, "inference.completed")
        with inferred.as_process("write").transaction() as transaction:
            ResultsWriter(inferred.objects, [one], inferred.clock)(transaction, completed)
        remember(inferred, one, {ENHANCED_SR: BOTH})
        deliver_all(inferred, [one], handled={completed.id})
        assert receiver.classes() == [ENHANCED_SR]
    plans = planned(inferred)
    assert plans[0]["reason"] == "results are written again: PACS came to take others meanwhile"
    assert plans[0]["destinations"] == []
    assert plans[1]["destinations"] == ["PACS"]


def test_a_destination_that_takes_nothing_of_its_profile_is_refused_and_a_person_hears_of_it(inferred: Bench) -> None:
    with Receiver("PACS", {PARAMETRIC_MAP: BOTH}) as receiver:
        one = recipient(receiver.port)
        remember(inferred, one, {PARAMETRIC_MAP: BOTH})
        deliver_all(inferred, [one])
        assert receiver.received == []
        state, reason = deliveries(inferred)["PACS"]
        assert state == "refused"
        assert reason.startswith("nothing can be shown there: SEG left out: it takes no Segmentation; SR left out: ")
        ((study, state, reason),) = inferred.ask("SELECT id, state, reason FROM dicom_node.studies")
        assert (state, reason.partition(":")[0]) == ("stuck", "PACS")

        receiver.accept({COMPREHENSIVE_3D_SR: BOTH, SEGMENTATION: BOTH})
        inferred.clock.sleep(1)
        retry(inferred.ledger, study, [], inferred.clock.now())
        deliver_all(inferred, [one])
        assert receiver.classes() == sorted([SEGMENTATION, COMPREHENSIVE_3D_SR])
    assert deliveries(inferred) == {"PACS": ("stored", "stored")}
    assert inferred.ask("SELECT state FROM dicom_node.studies") == [("complete",)]


def test_a_destination_that_is_away_when_it_is_to_be_asked_anew_is_tried_again(inferred: Bench) -> None:
    one = recipient(free_port())
    remember(inferred, one, {PARAMETRIC_MAP: BOTH})
    write_and_plan(inferred, [one])
    assert deliverers(inferred, [one])[0].step()
    state, reason = deliveries(inferred)["PACS"]
    assert state == "pending"
    assert "Connection refused" in reason


def test_what_the_previous_release_planned_is_sent_and_chosen_anew_where_it_is_refused(inferred: Bench) -> None:
    with Receiver("PACS", {ENHANCED_SR: BOTH}) as receiver:
        one = recipient(receiver.port)
        write_and_plan(inferred, [one])
        with inferred.database.transaction() as connection:
            connection.execute(text("UPDATE dicom_node.deliveries SET choices = '[]', planned_at = NULL"))
        deliver_all(inferred, [one])
        assert receiver.classes() == [ENHANCED_SR]


def test_findings_that_give_nothing_for_a_profile_are_no_failure(inferred: Bench) -> None:
    one = recipient(profile=Profile("likely", (ResultKind.SR_LIKELIHOODS,), reports=(Report.ENHANCED,)))
    remember(inferred, one, {ENHANCED_SR: BOTH})
    deliver_all(inferred, [one])
    assert deliveries(inferred) == {"PACS": ("cancelled", "the findings give nothing that its profile shows")}
    said = "nothing goes to PACS: the findings give nothing that its profile shows"
    assert inferred.ask("SELECT state, reason FROM dicom_node.studies") == [("complete", said)]
    assert events(inferred, "results.delivered") == []


def test_results_go_to_the_study_that_their_images_were_filed_under_or_nowhere(inferred: Bench) -> None:
    """Whatever another reader than the index finds in a header."""
    with inferred.database.transaction() as connection:
        connection.execute(text("UPDATE dicom_node.studies SET study_uid = '1.2.3.4.5'"))
    with pytest.raises(Permanent, match="bear another Study Instance UID"):
        write_and_plan(inferred, [recipient()])
    assert inferred.ask("SELECT count(*) FROM dicom_node.results") == [(0,)]


def test_a_delivery_that_has_lost_its_objects_is_refused_and_never_stored(inferred: Bench) -> None:
    one = recipient()
    write_and_plan(inferred, [one])
    with inferred.database.transaction() as connection:
        connection.execute(text("UPDATE dicom_node.delivery_objects SET dropped = true"))
    assert deliverers(inferred, [one])[0].step()
    assert deliveries(inferred) == {"PACS": ("refused", "none of the results that were chosen is there to be sent")}
    assert inferred.ask("SELECT state FROM dicom_node.studies") == [("stuck",)]
    assert events(inferred, "results.delivered") == []


def changing(bench: Bench, one: ProfiledDestination) -> Iterator[None]:
    """The destination's answers change at every turn."""
    for taken in itertools.cycle([{ENHANCED_SR: BOTH}, {BASIC_TEXT_SR: BOTH}]):
        bench.clock.sleep(1)
        remember(bench, one, taken)
        yield


def test_results_for_a_destination_whose_answers_change_at_every_sending_are_not_written_for_ever(
    inferred: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = recipient()
    changes = changing(inferred, one)

    def refuse(objects: Sequence[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
        for sent in objects:
            yield Outcome(sent, Verdict.REFUSED, "it supports none of these", None, unaccepted=True)

    def answer(*_: object) -> ProbeResult:
        inferred.clock.sleep(1)
        (seen,) = inferred.ask("SELECT accepted FROM dicom_node.destinations_seen")
        taken = {tuple(context) for context in seen[0]}
        other = BASIC_TEXT_SR if (ENHANCED_SR, EXPLICIT) in taken else ENHANCED_SR
        return ProbeResult(frozenset((other, syntax) for syntax in BOTH))

    monkeypatch.setattr(deliver, "send", refuse)
    monkeypatch.setattr(deliver, "probe", answer)
    next(changes)
    (sender,) = deliverers(inferred, [one])
    handled: set[uuid.UUID] = set()
    write_and_plan(inferred, [one], handled)
    assert sender.step()
    write_and_plan(inferred, [one], handled)
    assert not sender.step()  # it waits
    for _ in range(4):
        inferred.pass_time(1000)
        assert sender.step()
        write_and_plan(inferred, [one], handled)
    said = "it supports none of these; 5 times it had come to take others"
    assert deliveries(inferred) == {"PACS": ("refused", said)}
    assert inferred.ask("SELECT state, reason FROM dicom_node.studies") == [("stuck", f"PACS: {said}")]
    assert len(events(inferred, "results.requested")) == 4
    ((study,),) = inferred.ask("SELECT id FROM dicom_node.studies")
    retry(inferred.ledger, study, [], inferred.clock.now())
    assert inferred.ask("SELECT state, rewritten FROM dicom_node.deliveries") == [("pending", 0)]


def test_results_for_a_destination_whose_answers_change_at_every_writing_are_sent_as_they_are_in_the_end(
    inferred: Bench,
) -> None:
    one = recipient()
    changes = changing(inferred, one)
    handled: set[uuid.UUID] = set()
    writer, planner = ResultsWriter(inferred.objects, [one], inferred.clock), DeliveryPlanner([one], inferred.clock)
    for _ in range(10):
        for kind, handler in (
            ("inference.completed", writer),
            ("results.requested", writer),
            ("results.written", planner),
        ):
            for event in (found for found in events(inferred, kind) if found.id not in handled):
                handled.add(event.id)
                if handler is planner:
                    next(changes)
                with inferred.as_process("deliver" if handler is planner else "write").transaction() as transaction:
                    handler(transaction, event)
    assert len(events(inferred, "results.requested")) == 4
    assert planned(inferred)[-1]["destinations"] == ["PACS"]


def test_the_path_of_a_study_tells_what_was_chosen(inferred: Bench) -> None:
    one = recipient(profile=replace(PROFILE, objects=(ResultKind.SEG, ResultKind.SR, ResultKind.GSPS)))
    remember(inferred, one, {ENHANCED_SR: BOTH, BASIC_TEXT_SR: BOTH})
    write_and_plan(inferred, [one])
    ((study,),) = inferred.ask("SELECT id FROM dicom_node.studies")
    (delivery,) = study_path(inferred.database, study).deliveries
    assert [(one.kind, one.sop_class) for one in delivery.choices] == [
        ("SEG", None),
        ("SR", ENHANCED_SR),
        ("GSPS", None),
    ]
    assert [one.kind for one in delivery.objects] == ["SR"]
