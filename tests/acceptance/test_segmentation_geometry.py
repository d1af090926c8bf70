"""A mask on a series, through a segmentation and out of readers that others wrote: the same voxels, the same place.

The truth is the source's own attributes, not what the writer has made of them.
"""

from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray

from domain.findings import Findings
from domain.profiles import (
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    LABEL_MAP_SEGMENTATION,
    RLE,
    SEGMENTATION,
    TRANSFER_SYNTAXES,
    ResultFormat,
    ResultKind,
)
from sr_writer.results import write
from tests.support import judges, phantoms
from tests.support.counterparts import data
from tests.support.findings import MOMENT, RIGHT_LUNG, assert_same_place, boxes, findings_on
from tests.support.label_volumes import segments
from tests.support.phantoms import CORONAL, OBLIQUE, SAGITTAL, Phantom

pytestmark = pytest.mark.slow

Labels = NDArray[np.uint8]
Masked = tuple[Findings, Labels, list[Path]]
Points = NDArray[np.float64]

BINARY = tuple(ResultFormat(ResultKind.SEG, SEGMENTATION, syntax) for syntax in (EXPLICIT, IMPLICIT, DEFLATED))
LABEL_MAP = tuple(
    ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION, syntax) for syntax in (EXPLICIT, IMPLICIT, DEFLATED, RLE)
)


def on(phantom: Phantom, folder: Path) -> Masked:
    paths, mask = phantoms.write(phantom.datasets(), folder), boxes(phantom.slices, *phantom.size)
    return findings_on(paths, mask), mask, paths


def axial(folder: Path) -> Masked:
    return on(Phantom(slices=9, size=(40, 48), spacing=(2.5, 0.7421875, 0.7421875)), folder)


def sagittal(folder: Path) -> Masked:
    return on(Phantom(slices=7, size=(32, 40), orientation=SAGITTAL, spacing=(4.0, 2.5, 3.5)), folder)


def coronal(folder: Path) -> Masked:
    return on(Phantom(slices=8, size=(40, 32), orientation=CORONAL, spacing=(3.0, 1.5, 2.5)), folder)


def oblique(folder: Path) -> Masked:
    return on(Phantom(slices=12, size=(40, 48), orientation=OBLIQUE, centre=(11.25, -7.5, 400.0)), folder)


def from_the_head_down(folder: Path) -> Masked:
    """Slices in the order of the findings that is not that of the normal."""
    phantom = Phantom(slices=9, size=(24, 16))
    paths, mask = phantoms.write(phantom.datasets(), folder)[::-1], boxes(9, 24, 16)
    return findings_on(paths, mask), mask, paths


def one_slice(folder: Path) -> Masked:
    return on(Phantom(slices=1, size=(32, 32)), folder)


def one_segment(folder: Path) -> Masked:
    _, mask, paths = on(Phantom(slices=5, size=(24, 32)), folder)
    mask[mask == 2] = 0
    return findings_on(paths, mask, (RIGHT_LUNG,)), mask, paths


def enhanced(folder: Path) -> Masked:
    phantom = Phantom(slices=12, size=(64, 48), orientation=SAGITTAL)
    paths, mask = phantoms.write([phantom.enhanced()], folder), boxes(12, 64, 48)
    return findings_on(paths, mask), mask, paths


def odd_columns(folder: Path) -> Masked:
    return on(Phantom(slices=5, size=(37, 43)), folder)


def forty_segments(folder: Path) -> Masked:
    """Strips one row high, and what is at the edges of the image."""
    _, mask, paths = on(Phantom(slices=4, size=(44, 24)), folder)
    mask[:] = 0
    for number in range(1, 41):
        mask[1:3, number + 1, 2 : 4 + number % 20] = number
    mask[0, 0, 0], mask[-1, -1, -1] = 40, 1
    return findings_on(paths, mask, segments(40)), mask, paths


def real_chest(folder: Path) -> Masked:
    """LIDC-IDRI-0001 with what is darker than -500 HU inside the chest, split between the sides of the image."""
    files = sorted(data("ct_chest_lidc0001").glob("*.dcm"))
    read = sorted(((pydicom.dcmread(path), path) for path in files), key=lambda one: float(one[0].SliceLocation))
    air = np.stack([one.pixel_array.astype(np.int32) + int(one.RescaleIntercept) < -500 for one, _ in read])
    mask = np.zeros(air.shape, np.uint8)
    mask[10:-10, 120:400, 80:250] = air[10:-10, 120:400, 80:250]
    mask[10:-10, 120:400, 262:430] = air[10:-10, 120:400, 262:430] * np.uint8(2)
    paths = [path for _, path in read]
    return findings_on(paths, mask), mask, paths


def real_enhanced(folder: Path) -> Masked:
    path = data("mr_small", "philips_enhanced", "anatomical", "001", "IM-0001-0170-0001.dcm")
    header = pydicom.dcmread(path, stop_before_pixels=True)
    mask = boxes(int(header.NumberOfFrames), header.Rows, header.Columns)
    return findings_on([path], mask), mask, [path]


PLACES = (axial, sagittal, coronal, oblique, from_the_head_down, one_slice, one_segment, enhanced, odd_columns)
CASES = (*PLACES, forty_segments, real_chest, real_enhanced)


def seg_of(case: Masked, form: ResultFormat, folder: Path) -> Path:
    (result,) = write(*case, (), MOMENT, [form])
    path = folder / "seg.dcm"
    with path.open("wb") as file:
        file.writelines(result.pieces)
    return path


@pytest.mark.parametrize("form", [BINARY[0], LABEL_MAP[0]], ids=["binary", "label map"])
@pytest.mark.parametrize("case", CASES)
def test_a_box_comes_back_at_the_same_place_in_the_patient_from_two_readers(
    case: Callable[[Path], Masked], form: ResultFormat, tmp_path: Path
) -> None:
    findings, mask, paths = case(tmp_path / "source")
    seg, truth = seg_of((findings, mask, paths), form, tmp_path), source_affine(findings, paths)
    volume = highdicom.seg.segread(seg).get_volume(combine_segments=True)
    assert_same_place(volume.affine, volume.array, truth, mask)
    assert_same_place(*by_dcmqi(seg, tmp_path / "nrrd"), truth, mask)


@pytest.mark.parametrize(
    "form", [*BINARY, *LABEL_MAP], ids=lambda one: f"{one.name}, {TRANSFER_SYNTAXES[one.transfer_syntax]}"
)
def test_every_encoding_of_it_brings_back_the_same_voxels(form: ResultFormat, tmp_path: Path) -> None:
    findings, mask, paths = odd_columns(tmp_path / "source")
    seg, truth = seg_of((findings, mask, paths), form, tmp_path), source_affine(findings, paths)
    assert pydicom.dcmread(seg).file_meta.TransferSyntaxUID == form.transfer_syntax
    volume = highdicom.seg.segread(seg).get_volume(combine_segments=True)
    assert_same_place(volume.affine, volume.array, truth, mask)
    assert_same_place(*by_dcmqi(seg, tmp_path / "nrrd"), truth, mask)
    uids = list(dict.fromkeys(frame.sop_instance_uid for frame in findings.frames))
    voxels = highdicom.seg.segread(seg).get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(voxels, mask)


def by_dcmqi(seg: Path, folder: Path) -> tuple[Points, Labels]:
    """The affine and the labels of the volumes that dcmqi writes, which lie on one grid."""
    folder.mkdir()
    judges.segimage2itkimage(seg, folder)
    images = [SimpleITK.ReadImage(str(path)) for path in sorted(folder.glob("*.nrrd"))]
    grids = {(one.GetSize(), one.GetOrigin(), one.GetSpacing(), one.GetDirection()) for one in images}
    ((_, origin, spacing, direction),) = grids
    affine = np.eye(4)
    affine[:3, :3] = (np.reshape(direction, (3, 3)) * spacing)[:, ::-1]
    affine[:3, 3] = origin
    return affine, np.sum([SimpleITK.GetArrayFromImage(one) for one in images], axis=0, dtype=np.uint8)


def source_affine(findings: Findings, paths: list[Path]) -> Points:
    """(slice, row, column, 1) to patient mm, from the source's own attributes (PS3.3 C.7.6.2.1.1)."""
    first = pydicom.dcmread(paths[0], stop_before_pixels=True)
    if "PerFrameFunctionalGroupsSequence" in first:
        shared, frames = first.SharedFunctionalGroupsSequence[0], first.PerFrameFunctionalGroupsSequence
        positions = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
        per_frame = frames[0] if "PlaneOrientationSequence" in frames[0] else shared
        orientation = per_frame.PlaneOrientationSequence[0].ImageOrientationPatient
        per_frame = frames[0] if "PixelMeasuresSequence" in frames[0] else shared
        spacing = per_frame.PixelMeasuresSequence[0].PixelSpacing
    else:
        headers = {
            one.SOPInstanceUID: one for one in (pydicom.dcmread(path, stop_before_pixels=True) for path in paths)
        }
        positions = [headers[frame.sop_instance_uid].ImagePositionPatient for frame in findings.frames]
        orientation, spacing = first.ImageOrientationPatient, first.PixelSpacing
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    start, end = np.array(positions[0], float), np.array(positions[-1], float)
    step = (end - start) / (len(positions) - 1) if len(positions) > 1 else np.cross(row, column)
    affine = np.eye(4)
    affine[:3] = np.column_stack((step, column * float(spacing[0]), row * float(spacing[1]), start))
    return affine
