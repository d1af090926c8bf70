"""What a classifier looked for stands in a report, found or not, with how certain it is and in which image."""

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedSRStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from domain.errors import IntegrityError, UnusableInput
from domain.findings import Findings, SourceFrame
from sr_writer.content import Predecessor
from sr_writer.reading import report_text
from sr_writer.results import ResultObject, write
from tests.support import phantoms
from tests.support.findings import MOMENT, boxes, classified, findings_on, likelihoods
from tests.support.phantoms import Phantom

GEOMETRY = (
    "FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "SliceLocation",
)  # fmt: skip


def radiographs(
    folder: Path, count: int = 1, sop_class: str = ComputedRadiographyImageStorage, modality: str = "CR"
) -> list[Path]:
    """Images without any place in the patient, each of its own size."""
    datasets = Phantom(slices=count, size=(16, 16)).datasets()
    for number, dataset in enumerate(datasets):
        dataset.SOPClassUID, dataset.Modality = sop_class, modality
        for keyword in GEOMETRY:
            if keyword in dataset:
                delattr(dataset, keyword)
        dataset.Rows = 16 - number
        dataset.PixelData = dataset.PixelData[: 2 * dataset.Rows * dataset.Columns]
    return phantoms.write(datasets, folder)


def written(findings: Findings, paths: list[Path]) -> ResultObject:
    (result,) = write(findings, None, paths, (), MOMENT)
    return result


def groups(result: ResultObject) -> Any:
    content = highdicom.sr.srread(io.BytesIO(result.part10)).content
    return content.get_image_measurement_groups()


def presence_of(group: Any) -> Any:
    """None where the group says nothing of it."""
    evaluations = group.get_qualitative_evaluations(codes.DCM.PresenceOfProperty)
    assert len(evaluations) < 2
    return evaluations[0] if evaluations else None


def items(parent: Dataset, name: str) -> list[Dataset]:
    """The content items below `parent` with this concept name, at any depth."""
    below = [(item, items(item, name)) for item in parent.get("ContentSequence", ())]
    return [
        one
        for item, deeper in below
        for one in ([item] if item.ConceptNameCodeSequence[0].CodeMeaning == name else []) + deeper
    ]


def test_every_finding_is_coded_with_its_certainty_and_whether_it_is_reported(tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    result = written(classified(paths), paths)
    assert result.kind == "SR"
    found = [(group.finding_type, group.get_measurements()[0], presence_of(group)) for group in groups(result)]
    assert [(finding.value, finding.scheme_designator) for finding, _, _ in found] == [
        ("233604007", "SCT"),
        ("8186001", "SCT"),
    ]
    assert [(number.name.value, number.unit.value, number.value) for _, number, _ in found] == [
        ("111012", "%", 96.0),
        ("111012", "%", 3.0),
    ]
    (first, second) = (presence for _, _, presence in found)
    assert (first.name.value, first.value.value) == ("121052", "52101004")
    assert second is None


def test_what_is_not_reported_is_nowhere_called_absent(tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    below = tuple(replace(one, probability=one.threshold / 2) for one in likelihoods(0))
    said = report_text(written(replace(classified(paths), likelihoods=below), paths).part10)
    assert "Presence of property" not in said and "Absent" not in said


def test_a_finding_at_its_threshold_is_reported_as_present(tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    at = tuple(replace(one, probability=one.threshold) for one in likelihoods(0))
    result = written(replace(classified(paths), likelihoods=at), paths)
    assert [presence_of(group).value.meaning for group in groups(result)] == ["Present"] * 2
    assert "Reported as present from 25 % on" in report_text(result.part10)


def test_each_finding_names_the_image_that_it_was_sought_in(tmp_path: Path) -> None:
    paths = radiographs(tmp_path, count=2)
    findings = classified(paths)
    found = groups(written(findings, paths))
    images = [[str(image.referenced_sop_instance_uid) for image in group.source_images] for group in found]
    first, second = (frame.sop_instance_uid for frame in findings.frames)
    assert images == [[first], [first], [second], [second]]
    assert [group.tracking_identifier for group in found] == [
        "cxr_findings: Pneumonia, image 1",
        "cxr_findings: Cardiomegaly, image 1",
        "cxr_findings: Pneumonia, image 2",
        "cxr_findings: Cardiomegaly, image 2",
    ]
    assert len({group.tracking_uid for group in found}) == 4


def test_a_finding_in_all_radiographs_together_names_them_all(tmp_path: Path) -> None:
    paths = radiographs(tmp_path, count=2)
    findings = replace(classified(paths), likelihoods=likelihoods())
    for group in groups(written(findings, paths)):
        assert {str(image.referenced_sop_instance_uid) for image in group.source_images} == {
            frame.sop_instance_uid for frame in findings.frames
        }


def test_a_frame_of_a_multi_frame_instance_is_named_by_its_number(tmp_path: Path) -> None:
    (dataset,) = Phantom(slices=1, size=(16, 16)).datasets()
    dataset.SOPClassUID, dataset.NumberOfFrames = MultiFrameGrayscaleByteSecondaryCaptureImageStorage, 2
    del dataset.ImagePositionPatient
    dataset.PixelData *= 2
    paths = phantoms.write([dataset], tmp_path)
    frames = (SourceFrame(str(dataset.SOPInstanceUID), 2),)
    findings = replace(classified(paths), frames=frames, likelihoods=likelihoods(0))
    for group in groups(written(findings, paths)):
        (image,) = group.source_images
        assert image.referenced_frame_numbers == [2]
    beyond = replace(findings, frames=(SourceFrame(str(dataset.SOPInstanceUID), 3),))
    with pytest.raises(UnusableInput, match="has no frame 3"):
        written(beyond, paths)


@pytest.mark.parametrize(
    ("sop_class", "modality", "procedure"),
    [
        (ComputedRadiographyImageStorage, "CR", "43468-8"),
        (DigitalXRayImageStorageForPresentation, "DX", "43468-8"),
        (SecondaryCaptureImageStorage, "OT", "363679005"),
    ],
)
def test_images_without_a_place_in_the_patient_get_a_report_that_needs_none(
    sop_class: str, modality: str, procedure: str, tmp_path: Path
) -> None:
    paths = radiographs(tmp_path, 2, sop_class, modality)
    result = written(classified(paths), paths)
    assert result.form.sop_class == Comprehensive3DSRStorage
    report = pydicom.dcmread(io.BytesIO(result.part10))
    (reported,) = items(report, "Procedure reported")
    assert reported.ConceptCodeSequence[0].CodeValue == procedure
    assert [items(report, name) for name in ("Frame of Reference UID", "Slice Thickness")] == [[], []]
    rows = [item.MeasuredValueSequence[0].NumericValue for item in items(report, "Pixel Data Rows")]
    assert rows == [16, 15]


def test_pixel_spacing_is_stated_where_an_image_has_it(tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    dataset = pydicom.dcmread(paths[0])
    dataset.PixelSpacing = [0.168, 0.2]
    dataset.save_as(paths[0])
    report = pydicom.dcmread(io.BytesIO(written(classified(paths), paths).part10))
    for name, value in (("Vertical Pixel Spacing", 0.168), ("Horizontal Pixel Spacing", 0.2)):
        (item,) = items(report, name)
        assert item.MeasuredValueSequence[0].NumericValue == pytest.approx(value)


def test_a_classified_volume_names_its_frame_of_reference_and_no_slice_twice(tmp_path: Path) -> None:
    paths = phantoms.write(Phantom(slices=4, size=(16, 16)).datasets(), tmp_path)
    result = written(replace(findings_on(paths, segments=()), likelihoods=likelihoods()), paths)
    assert result.form.sop_class == Comprehensive3DSRStorage
    assert [group.source_images for group in groups(result)] == [[], []]
    report = pydicom.dcmread(io.BytesIO(result.part10))
    assert len(items(report, "Frame of Reference UID")) == 1
    assert len(items(report, "Source")) == 4


def test_segments_and_likelihoods_have_reports_of_their_own_each_naming_what_came_before(tmp_path: Path) -> None:
    paths, mask = phantoms.write(Phantom(slices=4, size=(16, 16)).datasets(), tmp_path), boxes(4, 16, 16)
    findings = replace(findings_on(paths, mask), likelihoods=likelihoods(), remarks=("One slice was missing.",))
    earlier = (Predecessor("SR", EnhancedSRStorage, "2.25.21", "2.25.22"),)
    results = write(findings, mask, paths, earlier, MOMENT)
    assert [one.kind for one in results] == ["SEG", "SR", "SR-LIKELIHOODS"]
    assert len({one.sop_instance_uid for one in results} | {one.series_instance_uid for one in results}) == 6
    measured, likely = (pydicom.dcmread(io.BytesIO(one.part10)) for one in results[1:])
    assert [len(items(one, "Volume")) for one in (measured, likely)] == [2, 0]
    assert [len(items(one, "Certainty of Finding")) for one in (measured, likely)] == [0, 2]
    for one in (measured, likely):
        assert items(one, "Comment")[1].TextValue == "One slice was missing."
        (study,) = one.PredecessorDocumentsSequence
        assert [series.SeriesInstanceUID for series in study.ReferencedSeriesSequence] == ["2.25.22"]


def test_where_nothing_was_marked_segments_and_likelihoods_share_one_report(tmp_path: Path) -> None:
    paths = phantoms.write(Phantom(slices=4, size=(16, 16)).datasets(), tmp_path)
    findings = replace(findings_on(paths), likelihoods=likelihoods())
    (sr,) = write(findings, np.zeros((4, 16, 16), np.uint8), paths, (), MOMENT)
    report = pydicom.dcmread(io.BytesIO(sr.part10))
    assert (sr.kind, len(items(report, "Measurement Group"))) == ("SR", 4)
    assert items(report, "Comment")[0].TextValue.endswith("The model marked no voxel, so there is no segmentation.")


def test_maps_change_nothing(tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    findings = classified(paths)
    assert findings.maps
    assert written(findings, paths) == written(replace(findings, maps=()), paths)


@pytest.mark.parametrize("probability", [math.nan, -0.01, 1.01])
def test_a_probability_that_is_none_is_refused(probability: float, tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    wrong = (replace(likelihoods(0)[0], probability=probability),)
    with pytest.raises(IntegrityError, match="Pneumonia"):
        written(replace(classified(paths), likelihoods=wrong), paths)


@pytest.mark.parametrize("frame", [-1, 1])
def test_a_finding_in_an_image_that_there_is_not_is_refused(frame: int, tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    with pytest.raises(IntegrityError, match="of 1"):
        written(replace(classified(paths), likelihoods=likelihoods(frame)), paths)


def test_a_mask_on_images_without_a_place_in_the_patient_is_refused(tmp_path: Path) -> None:
    paths = radiographs(tmp_path)
    mask = boxes(1, 16, 16)
    with pytest.raises(UnusableInput, match=r"image 1 states no Image"):
        write(findings_on(paths, mask), mask, paths, (), MOMENT)


def test_the_report_reads_as_a_report_without_the_patient(tmp_path: Path) -> None:
    paths = radiographs(tmp_path, count=2)
    said = report_text(written(classified(paths), paths).part10)
    for line in (
        "    cxr_findings: Pneumonia, image 1",
        "      Finding: Pneumonia",
        "      Algorithm Parameters: Run by OpenVINO on CPU",
        "      Algorithm Parameters: Certainty of Finding is the score of the model, not a probability",
        "      Certainty of Finding: 96 %",
        "      Presence of property: Present",
        "    cxr_findings: Cardiomegaly, image 2",
        "      Certainty of Finding: 3 %",
        "    Comment: The radiograph was stored inverted, and was turned.",
    ):
        assert line in said.splitlines()
    for absent in ("Phantom", "PHANTOM-1", "19700101", "1.2.840", "2.25."):
        assert absent not in said
