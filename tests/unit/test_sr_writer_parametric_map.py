import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import EnhancedCTImageStorage

from domain.errors import IntegrityError
from domain.findings import Findings, Map
from domain.profiles import IMPLICIT, PARAMETRIC_MAP, ResultFormat, ResultKind
from sr_writer.results import write
from tests.support import phantoms
from tests.support.findings import MOMENT, classified, findings_on, likelihoods
from tests.support.phantoms import CORONAL, OBLIQUE, SAGITTAL, Phantom
from tests.support.radiographs import Radiograph

PM = ResultFormat(ResultKind.PM, PARAMETRIC_MAP)
SMALL = Phantom(slices=4, size=(13, 7), centre=(11.25, -7.5, 400.0))


def values(frames: int = 4, size: tuple[int, int] = (13, 7)) -> NDArray[np.float32]:
    return np.random.default_rng(7).random((frames, *size), np.float32)


def mapped(
    paths: Sequence[Path], array: NDArray[np.float32], frames: tuple[int, ...] | None = None, method: str = "Grad-CAM"
) -> Findings:
    depth, rows, columns = array.shape
    one = Map("Pneumonia", method, "maps/1", "0" * 64, (depth, rows, columns), frames or tuple(range(depth)))
    return replace(findings_on(paths), maps=(one,), likelihoods=likelihoods())


def parts(
    findings: Findings, paths: Sequence[Path], *arrays: NDArray[np.float32], form: ResultFormat = PM
) -> list[bytes]:
    return [one.part10 for one in write(findings, None, paths, (), MOMENT, [form], arrays)]


def map_of(findings: Findings, paths: Sequence[Path], *arrays: NDArray[np.float32]) -> Dataset:
    (part10,) = parts(findings, paths, *arrays)
    return pydicom.dcmread(io.BytesIO(part10))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return phantoms.write(SMALL.datasets(), tmp_path)


@pytest.mark.parametrize("orientation", [phantoms.AXIAL, SAGITTAL, CORONAL, OBLIQUE])
@pytest.mark.parametrize("enhanced", [False, True])
def test_every_value_comes_back_where_it_was(orientation: tuple[float, ...], enhanced: bool, tmp_path: Path) -> None:
    phantom = replace(SMALL, orientation=orientation)
    paths = phantoms.write([phantom.enhanced()] if enhanced else phantom.datasets(), tmp_path)
    (part10,) = parts(mapped(paths, values()), paths, values())
    volume = highdicom.pm.sop.pmread(io.BytesIO(part10)).get_volume(apply_real_world_transform=True)
    # Its slices may come in the other order.
    index = np.argwhere(np.ones((4, 13, 7))) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    inverse = np.linalg.inv(phantom.affine())
    there = index @ inverse[:3, :3].T + inverse[:3, 3]
    np.testing.assert_allclose(there, there.round(), atol=1e-4)
    np.testing.assert_array_equal(values()[tuple(there.round().astype(int).T)], volume.array.reshape(-1))


def test_slices_between_those_that_a_map_speaks_of_are_zero_and_no_others_are_written(paths: list[Path]) -> None:
    array = values(2)
    dataset = map_of(mapped(paths, array, (3, 1)), paths, array)
    assert dataset.NumberOfFrames == 3
    np.testing.assert_array_equal(dataset.pixel_array[[2, 0]], array)
    assert not dataset.pixel_array[1].any()
    positions = [
        frame.PlanePositionSequence[0].ImagePositionPatient for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert [list(one) for one in positions] == [SMALL.position(k) for k in (1, 2, 3)]


def test_a_map_is_written_without_value_representations_too(paths: list[Path]) -> None:
    form = replace(PM, transfer_syntax=IMPLICIT)
    (part10,) = parts(mapped(paths, values()), paths, values(), form=form)
    dataset = pydicom.dcmread(io.BytesIO(part10))
    np.testing.assert_array_equal(dataset.pixel_array, values())


def test_each_frame_names_the_slice_that_it_lies_on(paths: list[Path]) -> None:
    dataset = map_of(mapped(paths, values()), paths, values())
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    for frame, header in zip(dataset.PerFrameFunctionalGroupsSequence, headers, strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == header.SOPInstanceUID
        assert source.SpatialLocationsPreserved == "YES"
        assert frame.PlanePositionSequence[0].ImagePositionPatient == header.ImagePositionPatient
    (series,) = dataset.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == headers[0].SeriesInstanceUID
    assert len(series.ReferencedInstanceSequence) == len(dataset.SourceImageSequence) == 4
    assert dataset.FrameOfReferenceUID == headers[0].FrameOfReferenceUID


def test_frames_of_an_enhanced_source_are_named_by_number_and_indexed_by_place(tmp_path: Path) -> None:
    paths = phantoms.write([SMALL.enhanced()], tmp_path)
    findings = mapped(paths, values())
    backwards = replace(findings, frames=findings.frames[::-1])
    for frame in map_of(backwards, paths, values()).PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPClassUID == EnhancedCTImageStorage
        assert frame.FrameContentSequence[0].DimensionIndexValues == source.ReferencedFrameNumber
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        assert list(position) == SMALL.position(source.ReferencedFrameNumber - 1)


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("class activation map", "130402"),
        ("Grad-CAM", "130403"),
        ("occlusion", "130404"),
        ("integrated gradients", "130404"),
        ("probability", "110854"),
    ],
)
def test_it_says_what_its_numbers_are_and_of_which_finding(method: str, code: str, paths: list[Path]) -> None:
    dataset = map_of(mapped(paths, values(), method=method), paths, values())
    (meaning,) = dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert (meaning.LUTLabel, meaning.LUTExplanation) == ("Pneumonia", f"Pneumonia: {method}")
    assert (meaning.RealWorldValueSlope, meaning.RealWorldValueIntercept) == (1, 0)
    unit = meaning.MeasurementUnitsCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning) == ("1", "UCUM", "no units")
    quantity, finding = (one.ConceptCodeSequence[0].CodeValue for one in meaning.QuantityDefinitionSequence)
    assert (quantity, finding) == (code, "233604007")


def test_it_says_that_it_is_not_verified_and_only_for_demonstration(paths: list[Path]) -> None:
    dataset = map_of(mapped(paths, values()), paths, values())
    assert dataset.SeriesDescription == "Pneumonia, map; AI, unverified, demo; ct_lung"
    assert dataset.ImageComments == "AI generated, not verified; demonstration model, not for clinical use"
    assert dataset.ContentDescription == "AI demo, unverified, not for clinical use"
    assert dataset.ContentQualification == "RESEARCH"


def test_it_is_shown_from_zero_to_one(paths: list[Path]) -> None:
    dataset = map_of(mapped(paths, values()), paths, values())
    shared = dataset.SharedFunctionalGroupsSequence[0]
    window = shared.FrameVOILUTSequence[0]
    assert (window.WindowCenter, window.WindowWidth, window.VOILUTFunction) == (0.5, 1, "LINEAR_EXACT")
    assert (dataset.PixelPresentation, dataset.BitsAllocated) == ("MONOCHROME", 32)


@pytest.mark.parametrize(
    ("part", "side", "expected"), [("CHEST", "", ("Chest", "U")), ("KNEE", "L", ("Anatomical Structure", "L"))]
)
def test_part_and_side_of_the_body_are_those_of_the_source(
    part: str, side: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    datasets = replace(SMALL, body_part=part).datasets()
    for dataset in datasets:
        dataset.Laterality = side
    paths = phantoms.write(datasets, tmp_path)
    shared = map_of(mapped(paths, values()), paths, values()).SharedFunctionalGroupsSequence[0]
    (anatomy,) = shared.FrameAnatomySequence
    assert (anatomy.AnatomicRegionSequence[0].CodeMeaning, anatomy.FrameLaterality) == expected


def test_each_map_has_an_object_and_a_series_of_its_own(paths: list[Path]) -> None:
    findings = mapped(paths, values())
    second = replace(findings.maps[0], label="Cardiomegaly")
    findings = replace(findings, maps=(*findings.maps, second))
    results = write(findings, None, paths, (), MOMENT, [PM], (values(), values()[::-1]))
    assert len({one.sop_instance_uid for one in results}) == len({one.series_instance_uid for one in results}) == 2
    first, other = (pydicom.dcmread(io.BytesIO(one.part10)) for one in results)
    assert "Cardiomegaly" in other.SeriesDescription
    np.testing.assert_array_equal(other.pixel_array, values()[::-1])
    assert first.DimensionOrganizationSequence != other.DimensionOrganizationSequence
    assert write(findings, None, paths[::-1], (), MOMENT, [PM], (values(), values()[::-1])) == results


def test_radiographs_without_a_place_in_the_patient_have_no_map(tmp_path: Path) -> None:
    paths = phantoms.write([Radiograph(np.zeros((8, 8), np.uint16)).dataset()], tmp_path)
    assert parts(classified(paths), paths, np.zeros((1, 8, 8), np.float32)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 13, 7), np.float32),
        np.zeros((4, 7, 13), np.float32),
        np.full((4, 13, 7), 1.01, np.float32),
        np.full((4, 13, 7), -0.01, np.float32),
        np.full((4, 13, 7), np.nan, np.float32),
    ],
)
def test_an_array_that_is_not_of_these_findings_is_refused(wrong: NDArray[np.float32], paths: list[Path]) -> None:
    with pytest.raises(IntegrityError, match="map of Pneumonia"):
        parts(mapped(paths, values()), paths, wrong)


@pytest.mark.parametrize("frames", [(0, 1, 2, 4), (0, 1, 2, 2), (-1, 0, 1, 2)])
def test_a_map_of_frames_that_are_not_there_is_refused(frames: tuple[int, ...], paths: list[Path]) -> None:
    with pytest.raises(IntegrityError, match="frames that the findings do not have"):
        parts(mapped(paths, values(), frames), paths, values())


def test_a_map_without_its_array_is_refused(paths: list[Path]) -> None:
    with pytest.raises(IntegrityError, match="0 of the findings' 1 maps"):
        parts(mapped(paths, values()), paths)
