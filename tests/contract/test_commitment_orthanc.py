"""Orthanc as the archive that is asked: it reports on associations of its own, to our listener."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from config.peers import Destination
from config.settings import Listener as Settings
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps.commit import ArchiveAnswer, RequestTo
from consumers.steps.deliver import DeliveryTo, Sent
from consumers.steps.report_commitment import ReportToPeer, addresses
from dicom_node.listener import Listener
from dicom_node.listener.provided import services
from domain.retry import RetryPolicy
from models.registry import Registry
from store.commitment_requests import CommitmentRequest
from store.commitments import Commitment
from store.deliveries import Delivery
from store.holders import Holder
from tests.support.bench import Bench
from tests.support.commitments import decide
from tests.support.ingest import send
from tests.support.processes import wait_for
from tests.support.servers import Orthanc
from tests.support.working import ARCHIVE, LEASE, SMALL, FakeChild, route, worker, write_and_plan

POLICY = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))


@pytest.fixture
def pacs(bench: Bench, registry: Registry, orthanc: Orthanc) -> Iterator[ProfiledDestination]:
    """Orthanc with results of a study, and a listener that it reports to."""
    destination = Destination(name="PACS", aet=orthanc.aet, host="127.0.0.1", port=orthanc.dicom_port)
    made = replace(ARCHIVE, destination=destination)
    bench.receive(SMALL.datasets())
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [made])
    listener = Listener(Settings(aet="NODE", port=0), bench.writer, services=services(bench.root / "spool"))
    listener.start()
    orthanc.add_modality("NODE", listener.port)
    deliver(bench, made)
    assert state(bench) == "stored"
    yield made
    listener.stop(0.0)


def deliver(bench: Bench, pacs: ProfiledDestination) -> None:
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, pacs, "NODE", POLICY, 30, bench.clock)
    loop: LeasedLoop[Delivery, Sent] = LeasedLoop(bench.as_process("deliver"), work, Holder("d1", bench.life()), LEASE)
    loop.step()


def ask(bench: Bench, pacs: ProfiledDestination) -> None:
    """Ask, and settle what Orthanc reports."""
    ledger = bench.as_process("deliver")
    work = RequestTo(ledger.database, bench.objects, pacs, "NODE", POLICY, 30, 3600, bench.clock, shortly=0.1)
    loop: LeasedLoop[CommitmentRequest, ArchiveAnswer] = LeasedLoop(ledger, work, Holder("a1", bench.life()), LEASE)
    assert loop.step()
    wait_for(lambda: _is_reported(bench), 60, "Orthanc's report")
    assert loop.step()


def _is_reported(bench: Bench) -> bool:
    bench.index()
    ((reported,),) = bench.ask("SELECT report IS NOT NULL FROM dicom_node.commitment_requests")
    return bool(reported)


def state(bench: Bench) -> str:
    ((found,),) = bench.ask("SELECT state FROM dicom_node.deliveries")
    return str(found)


def test_what_orthanc_keeps_is_committed_and_what_it_lost_is_sent_again(
    bench: Bench, pacs: ProfiledDestination, orthanc: Orthanc
) -> None:
    lost, *_ = orthanc.get("/instances")
    orthanc.delete(lost)
    ask(bench, pacs)
    assert state(bench) == "pending"
    deliver(bench, pacs)
    assert lost in orthanc.get("/instances")
    ask(bench, pacs)
    assert state(bench) == "committed"


def test_orthanc_asks_us_and_takes_our_report(bench: Bench, orthanc: Orthanc) -> None:
    datasets = SMALL.datasets()
    send(bench.writer, datasets[:2])
    listener = Listener(Settings(aet="NODE", port=0), bench.writer, services=services(bench.root / "spool"))
    listener.start()
    try:
        orthanc.add_modality("NODE", listener.port)
        asked = [[one.SOPClassUID, one.SOPInstanceUID] for one in datasets[:3]]
        transaction = orthanc.ask_commitment("NODE", asked)
        bench.index()
        bench.pass_time(60)
        decide(bench)
        bench.pass_time(60)
        work = ReportToPeer(addresses({orthanc.aet: orthanc.dicom_port}, ()), "NODE", POLICY, 30)
        loop: LeasedLoop[Commitment, int] = LeasedLoop(
            bench.as_process("deliver"), work, Holder("r1", bench.life()), LEASE
        )
        assert loop.step()
        heard = orthanc.get(f"/storage-commitment/{transaction}")
    finally:
        listener.stop(0.0)
    assert heard["Status"] == "Failure"
    assert {one["SOPInstanceUID"] for one in heard["Success"]} == {uid for _, uid in asked[:2]}
    assert [(one["SOPInstanceUID"], one["FailureReason"]) for one in heard["Failures"]] == [(asked[2][1], 0x0112)]
