"""The images to look at first, each with why, and with which of its frames is meant."""

import io
from dataclasses import replace
from pathlib import Path

import highdicom
import pydicom
from pydicom import Dataset, FileDataset

from domain.profiles import KEY_OBJECT_SELECTION, ResultFormat, ResultKind
from tests.support import phantoms, result_cases
from tests.support.contents import box
from tests.support.findings import classified, findings_on
from tests.support.phantoms import Phantom
from tests.support.result_cases import Run

FORM = ResultFormat(ResultKind.KOS, KEY_OBJECT_SELECTION)


def selection(run: Run) -> FileDataset:
    (result,) = run.results((FORM,))
    return pydicom.dcmread(io.BytesIO(result.part10))


def items(document: FileDataset, kind: str) -> list[Dataset]:
    return [item for item in document.ContentSequence if item.ValueType == kind]


def test_every_key_image_is_selected_with_why(tmp_path: Path) -> None:
    paths = phantoms.write(Phantom(slices=6, size=(16, 16)).datasets(), tmp_path)
    regions = (box(4, 1, 1, 5, 5), box(1, 1, 1, 5, 5))
    run = Run(replace(findings_on(paths, segments=()), regions=regions, key_frames=(1, 3)), None, paths)
    document = selection(run)
    assert (document.SOPClassUID, document.Modality) == (KEY_OBJECT_SELECTION, "KO")
    (title,) = document.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning) == ("113000", "DCM", "Of Interest")
    assert document.ContentTemplateSequence[0].TemplateIdentifier == "2010"
    (said,) = (one for one in items(document, "TEXT") if one.ConceptNameCodeSequence[0].CodeValue == "113012")
    assert said.TextValue == (
        "AI generated, not verified; demonstration model, not for clinical use. "
        "Image 2, table position -7.5 mm: named by the model, Nodule. "
        "Image 4, table position 2.5 mm: named by the model. Image 5, table position 7.5 mm: Nodule."
    )
    uids = [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in items(document, "IMAGE")]
    assert uids == [run.findings.frames[k].sop_instance_uid for k in (1, 3, 4)]
    assert not any("ConceptNameCodeSequence" in one for one in items(document, "IMAGE"))


def test_the_model_is_the_observer(tmp_path: Path) -> None:
    run = result_cases.segments_alone(tmp_path)
    result = selection(run)
    found = highdicom.ko.KeyObjectSelectionDocument.from_dataset(result).content.get_observer_contexts()
    (device,) = found
    assert device.observer_identifying_attributes.uid == run.findings.model.device_uid
    assert result.DeviceUID == run.findings.model.device_uid


def test_the_images_are_evidence_of_their_own_study_and_series(tmp_path: Path) -> None:
    run = result_cases.segments_alone(tmp_path)
    source, document = pydicom.dcmread(run.paths[0]), selection(run)
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (source.StudyInstanceUID, source.SeriesInstanceUID)
    named = {one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in items(document, "IMAGE")}
    assert {one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence} == named


def test_frames_of_a_multi_frame_image_are_named_by_number(tmp_path: Path) -> None:
    run = result_cases.enhanced(tmp_path)
    (image,) = items(selection(run), "IMAGE")
    (reference,) = image.ReferencedSOPSequence
    assert {1, 4, 6} <= set(reference.ReferencedFrameNumber)


def test_a_single_image_is_called_the_image(tmp_path: Path) -> None:
    run = result_cases.cr(tmp_path)
    document = selection(replace(run, findings=replace(classified(run.paths), maps=()), maps=()))
    (said,) = (one for one in items(document, "TEXT") if one.ConceptNameCodeSequence[0].CodeValue == "113012")
    assert said.TextValue.endswith("The image: Pneumonia.")


def test_nothing_is_selected_where_nothing_is_marked(tmp_path: Path) -> None:
    assert result_cases.nothing_found(tmp_path).results((FORM,)) == ()


def test_the_same_findings_give_the_same_bytes_in_a_series_of_their_own(tmp_path: Path) -> None:
    run = result_cases.everything(tmp_path)
    (first,), (again,) = run.results((FORM,)), run.results((FORM,))
    assert first == again
    others = run.results((ResultFormat(ResultKind.SC, "1.2.840.10008.5.1.4.1.1.7"),))
    assert first.series_instance_uid not in {one.series_instance_uid for one in others}
