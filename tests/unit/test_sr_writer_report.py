import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes

from domain.findings import Code, Findings, Measurement
from domain.words import Resolution, quantity
from sr_writer.content import Predecessor
from sr_writer.results import ResultObject, write
from tests.support import phantoms
from tests.support.findings import (
    ATTENUATION,
    HOUNSFIELD,
    LEFT_LUNG,
    MILLILITRE,
    MODEL,
    MOMENT,
    RIGHT_LUNG,
    VOLUME,
    boxes,
    findings_on,
    measured,
)
from tests.support.phantoms import Phantom

SMALL = Phantom(slices=4, size=(16, 16))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return phantoms.write(SMALL.datasets(), tmp_path)


@pytest.fixture
def mask() -> NDArray[np.uint8]:
    return boxes(4, 16, 16)


def opened(result: ResultObject) -> Dataset:
    return pydicom.dcmread(io.BytesIO(result.part10))


def report_of(findings: Findings, mask: NDArray[np.uint8] | None, paths: list[Path]) -> Dataset:
    return opened(write(findings, mask, paths, (), MOMENT)[-1])


def items(parent: Dataset, name: str) -> list[Dataset]:
    """The content items below `parent` with this concept name, at any depth."""
    found = []
    for item in parent.get("ContentSequence", ()):
        if item.ConceptNameCodeSequence[0].CodeMeaning == name:
            found.append(item)
        found.extend(items(item, name))
    return found


def only(parent: Dataset, name: str) -> Any:
    (item,) = items(parent, name)
    return item


def comment(report: Dataset) -> str:
    return str(only(report, "Comment").TextValue)


def test_each_segment_has_a_group_that_points_at_it_with_its_measurements(
    paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    phantom = Phantom()
    seg, sr = write(findings_on(paths, mask), mask, paths, (), MOMENT)
    content = highdicom.sr.srread(io.BytesIO(sr.part10)).content
    groups = content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["ct_lung: Right lung", "ct_lung: Left lung"]
    for group, segment, described in zip(groups, (RIGHT_LUNG, LEFT_LUNG), opened(seg).SegmentSequence, strict=True):
        assert group.tracking_uid == described.TrackingUID
        assert group.referenced_segment.referenced_sop_instance_uid == seg.sop_instance_uid
        assert group.referenced_segment.referenced_segment_numbers == [segment.number]
        assert group.finding_type.value == "39607008"
        (site,) = group.finding_sites
        assert segment.laterality
        assert (site.value.value, site.laterality.value) == ("39607008", segment.laterality.value)
        volume, attenuation = group.get_measurements()
        voxels = Resolution.of(phantom.spacing)
        assert (volume.name.value, volume.unit.value) == ("118565006", "ml")
        assert quantity(segment.measurements[0], voxels).endswith(f" {volume.value:g} ml")
        assert (attenuation.name.value, attenuation.unit.value) == ("112031", "[hnsf'U]")
        assert attenuation.derivation == codes.SCT.Mean
        assert attenuation.value == round(segment.measurements[1].value)


def test_what_was_compared_with_an_earlier_study_is_numbers_of_the_group_by_codes_that_somebody_answers_for(
    paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    before, change = Code("VOLUME-BEFORE", "99MADE", "Volume before"), Code("VOLUME-CHANGE", "99MADE", "Change")
    compared = (Measurement(before, 2774.7, MILLILITRE), Measurement(change, -240.0, MILLILITRE))
    findings = findings_on(paths, mask, segments=(replace(RIGHT_LUNG, compared=compared), LEFT_LUNG))
    report = report_of(findings, mask, paths)
    first, second = items(report, "Measurement Group")
    numbers = [only(first, name).MeasuredValueSequence[0].NumericValue for name in ("Volume before", "Change")]
    assert numbers == [2770, -240]
    assert not items(second, "Change")
    (scheme,) = [one for one in report.CodingSchemeIdentificationSequence if one.CodingSchemeDesignator == "99MADE"]
    assert scheme.CodingSchemeResponsibleOrganization == MODEL.manufacturer


@pytest.mark.parametrize("derivation", [None, Code("56851009", "SCT", "Maximum")])
def test_a_measurement_is_derived_as_the_findings_say(
    derivation: Code | None, paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    attenuation = Measurement(ATTENUATION, -800.0, HOUNSFIELD, derivation)
    findings = findings_on(paths, mask, segments=(replace(RIGHT_LUNG, measurements=(attenuation,)), LEFT_LUNG))
    first = items(report_of(findings, mask, paths), "Measurement Group")[0]
    number = only(first, "Attenuation Coefficient")
    assert number.MeasuredValueSequence[0].NumericValue == -800
    stated = [item.ConceptCodeSequence[0].CodeValue for item in items(number, "Derivation")]
    assert stated == ([derivation.value] if derivation else [])


def test_what_ran_the_model_and_every_remark_can_be_read(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    remarks = ("1 missing slice was interpolated.", "The series was cut to 300 slices.")
    findings = replace(findings_on(paths, mask), engine="OpenVINO on CPU", remarks=remarks)
    report = report_of(findings, mask, paths)
    assert [str(item.TextValue) for item in items(report, "Comment")[1:]] == list(remarks)
    for group in items(report, "Measurement Group"):
        assert only(group, "Algorithm Parameters").TextValue == "Run by OpenVINO on CPU"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_measurement_without_a_value_is_left_out_and_named(
    value: float, paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    findings = findings_on(paths, mask, segments=(replace(RIGHT_LUNG, measurements=measured(1, value)), LEFT_LUNG))
    report = report_of(findings, mask, paths)
    right, left = items(report, "Measurement Group")
    assert items(right, "Attenuation Coefficient") == []
    assert len(items(left, "Attenuation Coefficient")) == len(items(right, "Volume")) == 1
    assert comment(report).endswith("Could not be measured: mean density of Right lung.")


def test_a_number_of_the_report_has_the_figures_that_the_pages_have(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    some = (
        Measurement(VOLUME, 2534.718938172654, MILLILITRE),
        Measurement(Code("103339001", "SCT", "Long Axis"), 23.6614, Code("mm", "UCUM", "millimeter")),
        Measurement(Code("246205007", "SCT", "Quantity"), 4.0, Code("1", "UCUM", "no units")),
    )
    findings = findings_on(paths, mask, segments=(replace(RIGHT_LUNG, measurements=some), LEFT_LUNG))
    first = items(report_of(findings, mask, paths), "Measurement Group")[0]
    values = [only(first, name).MeasuredValueSequence[0] for name in ("Volume", "Long Axis", "Quantity")]
    assert [str(one.NumericValue) for one in values] == ["2530", "24", "4"]
    assert not any("FloatingPointValue" in one for one in values)


def test_the_model_is_the_same_wherever_it_is_named(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    for dataset in map(opened, write(findings_on(paths, mask), mask, paths, (), MOMENT)):
        (equipment,) = dataset.ContributingEquipmentSequence
        assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        for place in (dataset, equipment):
            assert (place.Manufacturer, place.ManufacturerModelName) == (MODEL.manufacturer, MODEL.name)
            assert (place.SoftwareVersions, place.DeviceUID) == (MODEL.version, MODEL.device_uid)
            assert place.DeviceSerialNumber == MODEL.digest
    group = items(dataset, "Measurement Group")[0]
    assert only(dataset, "Device Observer UID").UID == MODEL.device_uid  # noqa: SIM300
    assert (
        only(dataset, "Device Observer Model Name").TextValue == only(group, "Algorithm Name").TextValue == MODEL.name
    )
    assert only(dataset, "Device Observer Manufacturer").TextValue == MODEL.manufacturer
    assert only(group, "Algorithm Version").TextValue == MODEL.version
    assert only(group, "Algorithm Family").ConceptCodeSequence[0].CodeValue == "123110"


def test_it_is_complete_preliminary_unverified_and_says_so_in_words(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    report = report_of(findings_on(paths, mask), mask, paths)
    assert (report.CompletionFlag, report.PreliminaryFlag) == ("COMPLETE", "PRELIMINARY")
    assert (report.VerificationFlag, report.ContentQualification) == ("UNVERIFIED", "RESEARCH")
    assert report.SeriesDescription.startswith("Lungs, report; AI, unverified")
    assert comment(report) == "AI generated, not verified; demonstration model, not for clinical use."
    product = replace(MODEL, demonstration=False)
    assert comment(report_of(findings_on(paths, mask, model=product), mask, paths)) == "AI generated, not verified."


def test_a_segment_without_a_voxel_is_reported_as_the_others_and_named(
    paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    mask[mask == 1] = 0
    report = report_of(findings_on(paths, mask), mask, paths)
    references = [one.ReferencedSOPSequence[0].ReferencedSegmentNumber for one in items(report, "Referenced Segment")]
    assert references == [1, 2]
    assert comment(report).endswith("No voxel was marked as: Right lung.")


@pytest.mark.parametrize("empty", [None, np.zeros((4, 16, 16), np.uint8)])
def test_where_no_voxel_is_marked_there_is_a_report_alone(paths: list[Path], empty: NDArray[np.uint8] | None) -> None:
    (sr,) = write(findings_on(paths), empty, paths, (), MOMENT)
    assert sr.kind == "SR"
    assert comment(opened(sr)).endswith("The model marked no voxel, so there is no segmentation.")
    assert len(items(opened(sr), "Measurement Group")) == 2


def test_findings_without_segments_make_a_report_without_measurements(paths: list[Path]) -> None:
    (sr,) = write(findings_on(paths, segments=()), None, paths, (), MOMENT)
    assert items(opened(sr), "Imaging Measurements") == []
    assert comment(opened(sr)) == "AI generated, not verified; demonstration model, not for clinical use."


def test_all_images_and_the_segmentation_are_its_evidence(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    findings = findings_on(paths, mask)
    seg, sr = write(findings, mask, paths, (), MOMENT)
    report = opened(sr)
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    evidence = {
        str(series.SeriesInstanceUID): [str(one.ReferencedSOPInstanceUID) for one in series.ReferencedSOPSequence]
        for series in study.ReferencedSeriesSequence
    }
    images = [frame.sop_instance_uid for frame in findings.frames]
    assert evidence == {SMALL.uid("1", "series"): images, seg.series_instance_uid: [seg.sop_instance_uid]}
    listed = [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in items(report, "Source")]
    assert listed == images


def test_it_names_the_report_that_it_supersedes(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    earlier = (
        Predecessor("SEG", "1.2.840.10008.5.1.4.1.1.66.4", "2.25.11", "2.25.12"),
        Predecessor("SR", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.21", "2.25.22"),
    )
    seg, sr = map(opened, write(findings_on(paths, mask), mask, paths, earlier, MOMENT))
    (study,) = sr.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == SMALL.uid("study")
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "2.25.22"
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == ["2.25.21"]
    assert "PredecessorDocumentsSequence" not in seg
    assert "PredecessorDocumentsSequence" not in report_of(findings_on(paths, mask), mask, paths)


@pytest.mark.parametrize(
    ("modality", "code"), [("CT", "25045-6"), ("MR", "25056-3"), ("DX", "43468-8"), ("", "363679005")]
)
def test_the_procedure_reported_follows_the_modality(
    modality: str, code: str, mask: NDArray[np.uint8], tmp_path: Path
) -> None:
    datasets = SMALL.datasets()
    for dataset in datasets:
        dataset.Modality = modality
    paths = phantoms.write(datasets, tmp_path)
    report = report_of(findings_on(paths, mask), mask, paths)
    assert only(report, "Procedure reported").ConceptCodeSequence[0].CodeValue == code


def test_text_of_a_model_is_written_in_characters_that_every_set_has(
    paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    model = replace(MODEL, manufacturer="Universität Zürich\\KI\n", title="Lungen 肺")
    segments = (replace(RIGHT_LUNG, label="Rechter Lungenflügel"), LEFT_LUNG)
    for result in write(findings_on(paths, mask, segments, model), mask, paths, (), MOMENT):
        dataset = opened(result)
        assert dataset.Manufacturer == "Universitat Zurich?KI?"
        assert dataset.SeriesDescription.startswith("Lungen ?, ")
        assert b"Rechter Lungenflugel" in result.part10


def test_the_names_that_viewers_look_for_are_written_to_the_letter(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    report = report_of(findings_on(paths, mask), mask, paths)
    names = {}
    pending = [report]
    while pending:
        item = pending.pop()
        (name,) = item.ConceptNameCodeSequence
        names[name.CodeValue, name.CodingSchemeDesignator] = name.CodeMeaning
        pending += item.get("ContentSequence", ())
    for value, meaning in (
        ("126000", "Imaging Measurement Report"),
        ("121049", "Language of Content Item and Descendants"),
        ("121005", "Observer Type"),
        ("121012", "Device Observer UID"),
        ("121058", "Procedure reported"),
        ("111028", "Image Library"),
        ("126010", "Imaging Measurements"),
        ("125007", "Measurement Group"),
        ("112039", "Tracking Identifier"),
        ("112040", "Tracking Unique Identifier"),
        ("111001", "Algorithm Name"),
        ("111003", "Algorithm Version"),
        ("122405", "Algorithm Manufacturer"),
        ("111000", "Algorithm Family"),
        ("121106", "Comment"),
    ):
        assert names[value, "DCM"] == meaning


def test_a_model_that_is_a_product_says_so(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    product = findings_on(paths, mask, model=replace(MODEL, product=True))
    assert report_of(product, mask, paths).ContentQualification == "PRODUCT"


def test_a_scheme_that_no_standard_knows_is_said_to_be_the_maker_s(paths: list[Path], mask: NDArray[np.uint8]) -> None:
    own = replace(RIGHT_LUNG, type=Code("LUNG-R", "99OURS", "Right lung"))
    for result in map(opened, write(findings_on(paths, mask, (own, LEFT_LUNG)), mask, paths, (), MOMENT)):
        (scheme,) = result.CodingSchemeIdentificationSequence
        assert scheme.CodingSchemeDesignator == "99OURS"
        assert scheme.CodingSchemeResponsibleOrganization == MODEL.manufacturer
    for result in map(opened, write(findings_on(paths, mask), mask, paths, (), MOMENT)):
        assert "CodingSchemeIdentificationSequence" not in result


def test_a_measurement_of_one_of_several_parts_says_so_beside_its_code(
    paths: list[Path], mask: NDArray[np.uint8]
) -> None:
    long = Measurement(Code("103339001", "SCT", "Long Axis"), 11.0, Code("mm", "UCUM", "millimeter"), part=1, parts=3)
    segments = (replace(RIGHT_LUNG, measurements=(long,)), LEFT_LUNG)
    report = opened(write(findings_on(paths, mask, segments), mask, paths, (), MOMENT)[1])
    said = "Right lung has 3 separate parts; long axis: of the largest alone."
    assert said in report.to_json()
