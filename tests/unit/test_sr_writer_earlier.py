"""Results say which earlier study they compare with, how it was made, and by how much more or less there is now."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from domain.findings import Code, Measurement, OtherFrames
from domain.profiles import BASIC_TEXT_SR, COMPREHENSIVE_3D_SR, ResultFormat, ResultKind
from sr_writer.results import PLAIN, write
from tests.support import judges, phantoms
from tests.support.findings import LUNGS, MILLILITRE, MOMENT, VOLUME, boxes, findings_on, frames_of
from tests.support.phantoms import Phantom

NOW = Phantom(slices=3, size=(16, 16), study="now")
THEN = Phantom(slices=4, size=(16, 16), study="then")
TEXT = ResultFormat(ResultKind.TEXT, BASIC_TEXT_SR)
PERCENT = Code("%", "UCUM", "percent")


def named(value: str, meaning: str) -> Code:
    return Code(value, "99DICOMNODE", meaning)


def study(phantom: Phantom, folder: Path, **attributes: object) -> Sequence[Path]:
    datasets = list(phantom.datasets())
    for one in datasets:
        for keyword, value in attributes.items():
            setattr(one, keyword, value)
    return phantoms.write(datasets, folder)


def reports(
    now: Sequence[Path], then: Sequence[Path], folder: Path, change: float = 950.0
) -> dict[ResultKind, Dataset]:
    """A volume that is 2860 ml now, compared with the images of `then`."""
    compared = (
        Measurement(named("VOLUME-BEFORE", "Volume in the earlier study"), 1910.0, MILLILITRE),
        Measurement(named("VOLUME-CHANGE", "Change in volume"), change, MILLILITRE, signed=True),
        Measurement(named("VOLUME-PERCENT", "Relative change in volume"), 50.0, PERCENT, signed=True),
    )
    lungs = tuple(
        replace(one, measurements=(Measurement(VOLUME, 2860.0, MILLILITRE),), compared=compared) for one in LUNGS
    )
    mask = boxes(3, 16, 16)
    findings = replace(findings_on(now, mask, lungs), earlier=(OtherFrames("ct", frames_of(then)),) if then else ())
    made = write(findings, mask, now, (), MOMENT, (*PLAIN[:2], TEXT), earlier=then)
    for one in made:
        (folder / f"{one.kind}.dcm").write_bytes(one.part10)
    return {one.kind: pydicom.dcmread(io.BytesIO(one.part10)) for one in made}


def texts(dataset: Dataset) -> list[str]:
    return [str(one.value) for one in dataset.iterall() if one.keyword == "TextValue"]


def test_a_report_says_of_which_day_the_earlier_study_is_and_which_series_was_read(tmp_path: Path) -> None:
    now = study(NOW, tmp_path / "now", StudyDate="20260101")
    then = study(THEN, tmp_path / "then", StudyDate="20250210", SeriesNumber=7)
    for made in (found for kind, found in reports(now, then, tmp_path).items() if kind != ResultKind.SEG):
        said = "The earlier study is of 2025-02-10, 325 days before: series 7 (CT, 4 images)"
        assert said in texts(made)
        assert "A difference may be of breathing, of position or of how the images were made, too" in texts(made)


def test_the_images_of_the_earlier_study_are_evidence_of_the_report(tmp_path: Path) -> None:
    now, then = study(NOW, tmp_path / "now"), study(THEN, tmp_path / "then", StudyDate="20250210")
    report = reports(now, then, tmp_path)[ResultKind.SR]
    images = [pydicom.dcmread(path, stop_before_pixels=True) for path in then]
    (other,) = [
        one for one in report.PertinentOtherEvidenceSequence if one.StudyInstanceUID == images[0].StudyInstanceUID
    ]
    (series,) = other.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == images[0].SeriesInstanceUID
    assert {one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence} == {
        one.SOPInstanceUID for one in images
    }


def test_another_reconstruction_is_said_and_the_same_one_is_not(tmp_path: Path) -> None:
    made = {"ConvolutionKernel": "STANDARD", "SliceThickness": "2.500000", "ContrastBolusAgent": "IV"}
    now = study(NOW, tmp_path / "now", **made)
    same = study(THEN, tmp_path / "same", StudyDate="20250210", **{**made, "SliceThickness": "2.5"})
    other = study(THEN, tmp_path / "other", StudyDate="20250210", ConvolutionKernel="BONE", SliceThickness="5")
    assert not [one for one in texts(reports(now, same, tmp_path)[ResultKind.TEXT]) if "another way" in one]
    (said,) = [one for one in texts(reports(now, other, tmp_path)[ResultKind.TEXT]) if "another way" in one]
    assert said == (
        "The earlier study was made in another way: convolution kernel BONE, now STANDARD, "
        "slice thickness (mm) 5, now 2.5, without a contrast agent, now with one"
    )


@pytest.mark.parametrize(("change", "said"), [(950.0, "+950 ml"), (-950.0, "-950 ml"), (0.0, "0 ml")])
def test_a_difference_has_its_sign(change: float, said: str, tmp_path: Path) -> None:
    now, then = study(NOW, tmp_path / "now"), study(THEN, tmp_path / "then", StudyDate="20250210")
    made = reports(now, then, tmp_path, change)
    lines = [one for one in texts(made[ResultKind.TEXT]) if one.startswith("Right lung")]
    (line,) = lines
    compared = f"volume in the earlier study 1910 ml, change in volume {said}, relative change in volume +50 %"
    assert line == f"Right lung: volume 2860 ml, {compared}"
    assert f"{change:.0f}" in _numbers(made[ResultKind.SR])


def _numbers(dataset: Dataset) -> set[str]:
    return {str(one.value) for one in dataset.iterall() if one.keyword == "NumericValue"}


def test_without_a_comparison_nothing_is_said_of_one(tmp_path: Path) -> None:
    now = study(NOW, tmp_path / "now")
    made = reports(now, (), tmp_path)[ResultKind.TEXT]
    assert not [one for one in texts(made) if "The earlier study" in one or "A difference" in one]


@pytest.mark.slow
def test_no_judge_complains_of_a_report_that_compares(tmp_path: Path) -> None:
    now, then = study(NOW, tmp_path / "now", StudyDate="20260101"), study(THEN, tmp_path / "then", StudyDate="20250210")
    made = reports(now, then, tmp_path)
    assert made[ResultKind.SR].SOPClassUID == COMPREHENSIVE_3D_SR
    for kind in (ResultKind.SR, ResultKind.TEXT):
        assert judges.complaints(tmp_path / f"{kind}.dcm") == []
