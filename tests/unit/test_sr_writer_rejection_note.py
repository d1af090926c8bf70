"""A rejection note names what it rejects in the words and references of the standard, whatever was sent."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from domain.profiles import EXPLICIT, IMPLICIT, KEY_OBJECT_SELECTION, ResultFormat
from domain.rejections import Cause
from sr_writer.content import Predecessor
from sr_writer.reports.rejection_note import Rejected, rejection_note
from sr_writer.results import ResultObject
from tests.support import result_cases
from tests.support.result_cases import Run
from tests.support.result_files import KINDS, save, usual

Sent = tuple[Run, Sequence[tuple[ResultFormat, Path]]]
MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """A run, and an object of every kind as it was sent."""
    folder = tmp_path_factory.mktemp("sent")
    run = result_cases.everything(folder / "source")
    return run, save(run, map(usual, KINDS), folder / "results")


def note(sent: Sent, cause: Cause = Cause.SUPERSEDED, syntax: str = EXPLICIT) -> ResultObject:
    run, files = sent
    heads = [(form, pydicom.dcmread(path, stop_before_pixels=True)) for form, path in files]
    results = [Predecessor(form.kind, form.sop_class, one.SOPInstanceUID, one.SeriesInstanceUID) for form, one in heads]
    rejected = Rejected(results, files[0][1], cause, 1, MADE, 2 if cause is Cause.SUPERSEDED else None)
    return rejection_note(run.findings, rejected, "a delivery", LATER, syntax)


def read(result: ResultObject) -> Dataset:
    return pydicom.dcmread(io.BytesIO(result.part10))


@pytest.mark.parametrize(
    ("cause", "title", "said"),
    [
        (Cause.SUPERSEDED, ("113039", "DCM", "Data Retention Policy Expired"), "is superseded by result 2"),
        (Cause.WITHDRAWN, ("113037", "DCM", "Rejected for Patient Safety Reasons"), "was withdrawn as wrong"),
    ],
)
def test_the_title_and_the_words_say_why(
    cause: Cause,
    title: tuple[str, str, str],
    said: str,
    sent: Sent,
) -> None:
    document = read(note(sent, cause))
    (code,) = document.ConceptNameCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == title
    (text,) = (one.TextValue for one in document.ContentSequence if one.ValueType == "TEXT")
    assert text.startswith("Result 1 of ") and said in text
    assert document.SeriesDescription.startswith(f"{cause.capitalize()}: ")


def test_it_refers_to_every_object_by_its_class_and_series(
    sent: Sent,
) -> None:
    document = read(note(sent))
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    found = {
        (one.SeriesInstanceUID, each.ReferencedSOPClassUID, each.ReferencedSOPInstanceUID)
        for one in study.ReferencedSeriesSequence
        for each in one.ReferencedSOPSequence
    }
    heads = [pydicom.dcmread(path, stop_before_pixels=True) for _, path in sent[1]]
    assert found == {(one.SeriesInstanceUID, one.SOPClassUID, one.SOPInstanceUID) for one in heads}
    assert {one.StudyInstanceUID for one in heads} == {study.StudyInstanceUID}


def test_images_are_referred_to_as_images_and_the_rest_as_composites(
    sent: Sent,
) -> None:
    images = {one.SOPInstanceUID for _, path in sent[1] if "Rows" in (one := pydicom.dcmread(path))}
    items = [one for one in read(note(sent)).ContentSequence if one.ValueType != "TEXT"]
    assert {
        one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in items if one.ValueType == "IMAGE"
    } == images
    assert len(items) == len(sent[1]) and images


def test_it_is_of_the_patient_and_study_that_the_results_name(
    sent: Sent,
) -> None:
    result, document = pydicom.dcmread(sent[1][0][1], stop_before_pixels=True), read(note(sent))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        assert document[keyword] == result[keyword], keyword
    assert (document.Modality, document.SOPClassUID) == ("KO", KEY_OBJECT_SELECTION)


def test_the_same_note_again_has_the_same_bytes_and_another_cause_another_identity(
    sent: Sent,
) -> None:
    first, again, other = note(sent), note(sent), note(sent, Cause.WITHDRAWN)
    assert first.part10 == again.part10
    assert first.sop_instance_uid != other.sop_instance_uid
    assert first.series_instance_uid != other.series_instance_uid


def test_it_goes_in_implicit_vr_where_nothing_else_is_taken(
    sent: Sent,
) -> None:
    implicit = read(note(sent, syntax=IMPLICIT))
    assert implicit.file_meta.TransferSyntaxUID == IMPLICIT
    assert implicit.SOPInstanceUID == read(note(sent)).SOPInstanceUID
