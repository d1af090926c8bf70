"""An impression's way to a destination, on a real PostgreSQL: written, planned, superseded and taken back."""

import uuid
from dataclasses import replace

import pytest
from pydicom import dcmread
from sqlalchemy import text

from config.peers import Destination
from config.retries import SUMMARIES as POLICY
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps.cancel import cancel
from consumers.steps.deliver import DeliveryTo, Stored
from consumers.steps.plan import DeliveryPlanner
from consumers.steps.request_summary import summarise_again
from consumers.steps.retry import retry
from consumers.steps.summarise import Summarising
from consumers.steps.withdraw import withdraw_results
from consumers.steps.write_note import NoteWriter
from consumers.steps.write_summary import SummaryWriter
from domain.errors import Permanent
from domain.profiles import ENHANCED_SR, Profile, Report, ResultKind, TakenBack
from models.registry import Registry
from models.words import vocabulary
from roles.summarise import by_facts
from store import packages
from store.deliveries import DELIVERIES
from store.holders import Holder
from store.retention import drop_images
from tests.contract.test_summarising import route, run_models
from tests.support.bench import Bench
from tests.support.working import LEASE, SMALL, events, study_id, write_and_plan

PLAIN = Profile(
    "plain",
    (ResultKind.SEG, ResultKind.SR, ResultKind.IMPRESSION),
    reports=(Report.ENHANCED,),
    supersede=TakenBack.IOCM,
)
ARCHIVE = ProfiledDestination(Destination(name="PACS", aet="PACS", host="127.0.0.1", port=104), PLAIN)
OTHERS = replace(
    ARCHIVE,
    destination=Destination(name="OTHER", aet="OTHER", host="127.0.0.1", port=105),
    profile=Profile("no impressions", (ResultKind.SEG,)),
)
ALL = [ARCHIVE, OTHERS]


def say(bench: Bench, registry: Registry) -> None:
    """The role's own template, of the packages that there are."""
    ledger = bench.as_process("summarise")
    work = Summarising(ledger.database, by_facts(registry.packages.values), POLICY, bench.clock)
    LeasedLoop(ledger, work, Holder("s1", bench.life()), LEASE).step()


def on(bench: Bench, done: set[uuid.UUID]) -> None:
    """Everything of results and impressions that the roles `write` and `deliver` have to do."""
    write_and_plan(bench, ALL, done)
    for kind, role, handler in (
        ("summary.completed", "write", SummaryWriter(bench.objects, ALL, bench.clock)),
        ("summary.requested", "write", SummaryWriter(bench.objects, ALL, bench.clock)),
        ("summary.written", "deliver", DeliveryPlanner(ALL, bench.clock)),
        ("results.rejected", "write", NoteWriter(bench.objects, ALL, bench.clock)),
        ("summary.rejected", "write", NoteWriter(bench.objects, ALL, bench.clock)),
    ):
        for event in (one for one in events(bench, kind) if one.id not in done):
            done.add(event.id)
            with bench.as_process(role).transaction() as transaction:
                handler(transaction, event)


def arrived(bench: Bench) -> None:
    """What waits for the archive is stored there."""
    ledger = bench.as_process("deliver")
    work = DeliveryTo(ledger, bench.objects, ARCHIVE, "NODE", POLICY, 5, bench.clock)
    with ledger.transaction() as transaction:
        while lease := DELIVERIES.claim(transaction.connection, "test", LEASE, *work.scope, *work.due):
            item = work.load(transaction.connection, lease.row)
            if reason := work.overtaken(transaction.connection, item):
                DELIVERIES.move(transaction.connection, item.id, DELIVERIES.cancel, reason=reason)
                work.cancelled(transaction, item, reason)
                continue
            sent = text(
                "UPDATE dicom_node.delivery_objects SET stored = true, status = 0, at = now() WHERE delivery_id = :id"
            )
            transaction.connection.execute(sent, {"id": item.id})
            work.succeeded(transaction, item, Stored())


def states(bench: Bench) -> list[tuple[str, int, str]]:
    """Of the impressions' deliveries."""
    return bench.ask(
        "SELECT destination, number, d.state FROM dicom_node.deliveries d JOIN dicom_node.summaries m"
        " ON m.id = d.summary_id ORDER BY number, destination"
    )


@pytest.fixture
def written(bench: Bench, registry: Registry) -> tuple[Bench, set[uuid.UUID]]:
    """A study whose results and impression are written and planned."""
    done: set[uuid.UUID] = set()
    bench.receive(SMALL.datasets())
    route(bench, registry)
    run_models(bench, registry)
    say(bench, registry)
    on(bench, done)
    return bench, done


def objects(bench: Bench) -> list[str]:
    return [
        row[0]
        for row in bench.ask(
            "SELECT object_key FROM dicom_node.results r"
            " JOIN dicom_node.summaries m ON m.id = r.summary_id ORDER BY number"
        )
    ]


def test_an_impression_is_written_once_and_goes_where_a_profile_shows_it(written: tuple[Bench, set[uuid.UUID]]) -> None:
    bench, _ = written
    (key,) = objects(bench)
    made = dcmread(bench.objects.path(key))
    assert made.SOPClassUID == ENHANCED_SR
    ((reports,),) = bench.ask("SELECT sop_uid FROM dicom_node.results WHERE kind = 'SR'")
    assert reports in str(made), "it names the report that its sentences rest on"
    assert states(bench) == [("PACS", 1, "pending")]
    on(bench, set())
    assert (len(objects(bench)), states(bench)) == (1, [("PACS", 1, "pending")])
    arrived(bench)
    assert states(bench) == [("PACS", 1, "stored")]
    assert len(events(bench, "summary.delivered")) == 1
    assert bench.chain_holds()


def test_another_impression_names_the_one_before_and_its_archive_is_told(
    written: tuple[Bench, set[uuid.UUID]], registry: Registry
) -> None:
    bench, done = written
    arrived(bench)
    summarise_again(bench.ledger, study_id(bench), "alice")
    say(bench, registry)
    on(bench, done)
    first, second = (dcmread(bench.objects.path(key)) for key in objects(bench))
    (named,) = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == first.SOPInstanceUID != second.SOPInstanceUID
    arrived(bench)
    on(bench, done)
    assert states(bench) == [("PACS", 1, "stored"), ("PACS", 2, "stored")]
    ((cause, key),) = bench.ask("SELECT cause, object_key FROM dicom_node.rejections")
    assert cause == "superseded"
    assert str(first.SOPInstanceUID) in str(dcmread(bench.objects.path(key)))


def test_an_impression_that_is_wrong_is_taken_back_with_the_results_that_it_is_of(
    written: tuple[Bench, set[uuid.UUID]],
) -> None:
    bench, done = written
    arrived(bench)
    done_with = withdraw_results(bench.ledger, study_id(bench), "left and right", "alice", bench.clock.now())
    assert done_with.destinations == ("PACS",)
    on(bench, done)
    assert bench.ask("SELECT count(*), count(*) FILTER (WHERE object_key <> '') FROM dicom_node.rejections") == [(2, 2)]


def test_one_that_was_withdrawn_before_it_went_out_goes_nowhere(written: tuple[Bench, set[uuid.UUID]]) -> None:
    bench, _ = written
    withdraw_results(bench.ledger, study_id(bench), "left and right", "alice", bench.clock.now())
    assert states(bench) == [("PACS", 1, "cancelled")]


def test_a_cancelled_study_sends_no_impression_until_it_is_tried_again(
    written: tuple[Bench, set[uuid.UUID]], registry: Registry
) -> None:
    bench, done = written
    cancel(bench.ledger, study_id(bench), "a test", "alice", bench.clock.now(), ["PACS"])
    assert states(bench) == [("PACS", 1, "cancelled")]
    retry(bench.ledger, study_id(bench), [*registry.packages.values()], bench.clock.now(), ["PACS"])
    on(bench, done)
    assert states(bench) == [("PACS", 1, "pending")]


def packages_removed(bench: Bench) -> None:
    """Every package is gone by the time that what waits is written."""
    ledger = bench.as_process("summarise")
    work = Summarising(ledger.database, by_facts(lambda: ()), POLICY, bench.clock)
    LeasedLoop(ledger, work, Holder("s2", bench.life()), LEASE).step()


def facts_of(bench: Bench, number: int) -> object:
    ((facts,),) = bench.ask(f"SELECT facts FROM dicom_node.summaries WHERE number = {number}")
    return facts


def test_what_a_package_found_is_told_in_its_words_also_when_it_is_gone(
    written: tuple[Bench, set[uuid.UUID]], registry: Registry
) -> None:
    bench, _ = written
    known = {one.digest: vocabulary(one.manifest) for one in registry.packages.values()}
    with bench.as_process("work").transaction() as transaction:
        packages.keep_words(transaction.connection, known)
    summarise_again(bench.ledger, study_id(bench), "alice")
    packages_removed(bench)
    assert facts_of(bench, 2) == facts_of(bench, 1)


def test_where_nobody_knows_a_packages_words_the_impression_that_is_out_stays(
    written: tuple[Bench, set[uuid.UUID]],
) -> None:
    bench, done = written
    arrived(bench)
    summarise_again(bench.ledger, study_id(bench), "alice")
    packages_removed(bench)
    on(bench, done)
    assert states(bench) == [("PACS", 1, "stored")]
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.summaries WHERE number = 2")
    assert state == "failed" and "install this version again" in reason


def test_what_went_nowhere_is_nobodys_predecessor(written: tuple[Bench, set[uuid.UUID]], registry: Registry) -> None:
    bench, done = written
    cancel(bench.ledger, study_id(bench), "a test", "alice", bench.clock.now(), ["PACS"])
    summarise_again(bench.ledger, study_id(bench), "alice")
    say(bench, registry)
    on(bench, done)
    second = dcmread(bench.objects.path(objects(bench)[1]))
    assert "PredecessorDocumentsSequence" not in second
    assert second.ContributingEquipmentSequence[0].ContributionDescription.endswith("Result 2")
    arrived(bench)
    summarise_again(bench.ledger, study_id(bench), "alice")
    say(bench, registry)
    on(bench, done)
    third = dcmread(bench.objects.path(objects(bench)[2]))
    (named,) = third.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == second.SOPInstanceUID


def test_what_was_named_as_predecessor_is_named_again_whatever_became_of_it(
    written: tuple[Bench, set[uuid.UUID]], registry: Registry
) -> None:
    bench, done = written
    summarise_again(bench.ledger, study_id(bench), "alice")
    say(bench, registry)
    on(bench, done)
    before = bench.ask("SELECT sop_uid, digest FROM dicom_node.results ORDER BY 1")
    bench.as_owner(
        "UPDATE dicom_node.deliveries d SET state = 'cancelled' FROM dicom_node.summaries m"
        " WHERE m.id = d.summary_id AND m.number = 1"
    )
    bench.as_owner(
        "DELETE FROM dicom_node.delivery_objects",
        "DELETE FROM dicom_node.results WHERE summary_id IN (SELECT id FROM dicom_node.summaries WHERE number = 2)",
    )
    on(bench, set())
    assert bench.ask("SELECT sop_uid, digest FROM dicom_node.results ORDER BY 1") == before


def test_no_impression_is_promised_that_cannot_be_written_and_the_reason_is_the_true_one(
    written: tuple[Bench, set[uuid.UUID]],
) -> None:
    bench, _ = written
    with bench.as_process("retain").transaction() as transaction:
        drop_images(transaction.connection, study_id(bench))
    with pytest.raises(Permanent, match="its images were removed by retention"):
        summarise_again(bench.ledger, study_id(bench), "alice")
    on(bench, set())
    said = {
        reason
        for (reason,) in bench.ask(
            "SELECT entry::jsonb -> 'details' ->> 'reason' FROM dicom_node.audit_entries"
            " WHERE entry::jsonb ->> 'action' IN ('results written', 'results not written')"
        )
    }
    assert said == {None, "its images were removed by retention, and nothing is written without them"}
