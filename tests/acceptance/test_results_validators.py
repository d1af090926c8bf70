"""Results on real and odd series before judges that others wrote: no complaint, and every voxel where it was."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from domain.findings import Findings
from sr_writer.results import Predecessor, write
from tests.support import judges, phantoms
from tests.support.counterparts import data
from tests.support.findings import (
    MODEL,
    MOMENT,
    RIGHT_LUNG,
    assert_same_place,
    boxes,
    findings_on,
)
from tests.support.phantoms import OBLIQUE, Phantom

pytestmark = pytest.mark.slow

EARLIER = (Predecessor("SR", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.21", "2.25.22"),)
Case = tuple[Findings, NDArray[np.uint8], list[Path]]


def saved(case: Case, folder: Path, predecessors: tuple[Predecessor, ...] = ()) -> dict[str, Path]:
    results = write(*case, predecessors, MOMENT)
    files = {one.kind: folder / f"{one.kind}.dcm" for one in results}
    for one in results:
        files[one.kind].write_bytes(one.part10)
    return files


def real_chest(folder: Path) -> Case:
    """LIDC-IDRI-0001 with what is darker than -500 HU inside the chest, split between the sides of the image."""
    files = sorted(data("ct_chest_lidc0001").glob("*.dcm"))
    slices = sorted(map(pydicom.dcmread, files), key=lambda one: float(one.ImagePositionPatient[2]))
    air = np.stack([one.pixel_array.astype(np.int32) + int(one.RescaleIntercept) < -500 for one in slices])
    mask = np.zeros(air.shape, np.uint8)
    mask[10:-10, 120:400, 80:250] = air[10:-10, 120:400, 80:250]
    mask[10:-10, 120:400, 262:430] = air[10:-10, 120:400, 262:430] * np.uint8(2)
    by_uid = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in files}
    paths = [by_uid[str(one.SOPInstanceUID)] for one in slices]
    return findings_on(paths, mask), mask, paths


def on(phantom: Phantom, folder: Path) -> Case:
    paths, mask = phantoms.write(phantom.datasets(), folder), boxes(phantom.slices, *phantom.size)
    return findings_on(paths, mask), mask, paths


def enhanced(folder: Path) -> Case:
    phantom = Phantom(slices=12, size=(64, 48))
    paths, mask = phantoms.write([phantom.enhanced()], folder), boxes(12, 64, 48)
    return findings_on(paths, mask), mask, paths


def real_enhanced(folder: Path) -> Case:
    path = data("mr_small", "philips_enhanced", "anatomical", "001", "IM-0001-0170-0001.dcm")
    header = pydicom.dcmread(path, stop_before_pixels=True)
    mask = boxes(int(header.NumberOfFrames), header.Rows, header.Columns)
    return findings_on([path], mask), mask, [path]


def oblique(folder: Path) -> Case:
    return on(Phantom(slices=12, size=(40, 48), orientation=OBLIQUE, centre=(11.25, -7.5, 400.0)), folder)


def odd_columns(folder: Path) -> Case:
    return on(Phantom(slices=5, size=(37, 43)), folder)


def one_slice_one_segment(folder: Path) -> Case:
    findings, mask, paths = on(Phantom(slices=1, size=(32, 32)), folder)
    mask[mask == 2] = 0
    return replace(findings, segments=(RIGHT_LUNG,)), mask, paths


def japanese(folder: Path) -> Case:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    return on(Phantom(slices=4, size=(16, 16), charset=phantoms.JAPANESE, patient_name=name), folder)


def bare(folder: Path) -> Case:
    phantom = Phantom(slices=4, size=(16, 16))
    datasets = phantom.datasets()
    for dataset in datasets:
        for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "StudyID", "ReferringPhysicianName"):
            delattr(dataset, keyword)
        del dataset.AccessionNumber, dataset.SpecificCharacterSet
    paths, mask = phantoms.write(datasets, folder), boxes(4, 16, 16)
    return findings_on(paths, mask), mask, paths


def one_empty_segment(folder: Path) -> Case:
    findings, mask, paths = on(Phantom(slices=4, size=(16, 16)), folder)
    mask[mask == 1] = 0
    return findings, mask, paths


def nothing_found(folder: Path) -> Case:
    findings, mask, paths = on(Phantom(slices=4, size=(16, 16)), folder)
    return findings, np.zeros_like(mask), paths


def no_segments(folder: Path) -> Case:
    findings, mask, paths = nothing_found(folder)
    return replace(findings, segments=()), mask, paths


ALL = (
    real_chest, enhanced, real_enhanced, oblique, odd_columns, one_slice_one_segment, japanese, bare,
    one_empty_segment, nothing_found, no_segments,
)  # fmt: skip
WITHOUT_SEG = (nothing_found, no_segments)


@pytest.mark.parametrize("case", ALL)
def test_no_judge_complains(case: Callable[[Path], Case], tmp_path: Path) -> None:
    series = case(tmp_path / "source")
    results = saved(series, tmp_path, EARLIER)
    assert sorted(results) == (["SR"] if case in WITHOUT_SEG else ["SEG", "SR"])
    assert [complaint for path in results.values() for complaint in judges.complaints(path, series[2][0])] == []


@pytest.mark.parametrize("case", [real_chest, enhanced, japanese])
def test_results_and_source_agree_on_patient_study_and_frame_of_reference(
    case: Callable[[Path], Case], tmp_path: Path
) -> None:
    series = case(tmp_path / "source")
    results = saved(series, tmp_path)
    assert judges.dcentvfy([*results.values(), *series[2][:3]]) == []


@pytest.mark.parametrize("case", [real_chest, enhanced, oblique, odd_columns, one_slice_one_segment, one_empty_segment])
def test_two_other_readers_find_every_voxel_where_it_was(case: Callable[[Path], Case], tmp_path: Path) -> None:
    findings, mask, paths = case(tmp_path / "source")
    seg = saved((findings, mask, paths), tmp_path)["SEG"]
    truth = source_affine(findings, paths)
    volume = highdicom.seg.segread(seg).get_volume(combine_segments=True)
    assert_same_place(volume.affine, volume.array, truth, mask)
    (tmp_path / "nrrd").mkdir()
    assert judges.segimage2itkimage(seg, tmp_path / "nrrd") == []
    files = sorted((tmp_path / "nrrd").glob("*.nrrd"))
    for number, file in zip([segment.number for segment in findings.segments], files, strict=True):
        affine, labels = nrrd(file)
        assert_same_place(affine, labels.astype(bool), truth, (mask == number).astype(np.uint8))


def source_affine(findings: Findings, paths: list[Path]) -> NDArray[np.float64]:
    """(slice, row, column, 1) to patient mm, from the source's own attributes (PS3.3 C.7.6.2.1.1)."""
    first = pydicom.dcmread(paths[0], stop_before_pixels=True)
    if "PerFrameFunctionalGroupsSequence" in first:
        shared, frames = first.SharedFunctionalGroupsSequence[0], first.PerFrameFunctionalGroupsSequence
        positions = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
        orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    else:
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
        positions = [header.ImagePositionPatient for header in headers]
        orientation, spacing = first.ImageOrientationPatient, first.PixelSpacing
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    start, end = np.array(positions[0], float), np.array(positions[-1], float)
    step = (end - start) / (len(positions) - 1) if len(positions) > 1 else np.cross(row, column)
    affine = np.eye(4)
    affine[:3] = np.column_stack((step, column * float(spacing[0]), row * float(spacing[1]), start))
    return affine


def nrrd(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """The affine (first axis fastest in the file, so last here) and the labels of a gzip-encoded NRRD file in LPS."""
    header, _, content = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in header.decode("ascii").splitlines() if ": " in line)
    assert (fields["type"], fields["encoding"], fields["space"]) == ("short", "gzip", "left-posterior-superior")
    sizes = [int(size) for size in fields["sizes"].split()]
    vectors = [[float(value) for value in part.strip("()").split(",")] for part in fields["space directions"].split()]
    origin = [float(value) for value in fields["space origin"].strip("()").split(",")]
    affine = np.eye(4)
    affine[:3] = np.column_stack((vectors[2], vectors[1], vectors[0], origin))
    return affine, np.frombuffer(gzip.decompress(content), "<i2").reshape(sizes[::-1])


def test_the_report_reads_like_a_report(tmp_path: Path) -> None:
    text = judges.report_text(saved(on(Phantom(slices=4, size=(16, 16)), tmp_path / "source"), tmp_path)["SR"])
    for line in (
        "Comprehensive 3D SR Document",
        "AI generated, not verified (demonstration): Lungs in chest CT",
        "Verification Flag   : UNVERIFIED",
        '"Finding Site")=(39607008,SCT,"Lung")',
        '"Laterality")=(24028007,SCT,"Right")',
        '"Laterality")=(7771000,SCT,"Left")',
        '"Volume")="2534.72" (ml,UCUM,"milliliter")',
        '"Attenuation Coefficient")="-812.34" ([hnsf\'U],UCUM,"Hounsfield unit")',
        '"Derivation")=(373098007,SCT,"Mean")',
        '"Comment")="AI generated, not verified; demonstration model, not for clinical use."',
    ):
        assert line in text


def test_the_judges_do_find_what_is_wrong(tmp_path: Path) -> None:
    results = saved(on(Phantom(slices=4, size=(16, 16)), tmp_path / "source"), tmp_path)
    seg, sr = pydicom.dcmread(results["SEG"]), pydicom.dcmread(results["SR"])
    del seg.SegmentSequence
    seg.save_as(results["SEG"])
    del sr.CompletionFlag
    (measurements,) = (
        item for item in sr.ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurements"
    )
    group = measurements.ContentSequence[0]
    group.ContentSequence = [item for item in group.ContentSequence if item.ValueType not in ("IMAGE", "NUM")]
    sr.save_as(results["SR"])
    judged = {judge.__name__: judge(results["SR"]) for judge in (judges.dciodvfy, judges.dsrdump, judges.pixelmed)}
    assert [name for name, said in judged.items() if not said] == []
    assert judges.segimage2itkimage(results["SEG"])
    assert judges.dciodvfy(results["SEG"])
    assert judges.highdicom_reads(results["SEG"])
    results["SR"].write_bytes(results["SR"].read_bytes()[:400])
    assert judges.tid1500reader(results["SR"])
    assert judges.dsrdump(results["SR"])


def test_the_model_that_is_not_for_demonstration_does_not_say_so(tmp_path: Path) -> None:
    findings, mask, paths = on(Phantom(slices=4, size=(16, 16)), tmp_path / "source")
    product = replace(findings, model=replace(MODEL, demonstration=False))
    text = judges.report_text(saved((product, mask, paths), tmp_path)["SR"])
    assert "AI generated, not verified" in text
    assert "emonstration" not in text
