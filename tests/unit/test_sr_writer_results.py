import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from domain.errors import Retryable, UnusableInput
from domain.findings import SourceFrame
from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, result_uid
from domain.profiles import ResultKind
from sr_writer.codes.wording import series_description
from sr_writer.results import ResultObject, write
from tests.support import phantoms
from tests.support.findings import MODEL, MOMENT, boxes, findings_on
from tests.support.judges import dciodvfy
from tests.support.phantoms import Phantom
from tests.support.result_files import usual

SMALL = Phantom(slices=4, size=(16, 16))


@pytest.fixture
def mask() -> NDArray[np.uint8]:
    return boxes(4, 16, 16)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return phantoms.write(SMALL.datasets(), tmp_path)


def opened(result: ResultObject) -> Dataset:
    return pydicom.dcmread(io.BytesIO(result.part10))


def test_the_same_findings_give_the_same_bytes_whatever_the_order_of_the_files(
    paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    findings = findings_on(paths, mask)
    first = write(findings, mask, paths, (), MOMENT)
    assert write(findings, mask.copy(), paths[::-1], (), MOMENT) == first
    assert write(findings, mask, paths, (), MOMENT + timedelta(seconds=1)) != first


def test_uids_are_functions_of_study_package_input_and_form(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    findings = findings_on(paths, mask)
    seg, sr = write(findings, mask, paths, (), MOMENT)
    study = SMALL.uid("study")
    for result in (seg, sr):
        key = (study, "ct_lung", "1.0.0", findings.model.digest, findings.input_digest)
        assert result.sop_instance_uid == result_uid(*key, result.form.name)
        assert result.series_instance_uid == result_uid(*key, f"{result.form.name}-series")
    others = [
        replace(findings, input_digest="ef" * 32),
        replace(findings, model=replace(MODEL, version="1.0.1")),
        replace(findings, model=replace(MODEL, name="ct_lung_2")),
        replace(findings, model=replace(MODEL, digest="cd" * 32)),
    ]
    uids = {seg.sop_instance_uid, sr.sop_instance_uid}
    for other in others:
        uids.update(one.sop_instance_uid for one in write(other, mask, paths, (), MOMENT))
    assert len(uids) == 10


@pytest.mark.parametrize(("part", "stated"), [(None, True), ("HAND", True), ("CHEST", False)])
def test_an_image_says_that_the_side_of_a_part_is_not_known_where_there_may_be_two(
    part: str | None, stated: bool, tmp_path: Path, mask: NDArray[np.uint8]
) -> None:
    datasets = SMALL.datasets()
    for one in datasets:
        one.pop("BodyPartExamined", None)
        if part:
            one.BodyPartExamined = part
    paths = phantoms.write(datasets, tmp_path)
    forms = [usual(kind) for kind in (ResultKind.SEG, ResultKind.GSPS, ResultKind.SC)]
    for made in write(findings_on(paths, mask), mask, paths, (), MOMENT, forms):
        result = tmp_path / f"{made.kind}.dcm"
        result.write_bytes(made.part10)
        assert dciodvfy(result) == []
        assert ("Laterality" in opened(made)) == (stated and made.kind is not ResultKind.SEG)


def test_the_side_of_the_source_is_that_of_its_results(tmp_path: Path, mask: NDArray[np.uint8]) -> None:
    datasets = SMALL.datasets()
    for one in datasets:
        one.BodyPartExamined, one.Laterality = "HAND", "L"
    paths = phantoms.write(datasets, tmp_path)
    (page,) = write(findings_on(paths, mask), mask, paths, (), MOMENT, [usual(ResultKind.SC)])
    assert opened(page).Laterality == "L"


def test_what_is_said_of_an_object_is_what_its_file_says(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    for result in write(findings_on(paths, mask), mask, paths, (), MOMENT):
        dataset = opened(result)
        meta = dataset.file_meta
        assert result.part10[128:132] == b"DICM"
        assert (dataset.SOPClassUID, meta.MediaStorageSOPClassUID) == (result.form.sop_class,) * 2
        assert (dataset.SOPInstanceUID, meta.MediaStorageSOPInstanceUID) == (result.sop_instance_uid,) * 2
        assert dataset.SeriesInstanceUID == result.series_instance_uid
        assert meta.TransferSyntaxUID == result.form.transfer_syntax == ExplicitVRLittleEndian
        assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
        assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID


@pytest.mark.parametrize(
    ("offset", "expected"),
    [("+0900", ("20260102", "120405", "+0900")), ("-0430", ("20260101", "223405", "-0430"))],
)
def test_times_are_in_the_zone_of_the_source(
    offset: str, expected: tuple[str, ...], mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        dataset.TimezoneOffsetFromUTC = offset
    paths = phantoms.write(datasets, tmp_path)
    for dataset in map(opened, write(findings_on(paths, mask), mask, paths, (), MOMENT)):
        for what in ("Content", "Series", "InstanceCreation"):
            moment = (dataset[f"{what}Date"].value, dataset[f"{what}Time"].value, dataset.TimezoneOffsetFromUTC)
            assert moment == expected


@pytest.mark.parametrize("offset", [None, "", "CET", "+9999"])
def test_without_a_zone_of_the_source_times_are_in_the_zone_that_was_given(
    offset: str | None, mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        if offset is not None:
            dataset.TimezoneOffsetFromUTC = offset
    paths = phantoms.write(datasets, tmp_path)
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    for dataset in map(opened, write(findings_on(paths, mask), mask, paths, (), moment)):
        assert (dataset.ContentTime, dataset.TimezoneOffsetFromUTC) == ("030405", "+0100")


def test_a_time_without_zone_is_refused(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="time zone"):
        write(findings_on(paths, mask), mask, paths, (), MOMENT.replace(tzinfo=None))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_sources_of_other_encodings_give_the_same_objects(
    syntax: str, paths: list[Path], mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    other = phantoms.write(replace(SMALL, transfer_syntax=syntax).datasets(), tmp_path / "other")
    findings = findings_on(paths, mask)
    assert write(findings, mask, other, (), MOMENT) == write(findings, mask, paths, (), MOMENT)


def test_files_that_the_findings_do_not_name_are_left_aside(
    paths: list[Path], mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    foreign = phantoms.write(replace(SMALL, series="2").datasets(), tmp_path / "foreign")
    findings = findings_on(paths, mask)
    assert write(findings, mask, foreign + paths, (), MOMENT) == write(findings, mask, paths, (), MOMENT)


def test_a_missing_source_instance_is_named(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    findings = findings_on(paths, mask)
    with pytest.raises(UnusableInput, match=findings.frames[2].sop_instance_uid):
        write(findings, mask, paths[:2] + paths[3:], (), MOMENT)


def test_findings_without_frames_are_refused(paths: list[Path]) -> None:
    with pytest.raises(UnusableInput, match="no source frame"):
        write(replace(findings_on(paths), frames=()), None, paths, (), MOMENT)


def test_a_frame_that_the_instance_does_not_have_is_refused(tmp_path: Path, mask: NDArray[np.uint8]) -> None:
    paths = phantoms.write([SMALL.enhanced()], tmp_path)
    findings = findings_on(paths, mask)
    beyond = (*findings.frames[:3], SourceFrame(findings.frames[0].sop_instance_uid, 5))
    with pytest.raises(UnusableInput, match="has no frame 5"):
        write(replace(findings, frames=beyond), mask, paths, (), MOMENT)


@pytest.mark.parametrize(
    ("keyword", "reason"),
    [
        ("ImagePositionPatient", r"image 1 states no Image Position \(Patient\)"),
        ("PixelSpacing", "image 1 states no Pixel Spacing"),
        ("StudyInstanceUID", "image 1 states no Study Instance UID"),
    ],
)
def test_a_source_without_geometry_or_study_is_refused_by_image_and_attribute(
    keyword: str, reason: str, mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        delattr(dataset, keyword)
    paths = phantoms.write(datasets, tmp_path)
    with pytest.raises(UnusableInput, match=reason):
        write(findings_on(paths, mask), mask, paths, (), MOMENT)


def test_results_of_a_source_without_frame_of_reference_share_one_of_their_own(
    mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        del dataset.FrameOfReferenceUID
    paths = phantoms.write(datasets, tmp_path)
    seg, sr = map(opened, write(findings_on(paths, mask), mask, paths, (), MOMENT))
    assert seg.FrameOfReferenceUID.startswith("2.25.")
    assert str(seg.FrameOfReferenceUID) in str(sr)


def test_a_file_that_is_not_dicom_is_unusable_and_one_that_is_gone_is_tried_again(
    paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    findings = findings_on(paths, mask)
    paths[1].write_bytes(b"not DICOM at all")
    with pytest.raises(UnusableInput, match="is not a DICOM file"):
        write(findings, mask, paths, (), MOMENT)
    paths[1].unlink()
    with pytest.raises(Retryable, match="cannot be opened"):
        write(findings, mask, paths, (), MOMENT)


def test_moments_before_noon_in_utc_have_six_digits(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    early = datetime(2026, 1, 2, 0, 0, 7, 999_999, tzinfo=UTC)
    for dataset in map(opened, write(findings_on(paths, mask), mask, paths, (), early)):
        assert (dataset.ContentDate, dataset.ContentTime) == ("20260102", "000007")
        assert dataset.ContributingEquipmentSequence[0].ContributionDateTime.startswith("20260102000007")


@pytest.mark.parametrize("title", ["Lungs in chest CT", "Brain tumour in MR (phantoms)", "Chest radiograph findings"])
def test_the_first_twenty_letters_of_a_series_tell_it_from_the_others(title: str) -> None:
    model = replace(MODEL, title=title)
    shown = [series_description(model, kind)[:20] for kind in ResultKind]
    assert len(set(shown)) == len(ResultKind)
    assert all(one.startswith(title.split(maxsplit=1)[0]) for one in shown)


@pytest.mark.parametrize("title", ["", "Pneumoultramicroscopicsilicosis", "肺", "(none)", "a, b", "x " * 60])
def test_a_series_says_that_nobody_has_looked_whatever_its_model_is_called(title: str) -> None:
    for kind in ResultKind:
        said = series_description(replace(MODEL, title=title), kind)
        assert "; AI, unverified, demo" in said
        assert len(said) <= 64
