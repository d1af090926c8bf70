"""Reports to those who asked us to keep what they sent, on associations of ours, as leased rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt

from config.peers import Destination
from consumers.leased import LeasedLoop
from consumers.steps.report_commitment import ReportToPeer, addresses
from dicom_node.commitment import PUSH_MODEL
from domain.retry import RetryPolicy
from store.commitments import Commitment
from store.holders import Holder
from tests.support.bench import Bench
from tests.support.commitments import SMALL, ask, decide, of
from tests.support.ingest import send
from tests.support.processes import free_port
from tests.support.working import LEASE

POLICY = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))


@contextmanager
def requestor(status: int = 0) -> Iterator[tuple[int, list[Dataset]]]:
    """One that takes reports as their user; its port, and what it has heard."""
    heard: list[Dataset] = []

    def hear(event: Any) -> tuple[int, None]:
        heard.append(event.event_information)
        return status, None

    entity = AE("SCANNER")
    entity.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, hear)])
    try:
        yield port, heard
    finally:
        server.shutdown()


@pytest.fixture
def decided(bench: Bench) -> Bench:
    """One question, all of it committed, by a peer whose association has ended."""
    send(bench.writer, SMALL.datasets())
    ask(bench, of(SMALL.datasets()))
    decide(bench)
    return bench


def report(bench: Bench, ports: dict[str, int], destinations: tuple[Destination, ...] = ()) -> bool:
    work = ReportToPeer(addresses(ports, destinations), "NODE", POLICY, 30)
    loop: LeasedLoop[Commitment, int] = LeasedLoop(bench.as_process("deliver"), work, Holder("r1", bench.life()), LEASE)
    return loop.step()


def stands(bench: Bench) -> tuple[str, str]:
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.commitments")
    return state, reason


def test_who_asked_is_told_once_at_the_address_that_it_called_from(decided: Bench) -> None:
    with requestor() as (port, heard):
        assert report(decided, {"SCANNER": port})
        assert not report(decided, {"SCANNER": port})
    assert stands(decided) == ("reported", "reported")
    (said,) = heard
    assert said.TransactionUID == "2.25.7"
    assert len(said.ReferencedSOPSequence) == 3
    assert decided.actions()[-1] == "storage commitment reported"


def test_a_destination_of_the_same_title_is_told_where_it_listens(decided: Bench) -> None:
    with requestor() as (port, heard):
        archive = Destination(name="PACS", aet="SCANNER", host="127.0.0.1", port=port)
        assert report(decided, {}, (archive,))
    assert len(heard) == 1


def test_a_peer_whose_port_nobody_knows_waits_for_its_call_and_the_row_says_what_to_do(decided: Bench) -> None:
    assert report(decided, {})
    state, reason = stands(decided)
    assert state == "pending"
    assert "set it in listener.callers" in reason


def test_a_peer_that_is_away_or_says_no_is_told_again_for_days_and_may_then_ask_anew(decided: Bench) -> None:
    assert report(decided, {"SCANNER": free_port()})
    assert stands(decided)[0] == "pending"
    decided.pass_time(2)
    with requestor(0x0110) as (port, _):
        assert report(decided, {"SCANNER": port})
    assert "did not take the report" in stands(decided)[1]
    decided.pass_time(8 * 86400)
    assert report(decided, {"SCANNER": free_port()})
    assert stands(decided)[0] == "unreported"
    ask(decided, of(SMALL.datasets()))
    assert stands(decided)[0] == "waiting"


def test_a_report_whose_sender_died_is_sent_again(decided: Bench) -> None:
    work = ReportToPeer(addresses({}, ()), "NODE", POLICY, 30)
    life = decided.life()
    loop: LeasedLoop[Commitment, int] = LeasedLoop(decided.as_process("deliver"), work, Holder("r1", life), LEASE)
    life.prove()
    assert loop._claim()
    assert stands(decided)[0] == "sending"
    life.close()
    decided.pass_time(LEASE + 1)
    with requestor() as (port, heard):
        while report(decided, {"SCANNER": port}):
            pass
    assert stands(decided)[0] == "reported"
    assert len(heard) == 1
