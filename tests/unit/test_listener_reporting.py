"""Reports of ours on a peer's own association: told between its messages, durable when answered, and nobody's twice."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt

from dicom_node.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, CommitmentReport, Reference
from dicom_node.listener.provided import services
from dicom_node.offers import Offers
from dicom_node.spool import Kind, decode_message
from tests.support.listening import CT, IMPLICIT, RawPeer, RunningListener, listening
from tests.support.processes import wait_for

REPORT = CommitmentReport("2.25.7", (Reference(CT, "1.2.3"),), ((Reference(CT, "1.2.4"), 0x0112),))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path, services=services(tmp_path)) as running:
        yield running


class Modality:
    """A user of storage commitment, by pynetdicom; `heard` are the reports that it got, and it answers `status`."""

    def __init__(self, port: int, status: int = 0) -> None:
        self.heard: list[tuple[int, Dataset]] = []
        self.status = status
        entity = AE("CT1")
        entity.add_requested_context(PUSH_MODEL)
        entity.add_requested_context("1.2.840.10008.1.1")
        self.association = entity.associate(
            "127.0.0.1", port, ae_title="NODE", evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._hear)]
        )
        assert self.association.is_established

    def _hear(self, event: Any) -> tuple[int, None]:
        self.heard.append((event.event_type, event.event_information))
        return self.status, None

    def ask(self, *uids: str) -> int:
        asked = Dataset()
        asked.TransactionUID = "2.25.7"
        asked.ReferencedSOPSequence = [Dataset() for _ in uids]
        for item, uid in zip(asked.ReferencedSOPSequence, uids, strict=True):
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
        status, _ = self.association.send_n_action(asked, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        return int(status.Status)


def answers(node: RunningListener, count: int = 1) -> list[dict[str, Any]]:
    """What the listener recorded of answers to its reports."""
    found = [one for one in node.read(Kind.MESSAGE, count) if one.kind is Kind.MESSAGE]
    return [dict(decode_message(one.data())[0]) for one in found]


def test_a_report_is_told_on_the_association_that_asked_and_its_answer_is_recorded(
    node: RunningListener, tmp_path: Path
) -> None:
    modality = Modality(node.port)
    assert modality.ask("1.2.3", "1.2.4") == 0
    node.read(Kind.MESSAGE)
    ident = uuid4()
    Offers(tmp_path).offer("CT1", ident, REPORT)
    (answer,) = answers(node)
    assert answer == {"operation": 0x8100, "type": None, "report": str(ident), "status": 0}
    ((event, report),) = modality.heard
    assert (event, report.TransactionUID) == (2, "2.25.7")
    assert report.FailedSOPSequence[0].FailureReason == 0x0112
    assert modality.association.send_c_echo().Status == 0
    modality.association.release()
    assert not list(Offers(tmp_path).waiting("CT1"))


def test_a_peer_that_calls_later_hears_what_waits_for_it_and_no_other_peer_does(
    node: RunningListener, tmp_path: Path
) -> None:
    offers, ours, others = Offers(tmp_path), uuid4(), uuid4()
    offers.offer("CT1", ours, REPORT)
    offers.offer("MR1", others, REPORT)
    modality = Modality(node.port)
    assert [one["report"] for one in answers(node)] == [str(ours)]
    assert modality.association.send_c_echo().Status == 0
    modality.association.release()
    assert list(offers.waiting("MR1")) == [others]


def test_a_report_that_is_not_answered_waits_for_another_association(node: RunningListener, tmp_path: Path) -> None:
    offers, ident = Offers(tmp_path), uuid4()
    with RawPeer(node.port) as peer:
        peer.associate(contexts=((1, PUSH_MODEL, (IMPLICIT,)),), calling="CT1")
        offers.offer("CT1", ident, REPORT)
        assert peer.receive()[0] == 4
    node.read(Kind.ASSOCIATION_CLOSED)
    wait_for(lambda: list(offers.waiting("CT1")) == [ident], 30, "the report is offered again")


def test_an_offer_is_one_associations_alone_and_comes_back_from_one_that_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers, ident = Offers(tmp_path), uuid4()
    offers.offer("CT1", ident, REPORT)
    assert offers.take("CT1", ident) == REPORT
    assert offers.take("CT1", ident) is None
    offers.offer("CT1", ident, REPORT)
    assert not list(offers.waiting("CT1"))
    offers.keep_only({ident})
    assert not list(offers.waiting("CT1"))
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    offers.keep_only({ident})
    assert list(offers.waiting("CT1")) == [ident]
    offers.keep_only(set[UUID]())
    assert not list(offers.waiting("CT1"))
