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
from pydicom.uid import UID, ImplicitVRLittleEndian

from domain.findings import Findings
from sr_writer.content import Predecessor
from sr_writer.results import write
from tests.support import judges, phantoms
from tests.support.counterparts import data
from tests.support.findings import (
    MODEL,
    MOMENT,
    RIGHT_LUNG,
    assert_same_place,
    boxes,
    classified,
    findings_on,
    likelihoods,
)
from tests.support.phantoms import OBLIQUE, Phantom

pytestmark = pytest.mark.slow

EARLIER = (Predecessor("SR", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.21", "2.25.22"),)
Case = tuple[Findings, NDArray[np.uint8] | None, list[Path]]
Masked = tuple[Findings, NDArray[np.uint8], list[Path]]


def saved(case: Case, folder: Path, predecessors: tuple[Predecessor, ...] = ()) -> dict[str, Path]:
    results = write(*case, predecessors, MOMENT)
    files = {one.kind: folder / f"{one.kind}.dcm" for one in results}
    for one in results:
        files[one.kind].write_bytes(one.part10)
    return files


def real_chest(folder: Path) -> Masked:
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


def on(phantom: Phantom, folder: Path) -> Masked:
    paths, mask = phantoms.write(phantom.datasets(), folder), boxes(phantom.slices, *phantom.size)
    return findings_on(paths, mask), mask, paths


def enhanced(folder: Path) -> Masked:
    phantom = Phantom(slices=12, size=(64, 48))
    paths, mask = phantoms.write([phantom.enhanced()], folder), boxes(12, 64, 48)
    return findings_on(paths, mask), mask, paths


def real_enhanced(folder: Path) -> Masked:
    path = data("mr_small", "philips_enhanced", "anatomical", "001", "IM-0001-0170-0001.dcm")
    header = pydicom.dcmread(path, stop_before_pixels=True)
    mask = boxes(int(header.NumberOfFrames), header.Rows, header.Columns)
    return findings_on([path], mask), mask, [path]


def oblique(folder: Path) -> Masked:
    return on(Phantom(slices=12, size=(40, 48), orientation=OBLIQUE, centre=(11.25, -7.5, 400.0)), folder)


def odd_columns(folder: Path) -> Masked:
    return on(Phantom(slices=5, size=(37, 43)), folder)


def one_slice_one_segment(folder: Path) -> Masked:
    findings, mask, paths = on(Phantom(slices=1, size=(32, 32)), folder)
    mask[mask == 2] = 0
    return replace(findings, segments=(RIGHT_LUNG,)), mask, paths


def japanese(folder: Path) -> Masked:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    return on(Phantom(slices=4, size=(16, 16), charset=phantoms.JAPANESE, patient_name=name), folder)


def bare(folder: Path) -> Masked:
    phantom = Phantom(slices=4, size=(16, 16))
    datasets = phantom.datasets()
    for dataset in datasets:
        for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "StudyID", "ReferringPhysicianName"):
            delattr(dataset, keyword)
        del dataset.AccessionNumber, dataset.SpecificCharacterSet
    paths, mask = phantoms.write(datasets, folder), boxes(4, 16, 16)
    return findings_on(paths, mask), mask, paths


def one_empty_segment(folder: Path) -> Masked:
    findings, mask, paths = on(Phantom(slices=4, size=(16, 16)), folder)
    mask[mask == 1] = 0
    return findings, mask, paths


def nothing_found(folder: Path) -> Masked:
    findings, mask, paths = on(Phantom(slices=4, size=(16, 16)), folder)
    return findings, np.zeros_like(mask), paths


def no_segments(folder: Path) -> Masked:
    findings, mask, paths = nothing_found(folder)
    return replace(findings, segments=()), mask, paths


def run_and_remarked(folder: Path) -> Masked:
    findings, mask, paths = on(Phantom(slices=4, size=(16, 16)), folder)
    remarks = ("1 missing slice was interpolated.", "The field of view ends 12 mm below the lungs' apex.")
    return replace(findings, engine="OpenVINO on CPU", remarks=remarks), mask, paths


def segments_and_likelihoods(folder: Path) -> Masked:
    findings, mask, paths = run_and_remarked(folder)
    return replace(findings, likelihoods=likelihoods()), mask, paths


def nothing_found_and_likelihoods(folder: Path) -> Masked:
    findings, mask, paths = segments_and_likelihoods(folder)
    return findings, np.zeros_like(mask), paths


def one_image(*parts: str) -> Case:
    path = data(*parts)
    return classified([path]), None, [path]


def paediatric_cr(folder: Path) -> Case:
    return one_image("cxr_paediatric_cr", "person108_bacteria_506.dcm")


def adult_dx(folder: Path) -> Case:
    return one_image("cxr_nih_dx", "00000075_000.dcm")


def secondary_capture(folder: Path) -> Case:
    return one_image("cxr_cr", "1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm")


def received_cr(folder: Path) -> Case:
    """A MONOCHROME1 image that lies there as a bare data set, as the node's store would hold it."""
    folder.mkdir()
    dataset = pydicom.dcmread(data("cxr_cr", "implicitLittleEndian.dcm"), force=True)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = folder / "received.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return classified([path]), None, [path]


def two_radiographs(folder: Path) -> Case:
    """Two images of one series, of different sizes."""
    folder.mkdir()
    first, second = (pydicom.dcmread(data("cxr_paediatric_cr", name)) for name in ("IM-0010-0001.dcm",) * 2)
    second.SOPInstanceUID = second.file_meta.MediaStorageSOPInstanceUID = UID(f"{first.SOPInstanceUID[:-2]}77")
    second.InstanceNumber, second.Rows = 2, 200
    second.PixelData = second.PixelData[: 200 * second.Columns]
    paths = [folder / "first.dcm", folder / "second.dcm"]
    for dataset, path in zip((first, second), paths, strict=True):
        dataset.save_as(path)
    return classified(paths), None, paths


ALL = (
    real_chest, enhanced, real_enhanced, oblique, odd_columns, one_slice_one_segment, japanese, bare,
    one_empty_segment, nothing_found, no_segments, run_and_remarked, segments_and_likelihoods,
    nothing_found_and_likelihoods, paediatric_cr, adult_dx, secondary_capture, received_cr, two_radiographs,
)  # fmt: skip
RADIOGRAPHS = (paediatric_cr, adult_dx, secondary_capture, received_cr, two_radiographs)
# One source has left out what its modules require, and its own file says so when it is compared with a result.
WHOLE = tuple(case for case in RADIOGRAPHS if case is not received_cr)
WITHOUT_SEG = (nothing_found, no_segments, nothing_found_and_likelihoods, *RADIOGRAPHS)
IDENTITY = (
    "SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
    "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
    "PatientIdentityRemoved", "DeidentificationMethod",
)  # fmt: skip


@pytest.mark.parametrize("case", ALL)
def test_no_judge_complains(case: Callable[[Path], Case], tmp_path: Path) -> None:
    series = case(tmp_path / "source")
    results = saved(series, tmp_path, EARLIER)
    likely = ["SR-LIKELIHOODS"] if case is segments_and_likelihoods else []
    assert sorted(results) == (["SR"] if case in WITHOUT_SEG else ["SEG", "SR", *likely])
    assert [complaint for path in results.values() for complaint in judges.complaints(path, series[2][0])] == []


@pytest.mark.parametrize("case", [real_chest, enhanced, japanese, segments_and_likelihoods, *WHOLE])
def test_results_and_source_agree_on_patient_study_and_frame_of_reference(
    case: Callable[[Path], Case], tmp_path: Path
) -> None:
    series = case(tmp_path / "source")
    results = saved(series, tmp_path)
    assert judges.dcentvfy([*results.values(), *series[2][:3]]) == []


@pytest.mark.parametrize("case", RADIOGRAPHS)
def test_the_identity_of_a_radiograph_is_copied_byte_for_byte(case: Callable[[Path], Case], tmp_path: Path) -> None:
    series = case(tmp_path / "source")
    source, report = series[2][0], saved(series, tmp_path)["SR"]
    assert [keyword for keyword in IDENTITY if raw(source, keyword) != raw(report, keyword)] == []


def raw(path: Path, keyword: str) -> bytes:
    """The value's bytes as they lie in the file, none where there is no such element."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    return (dataset.get_item(keyword).value or b"") if keyword in dataset else b""


@pytest.mark.parametrize("case", [real_chest, enhanced, oblique, odd_columns, one_slice_one_segment, one_empty_segment])
def test_two_other_readers_find_every_voxel_where_it_was(case: Callable[[Path], Masked], tmp_path: Path) -> None:
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


def test_the_report_on_a_radiograph_reads_like_a_report(tmp_path: Path) -> None:
    text = judges.report_text(saved(paediatric_cr(tmp_path / "source"), tmp_path)["SR"])
    for line in (
        "Enhanced SR Document",
        "AI generated, not verified (demonstration): Findings in chest ra",
        '"Procedure reported")=(43468-8,LN,"XR unspecified body region")',
        '"Finding")=(233604007,SCT,"Pneumonia")',
        '"Certainty of Finding")="95.536" (%,UCUM,"Percent")',
        '"Presence of property")=(52101004,SCT,"Present")',
        '"Finding")=(8186001,SCT,"Cardiomegaly")',
        '"Certainty of Finding")="3.4" (%,UCUM,"Percent")',
        '"Presence of property")=(272519000,SCT,"Absent")',
        'IMAGE:(,,"Source of Measurement")=(CR image',
        '"Algorithm Parameters")="Reported as present from 50 % on"',
        '"Algorithm Parameters")="Run by OpenVINO on CPU"',
        '"Comment")="The radiograph was stored inverted, and was turned."',
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
