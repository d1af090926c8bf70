"""Whether an archive keeps what was delivered: a delivery is committed when it says so, and never else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt

from config.peers import Commit, Destination
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps import deliver as delivery_module
from consumers.steps.commit import ArchiveAnswer, RequestTo
from consumers.steps.deliver import DeliveryTo, Sent
from dicom_node.commitment import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    CommitmentReport,
    Reference,
    encode_report,
)
from dicom_node.dimse import Operation
from dicom_node.elements import IMPLICIT
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from domain.retry import RetryPolicy
from models.registry import Registry
from store.commitment_requests import CommitmentRequest
from store.deliveries import Delivery
from store.holders import Holder
from tests.support.bench import Bench
from tests.support.ingest import SCANNER
from tests.support.processes import free_port
from tests.support.working import (
    ARCHIVE,
    LEASE,
    SMALL,
    FakeChild,
    route,
    study,
    worker,
    write_and_plan,
)

POLICY = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


class Archive:
    """One that answers as told: N-ACTION with `status`, a report on the same association of what it `keeps` where it
    `reports`, and queries where it is `asked` for them. It has what is in `keeps`; None is all."""

    def __init__(self) -> None:
        self.status, self.reports, self.reason = 0, True, 0x0112
        self.keeps: list[str] | None = None
        self.commits, self.finds = True, False
        self.asked: list[Dataset] = []

    def act(self, event: Any) -> tuple[int, None]:
        request = event.action_information
        self.asked.append(request)
        if self.reports and not self.status:
            Thread(target=self._report, args=(event.assoc, request), daemon=True).start()
        return self.status, None

    def _report(self, association: Any, request: Dataset) -> None:
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        kept = [one for one in request.ReferencedSOPSequence if self._keeps(one.ReferencedSOPInstanceUID)]
        failed = [one for one in request.ReferencedSOPSequence if not self._keeps(one.ReferencedSOPInstanceUID)]
        for one in failed:
            one.FailureReason = self.reason
        if kept:
            report.ReferencedSOPSequence = kept
        if failed:
            report.FailedSOPSequence = failed
        association.send_n_event_report(report, 2 if failed else 1, PUSH_MODEL, PUSH_MODEL_INSTANCE, msg_id=9)

    def _keeps(self, uid: str) -> bool:
        return self.keeps is None or uid in self.keeps

    def find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for uid in self.keeps or ():
            found = Dataset()
            found.QueryRetrieveLevel, found.SOPInstanceUID = "IMAGE", uid
            yield 0xFF00, found
        yield 0x0000, None

    @contextmanager
    def running(self) -> Iterator[int]:
        entity = AE("PACS")
        entity.add_supported_context("1.2.840.10008.1.1")
        if self.commits:
            entity.add_supported_context(PUSH_MODEL)
        if self.finds:
            entity.add_supported_context(FIND)
        port = free_port()
        handlers: list[Any] = [(evt.EVT_N_ACTION, self.act), (evt.EVT_C_FIND, self.find)]
        server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        try:
            yield port
        finally:
            server.shutdown()


@pytest.fixture
def delivered(bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Two objects are stored at the archive."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    monkeypatch.setattr(delivery_module, "send", _stores)
    deliver(bench)
    assert state(bench) == "stored"
    return bench


def _stores(objects: Sequence[Outgoing], *_: object, together: bool) -> Iterator[Outcome]:
    yield from (Outcome(one, Verdict.STORED, "", 0) for one in objects)


def deliver(bench: Bench, commit: Commit = "auto") -> None:
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, at(104, commit), "NODE", POLICY, 30, bench.clock)
    loop: LeasedLoop[Delivery, Sent] = LeasedLoop(bench.as_process("deliver"), work, Holder("d1", bench.life()), LEASE)
    loop.step()


def at(port: int, commit: Commit = "auto") -> ProfiledDestination:
    return replace(
        ARCHIVE, destination=Destination(name="PACS", aet="PACS", host="127.0.0.1", port=port, commit=commit)
    )


def ask(bench: Bench, port: int, commit: Commit = "auto", *, shortly: float = 30) -> bool:
    ledger = bench.as_process("deliver")
    work = RequestTo(ledger.database, bench.objects, at(port, commit), "NODE", POLICY, 30, 3600, bench.clock, shortly)
    loop: LeasedLoop[CommitmentRequest, ArchiveAnswer] = LeasedLoop(ledger, work, Holder("a1", bench.life()), LEASE)
    return loop.step()


def state(bench: Bench) -> str:
    ((found,),) = bench.ask("SELECT state FROM dicom_node.deliveries")
    return str(found)


def asked(bench: Bench) -> tuple[str, str]:
    ((found, reason),) = bench.ask("SELECT state, reason FROM dicom_node.commitment_requests")
    return found, reason


def stored(bench: Bench) -> list[str]:
    found = bench.ask("SELECT sop_uid FROM dicom_node.delivery_objects WHERE stored ORDER BY sop_uid")
    return [uid for (uid,) in found]


def report(bench: Bench, transaction: str, kept: Sequence[str], failed: Sequence[str] = ()) -> None:
    """What an archive tells the listener on an association of its own."""
    said = CommitmentReport(
        transaction,
        tuple(Reference("1.2", uid) for uid in kept),
        tuple((Reference("1.2", uid), 0x0112) for uid in failed),
    )
    association = bench.writer.open_association(SCANNER, {})
    association.keep(
        {"operation": int(Operation.N_EVENT_REPORT), "type": said.event},
        encode_report(said, IMPLICIT),
        sop_class=PUSH_MODEL,
        sop_instance=PUSH_MODEL_INSTANCE,
        transfer_syntax=IMPLICIT,
        context_id=1,
    )
    bench.index()


def test_a_delivery_is_committed_when_its_archive_says_so_of_every_object(delivered: Bench) -> None:
    archive = Archive()
    with archive.running() as port:
        assert ask(delivered, port)
    assert (state(delivered), asked(delivered)[0]) == ("committed", "committed")
    (request,) = archive.asked
    assert sorted(one.ReferencedSOPInstanceUID for one in request.ReferencedSOPSequence) == stored(delivered)
    assert delivered.actions()[-1] == "delivery committed"


def test_a_report_on_an_association_of_the_archives_own_commits_too(delivered: Bench) -> None:
    archive = Archive()
    archive.reports = False
    with archive.running() as port:
        assert ask(delivered, port, shortly=0)
        assert (state(delivered), asked(delivered)) == (
            "stored",
            ("pending", "the archive was asked, and is to report"),
        )
        assert not ask(delivered, port)
        report(delivered, archive.asked[0].TransactionUID, stored(delivered))
        assert ask(delivered, port)
    assert state(delivered) == "committed"
    assert len(archive.asked) == 1


def test_a_report_that_leaves_an_object_out_commits_nothing(delivered: Bench) -> None:
    archive = Archive()
    archive.reports = False
    with archive.running() as port:
        ask(delivered, port, shortly=0)
        report(delivered, archive.asked[0].TransactionUID, stored(delivered)[:1])
        ask(delivered, port)
    assert state(delivered) == "pending"
    assert len(stored(delivered)) == 1


@pytest.mark.parametrize("rounds", [4])
def test_what_the_archive_lacks_is_sent_again_a_few_times_and_then_a_person_is_told(
    delivered: Bench, rounds: int
) -> None:
    archive = Archive()
    archive.keeps = stored(delivered)[:1]
    with archive.running() as port:
        for _ in range(rounds - 1):
            assert ask(delivered, port)
            assert (state(delivered), asked(delivered)[0]) == ("pending", "resent")
            deliver(delivered)
            assert state(delivered) == "stored"
        assert ask(delivered, port)
        assert asked(delivered)[0] == "uncommitted"
        assert state(delivered) == "stored"
        assert study(delivered)[0] == "stuck"
        assert not ask(delivered, port)
    assert len({one.TransactionUID for one in archive.asked}) == rounds


def test_what_comes_back_after_being_sent_again_is_committed(delivered: Bench) -> None:
    archive = Archive()
    archive.keeps = []
    with archive.running() as port:
        ask(delivered, port)
        deliver(delivered)
        archive.keeps = None
        assert ask(delivered, port)
    assert state(delivered) == "committed"


def test_an_archive_without_commitment_is_looked_into_by_a_query_and_remembered(delivered: Bench) -> None:
    archive = Archive()
    archive.commits, archive.finds, archive.keeps = False, True, stored(delivered)
    with archive.running() as port:
        assert ask(delivered, port)
    assert state(delivered) == "committed"
    assert asked(delivered)[1].endswith("by query")


@pytest.mark.parametrize(("commit", "ends"), [("auto", "complete"), ("required", "stuck")])
def test_an_archive_that_can_say_nothing_leaves_it_stored_and_a_person_is_told_where_that_is_required(
    delivered: Bench, commit: Commit, ends: str
) -> None:
    archive = Archive()
    archive.commits = False
    with archive.running() as port:
        assert ask(delivered, port, commit)
    assert (state(delivered), asked(delivered)[0]) == ("stored", "uncommitted")
    assert "cannot be asked" in asked(delivered)[1]
    ((shown,),) = delivered.ask("SELECT reason FROM dicom_node.deliveries")
    assert shown == asked(delivered)[1]  # by `status STUDY`, whether or not anybody is called
    assert study(delivered)[0] == ends


def test_a_report_that_does_not_come_is_looked_for_and_then_asked_for_anew(delivered: Bench) -> None:
    archive = Archive()
    archive.reports = False
    with archive.running() as port:
        ask(delivered, port, shortly=0)
        delivered.pass_time(3601)
        assert ask(delivered, port, shortly=0)
        assert (state(delivered), len(archive.asked)) == ("stored", 2)
        report(delivered, archive.asked[0].TransactionUID, stored(delivered))
        assert ask(delivered, port)
    assert state(delivered) == "committed"


def test_an_archive_that_is_away_or_busy_is_asked_again(delivered: Bench) -> None:
    archive = Archive()
    archive.status = 0x0213
    with archive.running() as port:
        assert ask(delivered, port)
        assert (state(delivered), asked(delivered)[0]) == ("stored", "pending")
        archive.status = 0
        delivered.pass_time(2)
        assert ask(delivered, port)
    assert state(delivered) == "committed"


def test_nobody_is_asked_where_that_is_off(bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    monkeypatch.setattr(delivery_module, "send", _stores)
    deliver(bench, "off")
    assert state(bench) == "stored"
    assert not bench.count("commitment_requests")


def test_an_asker_that_died_before_its_outcome_leaves_nothing_committed_and_the_question_is_asked_again(
    delivered: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: object) -> Callable[..., None]:
        raise Killed

    archive = Archive()
    ledger = delivered.as_process("deliver")
    life = delivered.life()
    with archive.running() as port:
        work = RequestTo(ledger.database, delivered.objects, at(port), "NODE", POLICY, 30, 3600, delivered.clock)
        loop: LeasedLoop[CommitmentRequest, ArchiveAnswer] = LeasedLoop(ledger, work, Holder("a1", life), LEASE)
        monkeypatch.setattr(RequestTo, "succeeded", dies)
        life.prove()
        with pytest.raises(Killed):
            loop.step()
        monkeypatch.undo()
        assert (state(delivered), asked(delivered)[0]) == ("stored", "asking")
        life.close()
        delivered.pass_time(LEASE + 1)
        assert ask(delivered, port)
    assert state(delivered) == "committed"
    assert len({one.TransactionUID for one in archive.asked}) == 2
