"""Storage commitment's data sets and what the door says to them, without a network."""

from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pynetdicom.dsutils import encode

from dicom_node.commitment import (
    MOST_REFERENCES,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    CommitmentReport,
    CommitmentRequest,
    Reference,
    encode_report,
    encode_request,
    read_report,
    read_request,
)
from dicom_node.dimse import Operation, Status
from dicom_node.elements import EXPLICIT, IMPLICIT
from dicom_node.listener.commitment import judge
from dicom_node.listener.services import Request
from dicom_node.spool import Peer

CT = "1.2.840.10008.5.1.4.1.1.2"
ONE, TWO = Reference(CT, "1.2.3"), Reference(CT, "1.2.34")
ASKED = CommitmentRequest("2.25.7", (ONE, TWO))
REPORTED = CommitmentReport("2.25.7", (ONE,), ((TWO, 0x0112),))


def made(
    transaction: str = "2.25.7", *references: tuple[str, str], extra: Callable[[Dataset], None] = lambda _: None
) -> bytes:
    """A request as pydicom writes it, of undefined lengths as many write it."""
    dataset = Dataset()
    dataset.TransactionUID = transaction
    dataset.ReferencedSOPSequence = Sequence()
    for sop_class, uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        item.is_undefined_length_sequence_item = True
        dataset.ReferencedSOPSequence.append(item)
    dataset["ReferencedSOPSequence"].is_undefined_length = True
    extra(dataset)
    return encode(dataset, True, True) or b""


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_requests_and_reports_are_read_as_they_are_written_and_as_pydicom_reads_them(syntax: str) -> None:
    assert read_request(encode_request(ASKED, syntax), syntax) == ASKED
    assert read_report(encode_report(REPORTED, syntax), syntax) == REPORTED
    read = dcmread(BytesIO(encode_report(REPORTED, syntax)), force=True)
    assert read.TransactionUID == "2.25.7"
    assert [one.ReferencedSOPInstanceUID for one in read.ReferencedSOPSequence] == ["1.2.3"]
    assert [(one.ReferencedSOPInstanceUID, one.FailureReason) for one in read.FailedSOPSequence] == [("1.2.34", 0x0112)]


def test_what_others_write_is_read_and_an_instance_that_is_named_twice_is_one() -> None:
    assert read_request(made("2.25.7", (CT, "1.2.3"), (CT, "1.2.34"), (CT, "1.2.3")), IMPLICIT) == ASKED


def test_what_stands_beside_or_below_is_no_reference() -> None:
    def deeper(dataset: Dataset) -> None:
        below = Dataset()
        below.ReferencedSOPClassUID, below.ReferencedSOPInstanceUID = CT, "9.9"
        dataset.ReferencedSOPSequence[0].ReferencedSOPSequence = Sequence([below])
        dataset.StudyInstanceUID = "1.9"

    assert read_request(made("2.25.7", (CT, "1.2.3"), (CT, "1.2.34"), extra=deeper), IMPLICIT) == ASKED


NESTED = b"".join(b"\x08\x00\x99\x11\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" for _ in range(2000))
TOO_MANY = CommitmentRequest("2.25.7", tuple(Reference(CT, f"1.2.{n}") for n in range(2 * MOST_REFERENCES)))
PEER = Peer("CT1", "NODE", "192.0.2.7")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (made("2.25.7", (CT, "1.2.3")), Status.SUCCESS),
        (made("2.25.7"), Status.INVALID_ARGUMENT),
        (made("", (CT, "1.2.3")), Status.INVALID_ARGUMENT),
        (made("2.25.7", (CT, "1.2.3")).replace(b"2.25.7", b"Doe^Ja"), Status.INVALID_ARGUMENT),
        (made("2.25.7", (CT, "")), Status.INVALID_ARGUMENT),
        (made("2.25.7", ("", "1.2.3")), Status.INVALID_ARGUMENT),
        (b"", Status.INVALID_ARGUMENT),
        (b"\xff" * 100, Status.INVALID_ARGUMENT),
        (made("2.25.7", (CT, "1.2.3"))[:-30], Status.INVALID_ARGUMENT),
        (NESTED, Status.INVALID_ARGUMENT),
        (
            encode_request(
                CommitmentRequest("2.25.7", tuple(Reference(CT, f"1.2.{n}") for n in range(2 * MOST_REFERENCES))),
                IMPLICIT,
            ),
            Status.RESOURCE_LIMITATION,
        ),
    ],
)
def test_each_request_is_answered_by_the_book(data: bytes, status: Status) -> None:
    request = Request(Operation.N_ACTION, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE, IMPLICIT, data, PEER)
    answer = judge(request)
    assert answer.status == status
    assert "Doe" not in answer.comment
    assert len(answer.comment) <= 64


@pytest.mark.parametrize(
    ("operation", "kind", "instance", "status"),
    [
        (Operation.N_ACTION, 2, PUSH_MODEL_INSTANCE, Status.NO_SUCH_ACTION),
        (Operation.N_ACTION, None, PUSH_MODEL_INSTANCE, Status.NO_SUCH_ACTION),
        (Operation.N_ACTION, 1, "1.2.3", Status.NO_SUCH_INSTANCE),
        (Operation.N_EVENT_REPORT, 3, PUSH_MODEL_INSTANCE, Status.NO_SUCH_EVENT),
        (Operation.N_EVENT_REPORT, 2, PUSH_MODEL_INSTANCE, Status.SUCCESS),
    ],
)
def test_actions_events_and_instances_that_there_are_not_are_refused(
    operation: Operation, kind: int | None, instance: str, status: Status
) -> None:
    data = (
        encode_report(REPORTED, IMPLICIT) if operation == Operation.N_EVENT_REPORT else encode_request(ASKED, IMPLICIT)
    )
    assert judge(Request(operation, kind, PUSH_MODEL, instance, IMPLICIT, data, PEER)).status == status
