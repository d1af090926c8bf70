"""Requests of other services than storage: judged, durable before they are answered, and never anybody else's harm."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Listener as Settings
from dicom_node import dimse
from dicom_node.dimse import Command, Operation, Status, decode_command, encode_request, encode_response
from dicom_node.listener.associate import APPLICATION_CONTEXT, AssociateRequest, ProposedContext
from dicom_node.listener.policy import Acceptance, AssociationPolicy
from dicom_node.listener.services import Answer, Request, Room, Service
from dicom_node.spool import Kind, decode_message
from tests.support.listening import (
    COMMAND,
    CT,
    EXPLICIT,
    IMPLICIT,
    LAST,
    RawPeer,
    RunningListener,
    command,
    listening,
    pdu,
    pdv,
)

CLASS, INSTANCE = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"
CONTEXTS = ((1, CT, (EXPLICIT,)), (3, "1.2.840.10008.1.1", (IMPLICIT,)), (5, CLASS, (EXPLICIT, IMPLICIT)))
LONGEST = 6 << 20


def judged(request: Request) -> Answer:
    if request.data == b"defect":
        raise ValueError("a data set of a kind that nobody knew")
    if request.operation == Operation.N_CREATE:
        return Answer(data=b"made", sop_instance=INSTANCE, details={"said": "by the service"})
    return Answer(Status.NO_SUCH_INSTANCE, "never heard of it") if request.data == b"strange" else Answer()


SERVICE = Service(CLASS, frozenset({Operation.N_ACTION, Operation.N_CREATE}), judged, LONGEST, reports=True)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path, services={CLASS: SERVICE}) as running:
        yield running


def ask(peer: RawPeer, data: bytes, operation: Operation = Operation.N_ACTION, instance: str = INSTANCE) -> Command:
    """Send a request with a data set; its response."""
    request = encode_request(operation, 7, CLASS, instance, 1 if operation == Operation.N_ACTION else None)
    if not instance:
        request = request.replace(struct.pack("<HHIH", 0, 0x0800, 2, 0x0101), struct.pack("<HHIH", 0, 0x0800, 2, 1))
    peer.send(pdu(4, pdv(5, COMMAND | LAST, request)))
    for start in range(0, max(len(data), 1), 16_000):
        last = LAST if start + 16_000 >= len(data) else 0
        peer.send(pdu(4, pdv(5, last, data[start : start + 16_000])))
    return response(peer)


def response(peer: RawPeer) -> Command:
    kind, body = peer.receive()
    assert kind == 4
    return decode_command(body[6:])


def test_a_request_is_in_the_spool_when_its_success_is_answered(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        answer = ask(peer.associate(contexts=CONTEXTS), b"what is asked")
        assert (answer.status, answer.message_id, answer.sop_class, answer.sop_instance) == (0, 7, CLASS, INSTANCE)
        (entry,) = [one for one in node.read(Kind.MESSAGE) if one.kind is Kind.MESSAGE]
        peer.release()
    assert decode_message(entry.data()) == ({"operation": 0x0130, "type": 1}, b"what is asked")
    assert (entry.sop_class, entry.sop_instance, entry.transfer_syntax) == (CLASS, INSTANCE, EXPLICIT)


def test_a_request_of_several_records_comes_out_of_the_spool_whole(node: RunningListener) -> None:
    data = bytes(range(256)) * (5 << 12)
    with RawPeer(node.port) as peer:
        assert ask(peer.associate(contexts=CONTEXTS), data).status == 0
        assert peer.store("1.2", b"an instance") == 0
        peer.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert [decode_message(one.data())[1] for one in found if one.kind is Kind.MESSAGE] == [data]
    assert [one.data() for one in found if one.kind is Kind.INSTANCE] == [b"an instance"]


def test_what_a_service_makes_is_named_in_its_answer_with_its_data_set(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        answer = ask(peer.associate(contexts=CONTEXTS), b"make", Operation.N_CREATE, instance="")
        assert (answer.status, answer.has_data_set, answer.sop_instance) == (0, True, INSTANCE)
        assert peer.receive() == (4, pdv(5, LAST, b"made"))
        peer.release()
    (entry,) = [one for one in node.read(Kind.MESSAGE) if one.kind is Kind.MESSAGE]
    assert entry.sop_instance == INSTANCE
    assert decode_message(entry.data())[0]["said"] == "by the service"


@pytest.mark.parametrize(
    ("data", "operation", "instance", "status"),
    [
        (b"strange", Operation.N_ACTION, INSTANCE, Status.NO_SUCH_INSTANCE),
        (b"defect", Operation.N_ACTION, INSTANCE, Status.PROCESSING_FAILURE),
        (b"", Operation.N_GET, INSTANCE, Status.UNRECOGNIZED_OPERATION),
        (b"", Operation.N_ACTION, "a name", Status.INVALID_INSTANCE),
        (bytes(LONGEST + 2), Operation.N_ACTION, INSTANCE, Status.RESOURCE_LIMITATION),
    ],
)
def test_what_is_not_taken_is_answered_by_the_book_recorded_and_the_next_is_served(
    node: RunningListener, data: bytes, operation: Operation, instance: str, status: Status
) -> None:
    with RawPeer(node.port) as peer:
        assert ask(peer.associate(contexts=CONTEXTS), data, operation, instance).status == status
        assert ask(peer, b"good").status == 0
        peer.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    refused = [one.details["status"] for one in found if one.kind is Kind.INSTANCE_REFUSED]
    assert refused == [status]
    assert [decode_message(one.data())[1] for one in found if one.kind is Kind.MESSAGE] == [b"good"]


def test_nothing_is_stored_in_the_context_of_another_service(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.associate(contexts=CONTEXTS)
        peer.send(pdu(4, pdv(5, COMMAND | LAST, command(1, sop_class=CLASS)) + pdv(5, LAST, b"an instance")))
        assert response(peer).status == Status.UNRECOGNIZED_OPERATION
        peer.release()
    assert not [one for one in node.read(Kind.ASSOCIATION_CLOSED) if one.kind is Kind.INSTANCE]


def test_a_peer_that_vanishes_within_a_request_gives_its_memory_back(node: RunningListener) -> None:
    room = node.listener._acceptor.room
    before = room._left
    with RawPeer(node.port) as peer:
        peer.associate(contexts=CONTEXTS)
        peer.send(pdu(4, pdv(5, COMMAND | LAST, encode_request(Operation.N_ACTION, 1, CLASS, INSTANCE, 1))))
        peer.send(pdu(4, pdv(5, 0, bytes(1000))))
    node.read(Kind.ASSOCIATION_CLOSED)
    assert room._left == before


def test_requests_of_all_associations_share_their_memory() -> None:
    room = Room(10)
    assert room.take(6)
    assert not room.take(5)
    room.give_back(6)
    assert room.take(10)


@pytest.mark.parametrize(
    ("abstract", "proposed", "answered"),
    [(CLASS, (1, 1), (1, 1)), (CLASS, (0, 1), (0, 1)), (CT, (1, 1), (1, 0)), (CT, (0, 1), None)],
)
def test_a_peer_may_be_the_provider_of_a_service_that_reports_to_us(
    abstract: str, proposed: tuple[int, int], answered: tuple[int, int] | None
) -> None:
    context = ProposedContext(1, abstract, (IMPLICIT,))
    request = AssociateRequest(
        1, bytes(32), "NODE", "PEER", APPLICATION_CONTEXT, (context,), roles={abstract: proposed}
    )
    answer = AssociationPolicy(Settings(aet="NODE"), {CLASS: SERVICE}).answer(request)
    assert isinstance(answer, Acceptance)
    assert answer.roles.get(abstract) == answered
    assert answer.is_empty == (answered is None)


def test_requests_and_responses_of_services_are_read_as_they_are_written() -> None:
    action = decode_command(encode_request(Operation.N_ACTION, 3, CLASS, INSTANCE, 1))
    assert action == Command(Operation.N_ACTION, 3, True, CLASS, INSTANCE, 1)
    report = decode_command(encode_request(Operation.N_EVENT_REPORT, 4, CLASS, INSTANCE, 2))
    assert report.type_id == 2
    answer = decode_command(encode_response(report, Status.NO_SUCH_EVENT, error_id=0xA710))
    assert (answer.is_response, answer.message_id, answer.status) == (True, 4, Status.NO_SUCH_EVENT)
    assert struct.pack("<HHIH", 0, 0x0903, 2, 0xA710) in encode_response(report, 0x0110, error_id=0xA710)
    assert dimse.decode_status(encode_response(report, 0x0110)) == 0x0110
