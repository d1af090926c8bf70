"""What modalities and archives say of procedures: read within limits, and refused by the book."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom.dataset import Dataset

from config.peers import Source
from dicom_node.attributes.reader import is_uid, text_of
from dicom_node.dimse import Status
from dicom_node.elements import EXPLICIT, EXPLICIT_BIG, IMPLICIT
from dicom_node.procedures import availability, mpps
from dicom_node.procedures.datasets import read
from dicom_node.procedures.mpps import KnownStep, Refused
from domain.errors import UnusableInput
from domain.procedures import RequestedProcedure, together
from domain.states import ProcedureStepState
from tests.support import procedures
from tests.support.procedures import STUDY, as_bytes, begun, coded, ended, notification, request

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")

IN_PROGRESS = KnownStep(ProcedureStepState.IN_PROGRESS)


def after_create(known: KnownStep | None, dataset: Dataset) -> KnownStep | Refused:
    said = mpps.creation(parsed(dataset))
    return said if isinstance(said, Refused) else mpps.begin(known, said)


def after_set(known: KnownStep | None, dataset: Dataset) -> KnownStep | Refused:
    said = mpps.change(parsed(dataset))
    return said if isinstance(said, Refused) else mpps.apply(known, said)


SERIES = {"1.2.3": ("1.2.3.1", "1.2.3.2")}


def parsed(dataset: Dataset) -> Dataset:
    return read(as_bytes(dataset), EXPLICIT)


def status(found: KnownStep | Refused | None) -> Status | None:
    return found.status if isinstance(found, Refused) else None


@pytest.mark.parametrize(
    ("syntax", "implicit", "little"), [(EXPLICIT, False, True), (IMPLICIT, True, True), (EXPLICIT_BIG, False, False)]
)
def test_a_step_is_read_in_every_transfer_syntax(syntax: str, implicit: bool, little: bool) -> None:
    dataset = read(as_bytes(begun(), implicit, little), syntax)
    assert isinstance(mpps.creation(dataset), KnownStep)
    assert mpps.created(dataset).requests == {STUDY: RequestedProcedure(("99RIS:CTTHOR",), "CT of the thorax", "")}


def test_what_was_requested_of_each_study_is_told_by_itself() -> None:
    other = request(
        "1.9", RequestedProcedureDescription="Abdomen", RequestedProcedureCodeSequence=[coded("B", "LN", "b")]
    )
    twice = request(RequestedProcedureDescription="Head", RequestedProcedureCodeSequence=[coded("C", "LN", "c")])
    found = mpps.created(parsed(begun(request(), other, twice))).requests
    assert found["1.9"].codes == ("LN:B",)
    assert found[STUDY] == RequestedProcedure(("99RIS:CTTHOR", "LN:C"), "CT of the thorax; Head")


def test_texts_are_read_in_their_own_character_set_and_reasons_as_text_and_code() -> None:
    item = request(
        RequestedProcedureDescription="Röntgen", ReasonForTheRequestedProcedure="Husten",
        ReasonForRequestedProcedureCodeSequence=[coded("49727002", "SCT", "Cough")],
    )  # fmt: skip
    found = mpps.created(parsed(begun(item, SpecificCharacterSet="ISO_IR 192"))).requests[STUDY]
    assert (found.description, found.reason) == ("Röntgen", "Husten; Cough")


@pytest.mark.parametrize(
    ("attributes", "wrong"),
    [
        ({"PerformedProcedureStepStatus": "COMPLETED"}, Status.INVALID_ATTRIBUTE_VALUE),
        ({"PerformedProcedureStepStatus": ""}, Status.MISSING_ATTRIBUTE_VALUE),
        ({"PerformedStationAETitle": None}, Status.MISSING_ATTRIBUTE),
        ({"ScheduledStepAttributesSequence": []}, Status.MISSING_ATTRIBUTE_VALUE),
        ({"ScheduledStepAttributesSequence": [Dataset()]}, Status.MISSING_ATTRIBUTE),
        ({"ScheduledStepAttributesSequence": lambda: [request("no uid")]}, Status.INVALID_ATTRIBUTE_VALUE),
        ({"PerformedSeriesSequence": lambda: [procedures.performed("", ())]}, Status.INVALID_ATTRIBUTE_VALUE),
    ],
)
def test_a_step_that_lacks_what_it_must_have_is_not_created(attributes: dict[str, object], wrong: Status) -> None:
    stated = {key: value() if callable(value) else value for key, value in attributes.items() if value is not None}
    dataset = begun(**stated)
    for keyword in (key for key, value in attributes.items() if value is None):
        delattr(dataset, keyword)
    assert status(after_create(None, dataset)) is wrong


def test_a_uid_is_one_steps_alone() -> None:
    assert status(after_create(IN_PROGRESS, begun())) is Status.DUPLICATE_INSTANCE
    assert status(after_set(None, ended(SERIES))) is Status.NO_SUCH_INSTANCE


@pytest.mark.parametrize("final", [ProcedureStepState.COMPLETED, ProcedureStepState.DISCONTINUED])
@pytest.mark.parametrize("said", list(ProcedureStepState))
def test_a_step_that_has_ended_is_not_changed(final: ProcedureStepState, said: ProcedureStepState) -> None:
    found = after_set(KnownStep(final), ended(SERIES, said))
    assert isinstance(found, Refused)
    assert (found.status, found.error_id) == (Status.PROCESSING_FAILURE, 0xA710)


def test_a_step_that_is_completed_has_by_then_what_a_completed_one_has() -> None:
    series = Dataset()
    series.PerformedSeriesSequence = [procedures.performed("1.2.3", SERIES["1.2.3"])]
    end = Dataset()
    end.PerformedProcedureStepStatus = "COMPLETED"
    end.PerformedProcedureStepEndDate, end.PerformedProcedureStepEndTime = "20260130", "1020"
    assert status(after_set(IN_PROGRESS, end)) is Status.MISSING_ATTRIBUTE_VALUE
    halfway = after_set(IN_PROGRESS, series)
    assert isinstance(halfway, KnownStep) and halfway.state is ProcedureStepState.IN_PROGRESS
    done = after_set(halfway, end)
    assert isinstance(done, KnownStep) and done.state is ProcedureStepState.COMPLETED


def test_a_step_that_is_discontinued_may_have_made_nothing() -> None:
    found = after_set(IN_PROGRESS, ended({}, "DISCONTINUED"))
    assert isinstance(found, KnownStep) and found.state is ProcedureStepState.DISCONTINUED


def test_what_was_performed_is_told_by_series_each_instance_once() -> None:
    dataset = ended(SERIES)
    dataset.PerformedSeriesSequence.append(procedures.performed("1.2.3", ("1.2.3.2", "1.2.3.3")))
    dataset.PerformedSeriesSequence[0].ReferencedNonImageCompositeSOPInstanceSequence = [procedures.reference("1.2.9")]
    found = mpps.changed(parsed(dataset))
    assert found.state is ProcedureStepState.COMPLETED and found.performed is not None
    assert found.performed.series == {"1.2.3": ("1.2.3.1", "1.2.3.2", "1.2.9", "1.2.3.3")}
    assert found.performed.instances == 4


def test_of_what_is_available_only_what_is_online_counts() -> None:
    said = notification(SERIES)
    said.ReferencedSeriesSequence[0].ReferencedSOPSequence[1].InstanceAvailability = "NEARLINE"
    assert availability.fault(parsed(said)) is None
    found = availability.available(parsed(said))
    assert (found.study_uid, found.online.series) == (STUDY, {"1.2.3": ("1.2.3.1",)})
    assert availability.available(parsed(notification(SERIES, availability="UNAVAILABLE"))).online.series == {}


@pytest.mark.parametrize(
    ("study", "series", "term", "wrong"),
    [
        ("x", SERIES, "ONLINE", Status.INVALID_ATTRIBUTE_VALUE),
        (STUDY, {}, "ONLINE", Status.MISSING_ATTRIBUTE_VALUE),
        (STUDY, {"1.2": ()}, "ONLINE", Status.MISSING_ATTRIBUTE_VALUE),
        (STUDY, {"1.2": ("y",)}, "ONLINE", Status.INVALID_ATTRIBUTE_VALUE),
        (STUDY, SERIES, "HERE", Status.INVALID_ATTRIBUTE_VALUE),
    ],
)
def test_a_notification_that_names_nothing_is_refused(
    study: str, series: dict[str, tuple[str, ...]], term: str, wrong: Status
) -> None:
    assert status(availability.fault(parsed(notification(series, study, term)))) is wrong


def nested(depth: int) -> bytes:
    """Sequences within sequences, of undefined length."""
    opened = struct.pack("<HH2sHIHHI", 0x0040, 0x0270, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    return opened * depth


@pytest.mark.parametrize("data", [nested(20_000), as_bytes(begun())[:-7], b"\xff" * 64], ids=["deep", "cut", "noise"])
def test_a_data_set_that_is_none_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(UnusableInput):
        read(data, EXPLICIT)


def test_refusals_say_nothing_of_the_patient() -> None:
    found = after_create(None, begun(PerformedProcedureStepStatus="Moe^Sue"))
    assert isinstance(found, Refused) and "Moe" not in found.reason
    assert text_of(parsed(begun()), "PatientName") == "Moe^Sue"


def test_several_requests_of_one_study_are_one_without_saying_anything_twice() -> None:
    both = together({"2": RequestedProcedure(("LN:1",), "b", ""), "1": RequestedProcedure(("LN:1", "LN:2"), "a", "r")})
    assert both == RequestedProcedure(("LN:1", "LN:2"), "a; b", "r")


MESSAGES = [as_bytes(one) for one in (begun(), ended(SERIES), notification(SERIES))]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A message in which something was changed, left out or put in twice."""
    data = bytearray(draw(st.sampled_from(MESSAGES)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data) - 1))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data[at] ^= draw(st.integers(1, 255))
        elif kind == 1:
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == 2:
            data[at:at] = data[at : at + 60]
        else:
            data[at : at + 4] = b"\xff" * 4
    return bytes(data)


# Items of an unknown VR that end within a tag, which pydicom tells by an OSError.
CUT = MESSAGES[2].replace(b"\x08\x00\x99\x11SQ\0\0", b"\x08\x00\x99\x11\xff\xff\xff\xff")


@pytest.mark.filterwarnings("ignore::UserWarning")
@example(CUT, EXPLICIT)
@given(broken(), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_whatever_a_message_holds_it_is_read_or_refused_and_what_is_taken_can_be_told(data: bytes, syntax: str) -> None:
    try:
        dataset = read(data, syntax)
    except UnusableInput:
        return
    created, changed = mpps.creation(dataset), mpps.change(dataset)
    if isinstance(created, KnownStep):
        assert all(map(is_uid, mpps.created(dataset).requests))
    if not isinstance(changed, Refused):
        told = mpps.changed(dataset).performed
        assert told is None or all(map(is_uid, [*told.series, *(uid for uids in told.series.values() for uid in uids)]))
    if availability.fault(dataset) is None:
        assert is_uid(availability.available(dataset).study_uid)


def test_a_worklist_is_asked_of_sources_that_speak_dicom_alone() -> None:
    with pytest.raises(ValidationError, match="is for peers of kind dicom alone"):
        Source(name="O", kind="orthanc", url="http://127.0.0.1:8042", worklist=True)
