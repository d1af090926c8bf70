import io
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from domain.errors import IntegrityError, UnusableInput
from domain.findings import Findings
from sr_writer.results import write
from tests.support import phantoms
from tests.support.findings import LEFT_LUNG, MODEL, MOMENT, RIGHT_LUNG, assert_same_place, boxes, findings_on
from tests.support.phantoms import CORONAL, OBLIQUE, SAGITTAL, Phantom

SMALL = Phantom(slices=6, size=(20, 18))


def seg_of(findings: Findings, mask: NDArray[np.uint8], paths: list[Path]) -> Dataset:
    result = write(findings, mask, paths, (), MOMENT)[0]
    assert result.kind == "SEG"
    return pydicom.dcmread(io.BytesIO(result.part10))


def small(tmp_path: Path, phantom: Phantom = SMALL) -> tuple[list[Path], NDArray[np.uint8]]:
    return phantoms.write(phantom.datasets(), tmp_path), boxes(phantom.slices, *phantom.size)


@pytest.mark.parametrize("orientation", [phantoms.AXIAL, SAGITTAL, CORONAL, OBLIQUE])
@pytest.mark.parametrize("size", [(20, 18), (16, 16), (13, 7)])
@pytest.mark.parametrize("enhanced", [False, True])
def test_every_voxel_comes_back_where_it_was(
    orientation: tuple[float, ...], size: tuple[int, int], enhanced: bool, tmp_path: Path
) -> None:
    phantom = Phantom(slices=6, size=size, orientation=orientation, centre=(11.25, -7.5, 400.0))
    paths = phantoms.write([phantom.enhanced()] if enhanced else phantom.datasets(), tmp_path)
    mask = boxes(6, *size)
    result = write(findings_on(paths, mask), mask, paths, (), MOMENT)[0]
    volume = highdicom.seg.segread(io.BytesIO(result.part10)).get_volume(combine_segments=True)
    assert_same_place(volume.affine, volume.array, phantom.affine(), mask)


def test_slices_that_hold_nothing_are_left_out_for_each_segment_alone(tmp_path: Path) -> None:
    paths, mask = small(tmp_path)
    seg = seg_of(findings_on(paths, mask), mask, paths)
    occupied = [int(mask_of.any(axis=(1, 2)).sum()) for mask_of in (mask == 1, mask == 2)]
    numbers = [
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber for frame in seg.PerFrameFunctionalGroupsSequence
    ]
    assert [numbers.count(1), numbers.count(2)] == occupied == [4, 3]
    assert seg.NumberOfFrames == 7


def test_each_frame_names_the_slice_it_was_derived_from(tmp_path: Path) -> None:
    paths, mask = small(tmp_path)
    seg = seg_of(findings_on(paths, mask), mask, paths)
    positions = {
        str(header.SOPInstanceUID): header.ImagePositionPatient for header in map(pydicom.dcmread, paths)
    }  # fmt: skip
    for frame in seg.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.SpatialLocationsPreserved == "YES"
        assert source.ReferencedSOPClassUID == pydicom.uid.CTImageStorage
        assert "ReferencedFrameNumber" not in source
        assert frame.PlanePositionSequence[0].ImagePositionPatient == positions[source.ReferencedSOPInstanceUID]


def test_frames_of_an_enhanced_source_are_named_by_number_whatever_their_order_in_the_findings(tmp_path: Path) -> None:
    phantom = SMALL
    paths = phantoms.write([phantom.enhanced()], tmp_path)
    mask = boxes(6, 20, 18)
    findings = findings_on(paths, mask)
    backwards = replace(findings, frames=findings.frames[::-1])
    seg = seg_of(backwards, np.ascontiguousarray(mask[::-1]), paths)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPClassUID == pydicom.uid.EnhancedCTImageStorage
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        assert list(position) == phantom.position(source.ReferencedFrameNumber - 1)
    references = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert [one.ReferencedSOPInstanceUID for one in references] == [findings.frames[0].sop_instance_uid]


def test_the_whole_series_is_referenced_also_the_slices_without_a_voxel(tmp_path: Path) -> None:
    paths, mask = small(tmp_path)
    findings = findings_on(paths, mask)
    seg = seg_of(findings, mask, paths)
    (series,) = seg.ReferencedSeriesSequence
    header = pydicom.dcmread(paths[0])
    assert series.SeriesInstanceUID == header.SeriesInstanceUID
    assert seg.FrameOfReferenceUID == header.FrameOfReferenceUID
    uids = [one.ReferencedSOPInstanceUID for one in series.ReferencedInstanceSequence]
    assert uids == [frame.sop_instance_uid for frame in findings.frames]


def test_a_single_segment_is_identified_in_each_frame_too(tmp_path: Path) -> None:
    paths, mask = small(tmp_path)
    mask[mask == 2] = 0
    seg = seg_of(findings_on(paths, mask, segments=(RIGHT_LUNG,)), mask, paths)
    assert "SegmentIdentificationSequence" not in seg.SharedFunctionalGroupsSequence[0]
    assert {
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber for frame in seg.PerFrameFunctionalGroupsSequence
    } == {1}


def test_a_segment_says_what_it_is_who_made_it_and_how_to_draw_it(tmp_path: Path) -> None:
    paths, mask = small(tmp_path)
    right, left = seg_of(findings_on(paths, mask), mask, paths).SegmentSequence
    kind = right.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning) == ("39607008", "Right")
    algorithm = right.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (MODEL.name, MODEL.version)
    assert right.SegmentAlgorithmType == "AUTOMATIC"
    assert right.SegmentDescription.endswith("not verified; demonstration model, not for clinical use")
    assert right.TrackingUID != left.TrackingUID
    colour = highdicom.color.CIELabColor.from_dicom_value(tuple(right.RecommendedDisplayCIELabValue)).to_rgb()
    assert np.abs(np.subtract(colour, RIGHT_LUNG.colour)).max() <= 1


def test_a_segment_without_a_voxel_keeps_its_number_and_has_no_frame(tmp_path: Path) -> None:
    paths, mask = small(tmp_path)
    mask[mask == 1] = 0
    seg = seg_of(findings_on(paths, mask), mask, paths)
    assert [segment.SegmentNumber for segment in seg.SegmentSequence] == [1, 2]
    assert {
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber for frame in seg.PerFrameFunctionalGroupsSequence
    } == {2}


def test_spacing_is_measured_even_where_the_source_states_another_and_slices_are_missing_between(
    tmp_path: Path,
) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        dataset.SpacingBetweenSlices = 1.0
    paths = phantoms.write(datasets, tmp_path)
    mask = np.zeros((6, 20, 18), np.uint8)
    mask[[0, 3], 4:8, 4:8] = 1
    seg = seg_of(findings_on(paths, mask, segments=(RIGHT_LUNG,)), mask, paths)
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SpacingBetweenSlices, measures.SliceThickness) == (5.0, 5.0)
    assert list(measures.PixelSpacing) == [3.0, 3.0]


def test_it_says_that_it_is_not_verified_and_only_for_demonstration(tmp_path: Path) -> None:
    paths, mask = small(tmp_path)
    seg = seg_of(findings_on(paths, mask), mask, paths)
    assert seg.SeriesDescription == "Lungs, segmentation; AI, unverified, demo; ct_lung"
    assert seg.ContentDescription == "AI demo, unverified, not for clinical use"
    assert seg.ImageComments == "AI generated, not verified; demonstration model, not for clinical use"
    assert seg.ContentQualification == "RESEARCH"
    product = replace(MODEL, demonstration=False, title="A product with a name that is longer than the field takes")
    seg = seg_of(findings_on(paths, mask, model=product), mask, paths)
    assert seg.SeriesDescription.startswith("A product, segmentation; AI, unverified; ")
    assert len(seg.SeriesDescription) <= 64
    assert "emonstration" not in str(seg)


def test_region_and_side_of_the_body_are_those_of_the_source(tmp_path: Path) -> None:
    datasets = Phantom(slices=3, size=(16, 16), body_part="KNEE").datasets()
    for dataset in datasets:
        dataset.Laterality = "L"
    paths, mask = phantoms.write(datasets, tmp_path), boxes(3, 16, 16)
    seg = seg_of(findings_on(paths, mask), mask, paths)
    assert (seg.BodyPartExamined, seg.Laterality) == ("KNEE", "L")


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((5, 20, 18), np.uint8),
        np.zeros((6, 18, 20), np.uint8),
        np.zeros((6, 20, 18), np.int16),
        np.full((6, 20, 18), 3, np.uint8),
    ],
)
def test_a_mask_that_is_not_of_these_findings_is_refused(wrong: NDArray[np.uint8], tmp_path: Path) -> None:
    paths, _ = small(tmp_path)
    with pytest.raises(IntegrityError, match="mask"):
        write(findings_on(paths, segments=(RIGHT_LUNG, LEFT_LUNG)), wrong, paths, (), MOMENT)


def test_two_slices_in_one_place_are_refused(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    datasets[2].ImagePositionPatient = datasets[3].ImagePositionPatient
    paths = phantoms.write(datasets, tmp_path)
    mask = boxes(6, 20, 18)
    with pytest.raises(UnusableInput, match="slices do not make a segmentation"):
        write(findings_on(paths, mask), mask, paths, (), MOMENT)
