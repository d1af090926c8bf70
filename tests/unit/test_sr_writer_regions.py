"""Every place that a model points at stands in a report of its own, with coordinates that viewers draw."""

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

from domain.errors import IntegrityError
from domain.findings import Code, Findings, Measurement, Region, Shape
from domain.profiles import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, ResultFormat, ResultKind
from sr_writer.reading import report_text
from sr_writer.results import ResultObject, write
from tests.support import phantoms
from tests.support.findings import LUNG, MOMENT, RIGHT, boxes, classified, findings_on
from tests.support.phantoms import Phantom
from tests.support.radiographs import Radiograph

NODULE = Code("27925004", "SCT", "Nodule")
DIAMETER = Measurement(Code("81827009", "SCT", "Diameter"), 14.2, Code("mm", "UCUM", "millimeter"))
CLASSES = (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR)
REGIONS = ResultFormat(ResultKind.SR_REGIONS, COMPREHENSIVE_3D_SR)

POINT = Region("Nodule", NODULE, 0, Shape.POINT, ((5.5, 6.5),), 0.75)
BOX = Region("Nodule", NODULE, 1, Shape.BOX, ((2, 3), (9, 8)), 0.91, LUNG, RIGHT, measurements=(DIAMETER,))
CONTOUR = Region("Nodule", NODULE, 3, Shape.CONTOUR, ((2, 3), (9, 3), (7.25, 9)), measurements=(DIAMETER,))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return phantoms.write(Phantom(slices=4, size=(16, 16)).datasets(), tmp_path)


def pointed(paths: list[Path], *regions: Region) -> Findings:
    return replace(findings_on(paths, segments=()), regions=regions)


def reports(findings: Findings, paths: list[Path], *forms: ResultFormat) -> tuple[ResultObject, ...]:
    return write(findings, None, paths, (), MOMENT, forms or (REGIONS,))


def groups(findings: Findings, paths: list[Path]) -> Any:
    (report,) = reports(findings, paths)
    return highdicom.sr.srread(io.BytesIO(report.part10)).content.get_planar_roi_measurement_groups()


def drawn(group: Any) -> tuple[str, list[list[float]]]:
    return group.roi.graphic_type.value, group.roi.value.tolist()


def test_each_shape_is_drawn_as_viewers_draw_it_and_outlines_are_closed(paths: list[Path]) -> None:
    found = groups(pointed(paths, POINT, BOX, CONTOUR), paths)
    assert [drawn(group) for group in found] == [
        ("POINT", [[5.5, 6.5]]),
        ("POLYLINE", [[2, 3], [9, 3], [9, 8], [2, 8], [2, 3]]),
        ("POLYLINE", [[2, 3], [9, 3], [7.25, 9], [2, 3]]),
    ]
    assert {(group.roi.name.value, group.roi.name.meaning) for group in found} == {("111030", "Image Region")}


def test_each_region_has_its_image_its_name_and_what_the_model_says_of_it(paths: list[Path]) -> None:
    findings = replace(pointed(paths, POINT, BOX, CONTOUR), engine="OpenVINO on CPU")
    found = groups(findings, paths)
    for group, region in zip(found, findings.regions, strict=True):
        (image,) = group.roi.ContentSequence
        assert image.referenced_sop_instance_uid == findings.frames[region.frame].sop_instance_uid
        assert image.referenced_frame_numbers is None
        assert (
            group.tracking_identifier
            == f"ct_lung: Nodule, image {region.frame + 1}, table position {5 * region.frame - 7.5} mm"
        )
        assert (group.finding_type.value, group.finding_type.scheme_designator) == ("27925004", "SCT")
    assert [len(group.finding_sites) for group in found] == [0, 1, 0]
    (site,) = found[1].finding_sites
    assert (site.value.value, site.laterality.value) == (LUNG.value, RIGHT.value)
    (report,) = reports(findings, paths)
    assert report.part10.count(b"Run by OpenVINO on CPU") == 3


def test_the_first_number_is_how_certain_the_model_is_else_what_was_measured_else_the_area(paths: list[Path]) -> None:
    bare = replace(CONTOUR, measurements=(replace(DIAMETER, value=math.nan),))
    corner = replace(POINT, probability=None)
    found = groups(pointed(paths, POINT, BOX, CONTOUR, bare, corner), paths)
    numbers = [
        [(one.name.meaning, round(one.value, 4), one.unit.value) for one in group.get_measurements()] for group in found
    ]
    assert numbers == [
        [("Certainty of Finding", 75, "%")],
        [("Certainty of Finding", 91, "%"), ("Diameter", 14, "mm")],
        [("Diameter", 14, "mm")],
        [("Area", 190, "mm2")],  # half of 7 by 6 pixels of 3 by 3 mm
        [],
    ]


def test_no_two_regions_share_a_tracking_uid_and_a_segment_s_outline_has_not_the_segment_s(paths: list[Path]) -> None:
    mask = boxes(4, 16, 16)
    findings = replace(findings_on(paths, mask), regions=(POINT, POINT))
    forms = (ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR), REGIONS)
    uids = []
    for report in write(findings, mask, paths, (), MOMENT, forms):
        content = highdicom.sr.srread(io.BytesIO(report.part10)).content
        every = (*content.get_planar_roi_measurement_groups(), *content.get_image_measurement_groups())
        uids += [group.tracking_uid for group in every]
    assert len(uids) == len(set(uids)) == 2 + 2 + 2
    again = write(findings, mask, paths, (), MOMENT, forms)
    assert again == write(findings, mask, paths, (), MOMENT, forms)


def test_a_segment_is_outlined_in_it_on_the_very_pixels_of_its_mask(paths: list[Path]) -> None:
    mask = boxes(4, 16, 16)
    (report,) = write(findings_on(paths, mask), mask, paths, (), MOMENT, (REGIONS,))
    content = highdicom.sr.srread(io.BytesIO(report.part10)).content
    right, _ = content.get_planar_roi_measurement_groups()
    rows, columns = np.nonzero(mask[1] == 1)
    left, top, end, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert drawn(right) == ("POLYLINE", [[left, top], [end, top], [end, bottom], [left, bottom], [left, top]])
    (area,) = right.get_measurements()
    assert (area.name.meaning, area.value, area.unit.meaning) == ("Area", 220, "square millimeter")


def test_a_box_and_its_middle_are_one_finding_and_share_its_tracking_uid(paths: list[Path]) -> None:
    around = replace(BOX, label="Nodule 1")
    middle = replace(POINT, label="Nodule 1, middle", of="Nodule 1", frame=1, probability=None)
    other = replace(BOX, label="Nodule 2")
    found = groups(pointed(paths, around, middle, other), paths)
    assert len(found) == 3
    assert found[0].tracking_uid == found[1].tracking_uid != found[2].tracking_uid
    assert found[0].tracking_identifier == found[1].tracking_identifier
    said = report_text(reports(pointed(paths, around, middle), paths)[0].part10)
    assert [line.strip() for line in said.splitlines() if "Nodule 1" in line] == [
        (name := found[0].tracking_identifier),
        f"{name}, as a point",
    ]


def test_every_group_has_coordinates_for_some_viewers_refuse_the_whole_report_else(paths: list[Path]) -> None:
    mask = boxes(4, 16, 16)
    findings = replace(findings_on(paths, mask), regions=(POINT, BOX), likelihoods=classified(paths).likelihoods)
    (result,) = write(findings, mask, paths, (), MOMENT, (REGIONS,))
    report = pydicom.dcmread(io.BytesIO(result.part10))
    (container,) = items(report, "Imaging Measurements")
    for group in container.ContentSequence:
        assert [item.ValueType for item in group.ContentSequence].count("SCOORD") == 1
    assert len(container.ContentSequence) == 4


def items(parent: Dataset, name: str) -> list[Dataset]:
    return [item for item in parent.ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == name]


@pytest.mark.parametrize("kind", [ResultKind.SR_REGIONS, ResultKind.SR, ResultKind.SR_LIKELIHOODS])
def test_a_report_is_the_same_in_each_of_its_classes(kind: ResultKind, paths: list[Path]) -> None:
    mask = boxes(4, 16, 16)
    findings = replace(findings_on(paths, mask), regions=(POINT, BOX), likelihoods=classified(paths).likelihoods)
    results = write(findings, mask, paths, (), MOMENT, [ResultFormat(kind, one) for one in CLASSES])
    datasets = [pydicom.dcmread(io.BytesIO(one.part10)) for one in results]
    assert [one.SOPClassUID for one in datasets] == sorted(CLASSES, key=lambda one: ResultFormat(kind, one).name)
    assert len({one.SOPInstanceUID for one in datasets}) == len({one.SeriesInstanceUID for one in datasets}) == 3
    for one in datasets:
        del one.SOPClassUID, one.SOPInstanceUID, one.SeriesInstanceUID
    assert datasets[0] == datasets[1] == datasets[2]


def test_nothing_is_written_where_the_model_points_at_nothing(paths: list[Path]) -> None:
    assert reports(pointed(paths), paths, *(ResultFormat(ResultKind.SR_REGIONS, one) for one in CLASSES)) == ()


def test_a_frame_of_a_multi_frame_image_is_named_by_its_number(tmp_path: Path) -> None:
    paths = phantoms.write([Phantom(slices=4, size=(16, 16)).enhanced()], tmp_path)
    (group,) = groups(pointed(paths, replace(CONTOUR, measurements=())), paths)
    assert group.roi.ContentSequence[0].referenced_frame_numbers == [4]
    (area,) = group.get_measurements()
    assert (area.value, area.unit.value) == (190, "mm2")  # 21 pixels of 9 mm2


@pytest.mark.parametrize(("spacing", "value", "unit"), [((0.2, 0.5), 3.5, "mm2"), (None, 35, "{pixels}")])
def test_a_radiograph_needs_no_place_in_the_patient(
    spacing: tuple[float, float] | None, value: float, unit: str, tmp_path: Path
) -> None:
    dataset = Radiograph(np.zeros((16, 16), np.uint16), spacing=None).dataset()
    if spacing:
        dataset.PixelSpacing = list(spacing)
    paths = phantoms.write([dataset], tmp_path)
    box = replace(BOX, frame=0, probability=None, measurements=())
    (group,) = groups(replace(classified(paths), regions=(box,)), paths)
    assert group.tracking_identifier == "cxr_findings: Nodule"
    (area,) = group.get_measurements()
    assert (area.value, area.unit.value) == (pytest.approx(value), unit)


def test_an_outline_of_more_points_than_an_attribute_holds_is_thinned(paths: list[Path]) -> None:
    angles = np.linspace(0, 2 * math.pi, 20_000, endpoint=False)
    circle = tuple((8 + 6 * math.cos(one), 8 + 6 * math.sin(one)) for one in angles)
    (group,) = groups(pointed(paths, replace(CONTOUR, points=circle)), paths)
    kept = group.roi.value
    assert 4 < len(kept) < 100
    assert np.abs(np.hypot(*(kept - 8).T) - 6).max() < 1e-4


@pytest.mark.parametrize(
    "wrong",
    [
        replace(POINT, points=()),
        replace(POINT, points=((1, 1), (2, 2))),
        replace(BOX, points=((1, 1),)),
        replace(CONTOUR, points=((1, 1), (2, 2))),
        replace(POINT, points=((-0.1, 1),)),
        replace(POINT, points=((1, 16.1),)),
        replace(BOX, points=((1, 1), (17, 2))),
        replace(POINT, points=((math.nan, 1),)),
        replace(POINT, frame=4),
        replace(POINT, probability=1.5),
    ],
)
def test_a_region_that_cannot_be_drawn_is_refused(wrong: Region, paths: list[Path]) -> None:
    with pytest.raises(IntegrityError, match="Nodule"):
        reports(pointed(paths, wrong), paths)
