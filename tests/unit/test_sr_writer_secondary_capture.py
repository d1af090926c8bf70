"""A page as a picture: for every viewer, with every finding, and with nobody's name on it."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import FileDataset

from domain.profiles import SECONDARY_CAPTURE, ResultFormat, ResultKind
from sr_writer.pages.drawing import AMBER
from tests.support import phantoms, result_cases
from tests.support.contents import NODULE, box, ramp
from tests.support.findings import MODEL, RIGHT_LUNG, classified, findings_on
from tests.support.phantoms import Phantom
from tests.support.radiographs import Radiograph
from tests.support.result_cases import Run

FORM = ResultFormat(ResultKind.SC, SECONDARY_CAPTURE)


def page(run: Run) -> FileDataset:
    (result,) = run.results((FORM,))
    return pydicom.dcmread(io.BytesIO(result.part10))


def radiograph(folder: Path, **elements: object) -> Run:
    dataset = Radiograph(ramp()).dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    paths = phantoms.write([dataset], folder)
    return Run(replace(classified(paths), maps=()), None, paths)


def test_it_is_a_picture_that_a_workstation_made(tmp_path: Path) -> None:
    dataset = page(result_cases.segments_alone(tmp_path))
    assert (dataset.SOPClassUID, dataset.Modality, dataset.ConversionType) == (SECONDARY_CAPTURE, "OT", "WSD")
    assert list(dataset.ImageType) == ["DERIVED", "SECONDARY"]
    assert dataset.SeriesDescription == "Lungs, page; AI, unverified, demo; ct_lung"
    assert dataset.ImageComments == "AI generated, not verified; demonstration model, not for clinical use"
    assert (dataset.Manufacturer, dataset.ManufacturerModelName) == (MODEL.manufacturer, MODEL.name)
    assert dataset.SoftwareVersions == MODEL.version
    pixels = dataset.pixel_array
    assert (pixels.dtype, pixels.shape) == (np.dtype(np.uint8), (dataset.Rows, dataset.Columns, 3))
    assert 1024 <= dataset.Columns <= 1600


@pytest.mark.parametrize(("stated", "said"), [(None, None), ("", None), ("NO", "NO"), ("YES", "NO")])
def test_it_says_of_burned_in_names_only_what_its_images_say(
    stated: str | None, said: str | None, tmp_path: Path
) -> None:
    """An image that says that it has them is not on the page, so that what is there has none."""
    run = radiograph(tmp_path, **({} if stated is None else {"BurnedInAnnotation": stated}))
    assert page(run).get("BurnedInAnnotation") == said


def test_the_warning_stands_above_everything(tmp_path: Path) -> None:
    band = page(result_cases.segments_alone(tmp_path)).pixel_array[:48]
    assert (band == AMBER).all(axis=-1).mean() > 0.8
    assert (band == (0, 0, 0)).all(axis=-1).any()


def test_every_finding_has_its_colour_in_the_table(tmp_path: Path) -> None:
    run = result_cases.everything(tmp_path)
    pixels = page(run).pixel_array[-700:]
    found = [(one.label, one.colour) for one in run.findings.segments]
    found += [(one.label, one.colour) for one in run.findings.regions]
    for label, colour in found:
        assert (pixels[:, 32:64] == colour).all(axis=-1).sum() >= 100, label


def test_there_is_a_page_when_nothing_was_found(tmp_path: Path) -> None:
    run = result_cases.no_segments(tmp_path)
    dataset = page(run)
    (source,) = dataset.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == run.findings.frames[2].sop_instance_uid


def test_the_images_that_are_on_it_are_referred_to(tmp_path: Path) -> None:
    run = result_cases.enhanced(tmp_path)
    items = page(run).SourceImageSequence
    assert {item.ReferencedSOPInstanceUID for item in items} == {run.findings.frames[0].sop_instance_uid}
    frames = [item.ReferencedFrameNumber for item in items]
    assert frames == sorted(set(frames))
    assert {1, 4, 6} <= set(frames)  # those with a region
    assert {item.PurposeOfReferenceCodeSequence[0].CodeValue for item in items} == {"121322"}


def test_the_same_findings_give_the_same_bytes_and_others_another_instance(tmp_path: Path) -> None:
    run = result_cases.everything(tmp_path)
    (first,), (again,) = run.results((FORM,)), run.results((FORM,))
    assert first == again
    other = replace(run, findings=replace(run.findings, input_digest="99" * 32))
    (second,) = other.results((FORM,))
    assert first.sop_instance_uid != second.sop_instance_uid
    assert first.series_instance_uid != second.series_instance_uid
    (implicit,) = run.results((ResultFormat(ResultKind.SC, SECONDARY_CAPTURE, "1.2.840.10008.1.2"),))
    seen = pydicom.dcmread(io.BytesIO(implicit.part10))
    np.testing.assert_array_equal(seen.pixel_array, page(run).pixel_array)


def test_no_pixel_depends_on_who_the_patient_is(tmp_path: Path) -> None:
    one = radiograph(tmp_path / "1", PatientName="Quuxworth^Y", PatientID="PX-77", StudyDescription="of Quuxworth")
    two = radiograph(tmp_path / "2", PatientName="A^B", PatientID="C", StudyDescription="D", AccessionNumber="E")
    np.testing.assert_array_equal(page(one).pixel_array, page(two).pixel_array)


def test_a_lossy_source_makes_a_lossy_page(tmp_path: Path) -> None:
    lossy = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": 12,
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    dataset = page(radiograph(tmp_path, **lossy))
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 12)
    assert dataset.LossyImageCompressionMethod == "ISO_10918_1"


def test_an_image_that_cannot_be_decoded_does_not_cost_the_page(tmp_path: Path) -> None:
    whole = page(radiograph(tmp_path / "1"))
    without = page(radiograph(tmp_path / "2", PixelData=b"\0\0"))
    assert without.Rows < whole.Rows
    table = slice(-200, None)
    np.testing.assert_array_equal(without.pixel_array[table], whole.pixel_array[table])


def test_a_long_list_of_findings_is_cut_and_says_so(tmp_path: Path) -> None:
    paths = phantoms.write(Phantom(slices=1, size=(16, 16)).datasets(), tmp_path)
    heights = []
    for count in (40, 41, 80):
        regions = tuple(box(0, 1, 1, 5, 5) for _ in range(count))
        findings = replace(findings_on(paths, segments=()), regions=regions)
        heights.append(page(Run(findings, None, paths)).Rows)
    assert heights[0] < heights[1] == heights[2]


@pytest.mark.parametrize("label", ["Lunge, größer", "肺", "a\\b", "x" * 300, ""])
def test_odd_names_do_not_break_it(label: str, tmp_path: Path) -> None:
    run = result_cases.segments_alone(tmp_path)
    findings = replace(
        run.findings,
        segments=(replace(RIGHT_LUNG, label=label), *run.findings.segments[1:]),
        regions=(replace(box(0, 1, 1, 5, 5), label=label, finding=NODULE),),
        remarks=(label,),
        model=replace(run.findings.model, title=label or "t"),
    )
    assert page(replace(run, findings=findings)).Rows > 500
