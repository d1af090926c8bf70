"""Results of several inputs refer to all that was read, and show each finding where a reader looks for it."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from domain.errors import UnusableInput
from domain.findings import Findings
from domain.profiles import ResultKind
from sr_writer.codes.sentences import lines, read
from sr_writer.pages.beside import nearest, on_grid
from sr_writer.pages.captions import caption
from sr_writer.pages.pictures import views
from sr_writer.source import read_source
from tests.support import phantoms
from tests.support.contents import content_of
from tests.support.findings import frames_of
from tests.support.phantoms import OBLIQUE, Phantom, plain
from tests.support.result_cases import Run, several_inputs
from tests.support.result_files import usual


def named_in(dataset: Dataset, keyword: str) -> set[str]:
    """The instances that the sequences of this keyword refer to, wherever in the object they are."""
    return {
        str(item.ReferencedSOPInstanceUID)
        for element in dataset.iterall()
        if element.keyword == keyword
        for item in element.value
    }


def object_of(run: Run, kind: ResultKind) -> Dataset:
    return pydicom.dcmread(io.BytesIO(next(one for one in run.results((usual(kind),))).part10))


def every_uid(run: Run) -> set[str]:
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in run.paths}


@pytest.mark.parametrize(
    ("kind", "keyword"),
    [
        (ResultKind.SEG, "SourceImageSequence"),
        (ResultKind.SEG, "ReferencedInstanceSequence"),
        (ResultKind.PM, "SourceImageSequence"),
        (ResultKind.PM, "ReferencedInstanceSequence"),
        (ResultKind.SR, "ReferencedSOPSequence"),
        (ResultKind.SR_REGIONS, "ReferencedSOPSequence"),
        (ResultKind.TEXT, "ReferencedSOPSequence"),
        (ResultKind.PDF, "SourceInstanceSequence"),
    ],
)
def test_every_object_refers_to_every_image_that_was_read(kind: ResultKind, keyword: str, tmp_path: Path) -> None:
    run = several_inputs(tmp_path)
    assert every_uid(run) <= named_in(object_of(run, kind), keyword)


def test_each_series_has_an_item_of_its_own(tmp_path: Path) -> None:
    run = several_inputs(tmp_path)
    seg = object_of(run, ResultKind.SEG)
    assert [len(one.ReferencedInstanceSequence) for one in seg.ReferencedSeriesSequence] == [5, 5, 3]
    assert len({one.SeriesInstanceUID for one in seg.ReferencedSeriesSequence}) == 3


def test_a_prior_is_referred_to_under_its_own_study(tmp_path: Path) -> None:
    run = several_inputs(tmp_path)
    for path in run.paths[-3:]:
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID = "2.25.77"
        dataset.save_as(path)
    seg, sr = object_of(run, ResultKind.SEG), object_of(run, ResultKind.SR_REGIONS)
    (study,) = seg.StudiesContainingOtherReferencedInstancesSequence
    assert study.StudyInstanceUID == "2.25.77"
    assert [len(one.ReferencedInstanceSequence) for one in study.ReferencedSeriesSequence] == [3]
    assert [len(one.ReferencedInstanceSequence) for one in seg.ReferencedSeriesSequence] == [5, 5]
    evidence = (*sr.CurrentRequestedProcedureEvidenceSequence, *sr.get("PertinentOtherEvidenceSequence", ()))
    assert [one.StudyInstanceUID for one in evidence][1:] == ["2.25.77"]


def test_pages_say_which_series_were_read(tmp_path: Path) -> None:
    content = content_of(several_inputs(tmp_path))
    assert read(content) == ("series 1 (CT, 5 images); late: series 2 (CT, 5 images); native: series 3 (CT, 3 images)")
    assert any("series 1, image 3" in line.said for line in lines(content))


def test_a_finding_is_shown_on_the_input_on_which_it_is_looked_for(tmp_path: Path) -> None:
    content = content_of(several_inputs(tmp_path))
    shown = {label: view for view in views(content) for label in view.why.split(", ")}
    assert (shown["Left lung"].on, shown["Right lung"].on) == ("late", "")
    assert caption(content, shown["Left lung"])[0].startswith("Series 2, image ")


def test_what_was_read_survives_the_way_through_the_store(tmp_path: Path) -> None:
    findings = several_inputs(tmp_path).findings
    assert Findings.from_json(findings.to_json()) == findings
    earlier = {key: value for key, value in findings.to_json().items() if key != "others"}
    assert Findings.from_json(earlier) == replace(findings, others=())


def test_an_image_of_another_input_that_is_not_there_is_refused(tmp_path: Path) -> None:
    run = several_inputs(tmp_path)
    with pytest.raises(UnusableInput, match="1 images of input native are not there"):
        replace(run, paths=run.paths[:-1]).results((usual(ResultKind.SC),))


def stacks(folder: Path) -> Iterator[tuple[Phantom, Phantom]]:
    fine = Phantom(body=plain, slices=6, size=(40, 44), spacing=(4.0, 3.0, 3.0))
    yield fine, replace(fine, series="2", size=(26, 30), spacing=(5.0, 5.0, 4.0), centre=(6.0, -9.0, 1.0))
    tilted = replace(fine, orientation=OBLIQUE)
    yield tilted, replace(tilted, series="2", size=(50, 60), spacing=(4.0, 2.0, 2.5))


def test_a_slice_of_another_series_lies_where_it_lies_in_the_patient(tmp_path: Path) -> None:
    """The body is a ramp along each axis, so that a shift of a fraction of a pixel would show."""
    for number, (fine, coarse) in enumerate(stacks(tmp_path)):
        paths = [phantoms.write(one.datasets(), tmp_path / f"{number}{k}") for k, one in enumerate((fine, coarse))]
        first, second = (read_source(one, frames_of(one), volumetric=True) for one in paths)
        assert first.volume and second.volume
        k = nearest(first.volume, 3, second)
        assert k is not None
        values = (coarse.hounsfield()[k].astype(float) + 600) / 5  # of 0 to 255, as a picture has them
        moved = on_grid(values.round().astype(np.uint8), (second.volume, k), (first.volume, 3)).astype(float)
        apart = np.cross(*np.reshape(fine.orientation, (2, 3)))
        gap = float((np.array(fine.position(3)) - coarse.position(k)) @ apart)
        expected = (fine.hounsfield()[3] - gap * float(apart @ (1, 2, 3)) + 600) / 5
        inside = moved > 0
        assert inside.mean() > 0.5
        assert np.abs(moved - expected)[8:-8, 8:-8][inside[8:-8, 8:-8]].max() < 1.5


def test_a_series_that_lies_elsewhere_or_otherwise_is_not_shown_for_another(tmp_path: Path) -> None:
    fine = Phantom(slices=4, size=(16, 16))
    paths = phantoms.write(fine.datasets(), tmp_path / "1")
    volume = read_source(paths, frames_of(paths), volumetric=True).volume
    assert volume is not None
    away = replace(fine, series="2", centre=(0.0, 0.0, 500.0))
    turned = replace(fine, series="3", orientation=phantoms.SAGITTAL)
    for number, other in enumerate((away, turned), 2):
        paths = phantoms.write(other.datasets(), tmp_path / str(number))
        assert nearest(volume, 1, read_source(paths, frames_of(paths), volumetric=True)) is None
    alien = fine.datasets()
    for dataset in alien:
        dataset.FrameOfReferenceUID = "2.25.9"
    paths = phantoms.write(alien, tmp_path / "4")
    assert nearest(volume, 1, read_source(paths, frames_of(paths), volumetric=True)) is None
