"""Storage commitment that others ask of us, on a real PostgreSQL: never said of what is not there for good."""

from typing import Any

from consumers.steps import messages
from consumers.steps.decide import report_of
from consumers.steps.index import Indexer
from dicom_node.commitment import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    CommitmentRequest,
    Reference,
    encode_request,
)
from dicom_node.dimse import Operation
from dicom_node.elements import IMPLICIT
from dicom_node.offers import Offers
from dicom_node.spool import Close, Peer, SpoolReader
from store import commitments
from tests.support.bench import MARKS, Bench
from tests.support.commitments import CT, SMALL, ask, asking, decide, of
from tests.support.ingest import SCANNER, encoded, send, store


def decided(bench: Bench) -> list[Any]:
    """State and reasons of each question, the oldest first."""
    return bench.ask("SELECT state, reasons FROM dicom_node.commitments ORDER BY asked_at, id")


def test_what_is_indexed_and_synced_is_committed_and_its_report_offered(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets)
    ask(bench, of(datasets))
    decide(bench)
    assert decided(bench) == [("pending", [0, 0, 0])]
    offers = Offers(bench.root / "spool")
    (ident,) = offers.waiting("SCANNER")
    report = offers.take("SCANNER", ident)
    assert report is not None
    assert (report.transaction, len(report.committed), report.failed) == ("2.25.7", 3, ())
    assert bench.actions() == ["storage commitment asked", "instances received", "storage commitment decided"]
    assert bench.chain_holds()


def test_what_is_not_synced_yet_is_not_committed(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets)
    association = bench.writer.open_association(SCANNER, {})
    asking(association, of(datasets))
    with SpoolReader(bench.root / "spool") as reader:
        indexer = Indexer(reader, bench.as_process("index"), bench.objects, bench.clock, marks=MARKS)
        indexer._next_checkpoint = float("inf")
        while not bench.count("commitments"):
            indexer.step(0.05)
    decide(bench)
    assert decided(bench) == [("waiting", None)]
    bench.index()
    decide(bench)
    assert decided(bench) == [("pending", [0, 0, 0])]


def test_what_is_not_there_is_waited_for_and_then_said_to_be_missing(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets[:1])
    ask(bench, of(datasets))
    decide(bench)
    assert decided(bench) == [("waiting", None)]
    send(bench.writer, datasets[1:2])
    bench.index()
    bench.pass_time(60)
    decide(bench, oldest=0)
    assert decided(bench) == [("waiting", None)], "something that came before is still on its way"
    decide(bench)
    assert decided(bench) == [("pending", [0, 0, 0x0112])]


def test_what_a_lost_host_has_is_not_waited_for_for_ever(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets[:2])
    ask(bench, of(datasets))
    bench.as_owner(
        "UPDATE dicom_node.commitments SET spool = 'lost'", "UPDATE dicom_node.studies SET unsynced = '{lost}'"
    )
    bench.pass_time(3600)
    decide(bench)
    assert decided(bench) == [("waiting", None)]
    bench.pass_time(86_400)
    decide(bench)
    assert decided(bench) == [("pending", [0x0110, 0x0110, 0x0112])]


def test_what_comes_while_it_is_waited_for_is_committed(bench: Bench) -> None:
    datasets = SMALL.datasets()
    ask(bench, of(datasets))
    decide(bench)
    send(bench.writer, datasets)
    bench.index()
    decide(bench)
    assert decided(bench) == [("pending", [0, 0, 0])]


def test_another_class_other_bytes_and_what_cannot_be_read_are_not_committed(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets)
    other = SMALL.datasets()[0]
    other.SeriesDescription = "changed on its way"
    send(bench.writer, [other])
    association = bench.writer.open_association(SCANNER, {})
    store(association, encoded(datasets[2])[:40], CT, "1.2.99")
    bench.writer.close_association(association, Close.RELEASED, "")
    enhanced = "1.2.840.10008.5.1.4.1.1.2.1"
    uids = [one.SOPInstanceUID for one in datasets]
    ask(bench, [(CT, uids[0]), (enhanced, uids[1]), (CT, uids[2]), (CT, "1.2.99")])
    decide(bench)
    assert decided(bench) == [("pending", [0x0110, 0x0119, 0, 0x0110])]


def test_a_transaction_uid_that_is_in_use_fails_and_the_same_question_again_is_one(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets)
    ask(bench, of(datasets))
    decide(bench)
    ask(bench, of(datasets)[::-1])
    ask(bench, of(datasets)[:1])
    decide(bench)
    assert decided(bench) == [("pending", [0, 0, 0]), ("pending", [0x0131])]


def test_who_asks_again_after_the_report_is_decided_about_anew(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets)
    ask(bench, of(datasets))
    decide(bench)
    ((ident,),) = bench.ask("SELECT id FROM dicom_node.commitments")
    with bench.as_process("index").transaction() as transaction:
        assert commitments.told(transaction.connection, ident, "reported")
        assert commitments.told(transaction.connection, ident, "reported") is None
    decide(bench)
    assert not list(Offers(bench.root / "spool").waiting("SCANNER"))
    bench.as_owner("DELETE FROM dicom_node.instances")
    ask(bench, of(datasets))
    bench.pass_time(60)
    decide(bench)
    assert decided(bench) == [("pending", [0x0112] * 3)]


def test_a_peer_that_has_heard_on_its_own_association_is_told_no_more(bench: Bench) -> None:
    send(bench.writer, SMALL.datasets())
    ask(bench, of(SMALL.datasets()))
    decide(bench)
    ((ident,),) = bench.ask("SELECT id FROM dicom_node.commitments")
    association = bench.writer.open_association(SCANNER, {})
    for status in (0x0110, 0x0000, 0x0000):
        association.keep(
            {"operation": 0x8100, "type": None, "report": str(ident), "status": status},
            b"",
            sop_class=PUSH_MODEL,
            sop_instance=PUSH_MODEL_INSTANCE,
            transfer_syntax=IMPLICIT,
            context_id=1,
        )
        bench.index()
        state = "pending" if status else "reported"
        assert bench.ask("SELECT state FROM dicom_node.commitments") == [(state,)]
    assert bench.actions().count("storage commitment reported") == 1


def test_a_report_names_every_instance_that_was_asked_about(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets[:2])
    ask(bench, of(datasets))
    bench.pass_time(60)
    decide(bench)
    with bench.database.transaction() as connection:
        (spool,) = connection.exec_driver_sql("SELECT spool FROM dicom_node.commitments").one()
        ((ident, _),) = commitments.undelivered(connection, spool)
        one = commitments.get(connection, ident)
    report = report_of(one)
    assert {reference.sop_instance for reference in report.committed} == {uid for _, uid in of(datasets[:2])}
    assert [(reference.sop_instance, reason) for reference, reason in report.failed] == [(of(datasets)[2][1], 0x0112)]


def test_whoever_asks_ever_so_often_about_what_never_was_sent_keeps_nobody_waiting(bench: Bench) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets)
    association = bench.writer.open_association(Peer("FLOOD", "NODE", "10.0.0.9"), {})
    for number in range(110):
        asking(association, [(CT, f"1.2.{number}")], f"2.25.9.{number}")
    ask(bench, of(datasets))
    decide(bench)
    assert decided(bench)[-1] == ("pending", [0, 0, 0])
    bench.pass_time(60)
    decide(bench)
    assert len(list(Offers(bench.root / "spool").waiting("SCANNER"))) == 1


def test_an_archives_report_that_nobody_asked_for_is_recorded_and_counts_for_nothing(bench: Bench) -> None:
    assert messages.HANDLERS[PUSH_MODEL]
    association = bench.writer.open_association(SCANNER, {})
    request = encode_request(CommitmentRequest("2.25.8", (Reference(CT, "1.2.3"),)), IMPLICIT)
    association.keep(
        {"operation": int(Operation.N_EVENT_REPORT), "type": 1},
        request,  # a report of what is committed alone has the same form
        sop_class=PUSH_MODEL,
        sop_instance=PUSH_MODEL_INSTANCE,
        transfer_syntax=IMPLICIT,
        context_id=1,
    )
    bench.index()
    assert bench.ask("SELECT reason FROM dicom_node.quarantine") == []
    assert bench.actions() == ["storage commitment reported"]
    assert not bench.count("quarantine")
