"""The findings as plain text, for software that reads nothing else."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from domain.findings import Code, Findings, Region, Shape
from domain.profiles import BASIC_TEXT_SR, COMPREHENSIVE_3D_SR, ResultFormat, ResultKind
from domain.words import OF_A_WHOLE, SCORE
from sr_writer.content import Predecessor
from sr_writer.reading import report_text
from sr_writer.results import ResultObject, write
from tests.support import phantoms
from tests.support.findings import LUNG, MODEL, MOMENT, RIGHT, boxes, classified, findings_on, likelihoods
from tests.support.phantoms import Phantom
from tests.support.radiographs import Radiograph

TEXT = ResultFormat(ResultKind.TEXT, BASIC_TEXT_SR)
NODULE = Region("Nodule", Code("27925004", "SCT", "Nodule"), 3, Shape.BOX, ((2, 3), (9, 8)), 0.91, LUNG, RIGHT)
CARD = ("Intended use: none.", "Limits: whatever is not a phantom.")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return phantoms.write(Phantom(slices=4, size=(16, 16)).datasets(), tmp_path)


@pytest.fixture
def findings(paths: list[Path]) -> Findings:
    return replace(
        findings_on(paths, boxes(4, 16, 16)),
        model=replace(MODEL, card=CARD),
        regions=(NODULE,),
        likelihoods=likelihoods(),
        engine="OpenVINO on CPU",
        remarks=("1 missing slice was interpolated.",),
    )


def written(findings: Findings, paths: list[Path]) -> ResultObject:
    mask = boxes(4, 16, 16) if findings.segments else None
    (result,) = write(findings, mask, paths, (), MOMENT, (TEXT,))
    return result


def opened(result: ResultObject) -> Dataset:
    return pydicom.dcmread(io.BytesIO(result.part10))


def sections(report: Dataset) -> dict[str, list[str]]:
    """The texts of each section by its heading, in their order."""
    return {
        one.ConceptNameCodeSequence[0].CodeMeaning: [
            str(item.TextValue) for item in one.ContentSequence if item.ValueType == "TEXT"
        ]
        for one in report.ContentSequence
        if one.ValueType == "CONTAINER"
    }


def test_what_is_marked_without_a_number_says_so(findings: Findings, paths: list[Path]) -> None:
    (right, left), region = findings.segments, replace(NODULE, frame=0, probability=None, measurements=())
    bare = replace(findings, segments=(replace(right, measurements=()), left), regions=(region,), likelihoods=())
    said = sections(opened(written(bare, paths)))["Findings"]
    assert said[0] == "Right lung: marked; not measured"
    assert not [one for one in said if one.rstrip().endswith(":")]


def test_the_warning_comes_first_then_a_line_for_each_finding_then_what_a_reader_must_know(
    findings: Findings, paths: list[Path]
) -> None:
    assert sections(opened(written(findings, paths))) == {
        "Summary": [
            "AI generated, not verified; demonstration model, not for clinical use",
            "Lungs in chest CT (ct_lung 1.0.0, DICOM Node project)",
        ],
        "Findings": [
            "Right lung: volume 2530 ml, mean density -812 HU",
            "Left lung: volume 2210 ml, mean density -805 HU",
            "Nodule: right lung, image 4, table position 7.5 mm, score 91 %",
            "Pneumonia: score 96 %, reported (from 50 % on)",
            "Cardiomegaly: score 3 %, not reported (from 25 % on)",
        ],
        "Current Procedure Descriptions": [
            "Read: series 1 (CT, 4 images).",
            "1 missing slice was interpolated.",
            SCORE,
            OF_A_WHOLE,
            "Run by OpenVINO on CPU.",
            *CARD,
        ],
    }


def test_where_a_side_is_not_known_the_finding_and_a_remark_say_so(findings: Findings, paths: list[Path]) -> None:
    said = sections(opened(written(replace(findings, regions=(replace(NODULE, laterality=None),)), paths)))
    assert "Nodule: lung, side not determined, image 4, table position 7.5 mm, score 91 %" in said["Findings"]
    assert "On which side of the patient was not determined: Nodule." in said["Current Procedure Descriptions"]


def test_it_holds_what_a_basic_text_report_may_hold_and_no_more(findings: Findings, paths: list[Path]) -> None:
    report = opened(written(findings, paths))
    assert report.SOPClassUID == BASIC_TEXT_SR
    (title,) = report.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodeMeaning) == ("18748-4", "Diagnostic Imaging Report")
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    # PS3.3 table A.35.1-2.
    assert {item.ValueType for item in every_item(report)} <= {"CONTAINER", "TEXT", "CODE", "UIDREF", "IMAGE", "PNAME"}


def every_item(parent: Dataset) -> list[Dataset]:
    below = list(parent.get("ContentSequence", ()))
    return below + [deeper for item in below for deeper in every_item(item)]


def test_it_is_signed_as_every_other_report(findings: Findings, paths: list[Path]) -> None:
    report = opened(written(findings, paths))
    assert (report.CompletionFlag, report.PreliminaryFlag) == ("COMPLETE", "PRELIMINARY")
    assert (report.VerificationFlag, report.ContentQualification) == ("UNVERIFIED", "RESEARCH")
    assert report.SeriesDescription.startswith("Lungs, text; AI, unverified")
    assert (report.Manufacturer, report.SoftwareVersions) == (MODEL.manufacturer, MODEL.version)
    assert report.ContributingEquipmentSequence[0].DeviceUID == report.DeviceUID == MODEL.device_uid
    context = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item
        for item in report.ContentSequence
        if item.ValueType != "CONTAINER"
    }
    assert report.DeviceUID == context["Device Observer UID"].UID
    assert context["Procedure reported"].ConceptCodeSequence[0].CodeValue == "25045-6"
    earlier = (Predecessor("TEXT", BASIC_TEXT_SR, "2.25.21", "2.25.22"),)
    (later,) = write(findings, boxes(4, 16, 16), paths, earlier, MOMENT, (TEXT,))
    assert opened(later).PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID == "2.25.22"


def test_the_images_to_look_at_first_stand_under_the_findings(findings: Findings, paths: list[Path]) -> None:
    report = opened(written(findings, paths))
    named = [item.ReferencedSOPSequence[0] for item in every_item(report) if item.ValueType == "IMAGE"]
    frames = findings.frames
    assert [one.ReferencedSOPInstanceUID for one in named] == [frames[1].sop_instance_uid, frames[3].sop_instance_uid]


def test_a_frame_of_a_multi_frame_image_is_named_by_its_number(tmp_path: Path) -> None:
    paths = phantoms.write([Phantom(slices=4, size=(16, 16)).enhanced()], tmp_path)
    report = opened(written(replace(findings_on(paths, segments=()), regions=(NODULE,)), paths))
    (image,) = [item.ReferencedSOPSequence[0] for item in every_item(report) if item.ValueType == "IMAGE"]
    assert image.ReferencedFrameNumber == 4


def test_where_the_model_finds_nothing_that_is_said(paths: list[Path]) -> None:
    report = opened(written(findings_on(paths, segments=()), paths))
    assert sections(report)["Findings"] == ["The model reports nothing."]
    assert sections(report)["Current Procedure Descriptions"] == ["Read: series 1 (CT, 4 images)."]


def test_a_radiograph_has_one_too_and_it_reads_as_text(tmp_path: Path) -> None:
    paths = phantoms.write([Radiograph(np.zeros((16, 16), np.uint16)).dataset()], tmp_path)
    said = report_text(written(classified(paths), paths).part10)
    for line in (
        "Pneumonia: score 96 %, reported (from 50 % on)",
        "The radiograph was stored inverted, and was turned.",
    ):
        assert line in said


def test_it_is_another_instance_than_the_coded_report(findings: Findings, paths: list[Path]) -> None:
    forms = (TEXT, ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR))
    results = write(findings, boxes(4, 16, 16), paths, (), MOMENT, forms)
    assert len({one.sop_instance_uid for one in results} | {one.series_instance_uid for one in results}) == 4
