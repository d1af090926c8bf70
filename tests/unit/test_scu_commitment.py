"""Storage commitment as we ask for it and as we report, against pynetdicom."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt

from config.peers import Peer
from dicom_node.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, CommitmentReport, CommitmentRequest, Reference
from dicom_node.scu.commitment import TakesNoCommitment, ask, tell
from domain.errors import Retryable, Unavailable
from tests.support.processes import free_port

CT = "1.2.840.10008.5.1.4.1.1.2"
ONE, TWO = Reference(CT, "1.2.3"), Reference(CT, "1.2.4")
ASKED = CommitmentRequest("2.25.7", (ONE, TWO))
REPORTED = CommitmentReport("2.25.7", (ONE,), ((TWO, 0x0112),))


def report_of(request: Dataset) -> Dataset:
    """What an archive says that lacks all but the first."""
    said = Dataset()
    said.TransactionUID = request.TransactionUID
    said.ReferencedSOPSequence = request.ReferencedSOPSequence[:1]
    said.FailedSOPSequence = request.ReferencedSOPSequence[1:]
    for item in said.FailedSOPSequence:
        item.FailureReason = 0x0112
    return said


@contextmanager
def archive(then: Callable[[Any], int], sop_class: str = PUSH_MODEL) -> Iterator[Peer]:
    """An archive that answers an N-ACTION with what `then` returns."""
    entity = AE("ARCHIVE")
    entity.add_supported_context(sop_class, scu_role=True, scp_role=True)
    port = free_port()
    handlers = [(evt.EVT_N_ACTION, lambda event: (then(event), None))]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield Peer(aet="ARCHIVE", host="127.0.0.1", port=port)  # type: ignore[call-arg]
    finally:
        server.shutdown()


def reporting(event: Any) -> int:
    """Report on the same association, beside the answer."""

    def report() -> None:
        event.assoc.send_n_event_report(
            report_of(event.action_information), 2, PUSH_MODEL, PUSH_MODEL_INSTANCE, msg_id=9
        )

    Thread(target=report, daemon=True).start()
    return 0


def test_a_report_on_the_same_association_is_taken_and_answered() -> None:
    with archive(reporting) as peer:
        taken = ask(peer, "NODE", ASKED, 30, 30)
    assert taken.status == 0
    assert taken.reports == (REPORTED,)


def test_a_question_that_is_taken_may_be_reported_later() -> None:
    with archive(lambda _: 0) as peer:
        assert ask(peer, "NODE", ASKED, 30, 0.1) == ask(peer, "NODE", ASKED, 30, 0.1)


def test_an_archive_that_breaks_off_behind_its_answer_has_taken_the_question() -> None:
    def leave(event: Any) -> int:
        Thread(target=event.assoc.abort, daemon=True).start()
        return 0

    with archive(leave) as peer, suppress(Retryable):  # where the abort is before the answer
        assert ask(peer, "NODE", ASKED, 30, 30).reports == ()


@pytest.mark.parametrize("status", [0x0110, 0x0213])
def test_a_question_that_is_not_taken_has_its_status(status: int) -> None:
    with archive(lambda _: status) as peer:
        assert ask(peer, "NODE", ASKED, 30, 0.1).status == status


def test_an_archive_without_the_service_is_told_from_one_that_is_away() -> None:
    with archive(lambda _: 0, CT) as peer, pytest.raises(TakesNoCommitment):
        ask(peer, "NODE", ASKED, 30, 0.1)
    with pytest.raises(Unavailable):
        ask(peer, "NODE", ASKED, 30, 0.1)


@pytest.mark.parametrize("status", [0x0000, 0x0112])
def test_we_report_as_the_provider_that_we_are(status: int) -> None:
    heard: list[tuple[int, Dataset]] = []

    def hear(event: Any) -> tuple[int, None]:
        heard.append((event.event_type, event.event_information))
        return status, None

    entity = AE("CT1")
    entity.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, hear)])
    try:
        peer = Peer(aet="CT1", host="127.0.0.1", port=port)  # type: ignore[call-arg]
        assert tell(peer, "NODE", REPORTED, 30) == status
    finally:
        server.shutdown()
    ((event, said),) = heard
    assert (event, said.TransactionUID, said.FailedSOPSequence[0].FailureReason) == (2, "2.25.7", 0x0112)
