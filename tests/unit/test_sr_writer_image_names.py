"""An image is called what the PACS calls it, wherever it is named: never by its place in the order of reading."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from domain.image_names import ImageName
from domain.profiles import ResultKind
from sr_writer.image_names import ImageNames
from sr_writer.pages.pictures import caption, views
from sr_writer.reading import report_text
from sr_writer.source import read_source
from tests.support import phantoms
from tests.support.contents import box, content_of
from tests.support.findings import boxes, findings_on, frames_of
from tests.support.phantoms import SAGITTAL, Phantom
from tests.support.radiographs import Radiograph
from tests.support.result_cases import Run, classified
from tests.support.result_files import usual


def numbered_from_the_head(folder: Path) -> Run:
    """Six slices whose numbers run against their places: the lowest, read first, is image 106."""
    datasets = Phantom(slices=6, size=(24, 24)).datasets()
    for k, dataset in enumerate(datasets):
        dataset.InstanceNumber = 106 - k
    paths, mask = phantoms.write(datasets, folder), boxes(6, 24, 24)
    return Run(replace(findings_on(paths, mask), regions=(box(4, 1, 1, 9, 9, 0.8),), key_frames=(4,)), mask, paths)


def named(dataset: Dataset, folder: Path, modality: str = "CT") -> ImageName:
    (path,) = phantoms.write([dataset], folder)
    return ImageNames(replace(read_source([path], frames_of([path]), volumetric=False), modality=modality))(0)


def words(run: Run, kind: ResultKind) -> str:
    """Every word of a result, in any element."""
    (result,) = run.results((usual(kind),))
    return pydicom.dcmread(io.BytesIO(result.part10)).to_json()


def test_a_name_is_the_image_s_own_number_and_where_it_lies() -> None:
    assert str(ImageName(85, location=-137.5, place="table position")) == "image 85, table position -137.5 mm"
    assert str(ImageName(12, series="series 3", location=4.0)) == "series 3, image 12, slice location 4.0 mm"
    assert str(ImageName(1, frame=7, location=4.0)) == "image 1 frame 7, slice location 4.0 mm"
    assert str(ImageName(location=4.0)) == "image, slice location 4.0 mm"
    assert str(ImageName()) == "image without a number"
    assert ImageName(4).capital == "Image 4"


def test_the_place_is_slice_location_where_the_image_states_it_else_that_of_the_table(tmp_path: Path) -> None:
    dataset = Phantom(slices=1, size=(8, 8), centre=(0.0, 0.0, -137.5)).datasets()[0]
    assert named(dataset, tmp_path / "1").location == -137.5
    dataset.SliceLocation = "-140.25"
    assert named(dataset, tmp_path / "2").location == -140.25


@pytest.mark.parametrize(
    ("orientation", "modality", "place"),
    [
        (phantoms.AXIAL, "CT", "table position"),
        (phantoms.AXIAL, "MR", "slice location"),
        (SAGITTAL, "CT", "slice location"),
    ],
)
def test_a_table_position_is_said_of_slices_across_the_table_alone(
    orientation: tuple[float, ...], modality: str, place: str, tmp_path: Path
) -> None:
    (dataset,) = Phantom(slices=1, size=(8, 8), orientation=orientation).datasets()
    assert named(dataset, tmp_path, modality).place == place


@pytest.mark.parametrize(
    ("orientation", "centre", "said"),
    [
        (SAGITTAL, (-32.0, 5.0, 7.0), "32.0 mm right"),
        (SAGITTAL, (12.5, 5.0, 7.0), "12.5 mm left"),
        (phantoms.CORONAL, (3.0, -20.0, 7.0), "20.0 mm anterior"),
        (phantoms.CORONAL, (3.0, 20.0, 7.0), "20.0 mm posterior"),
        (phantoms.AXIAL, (3.0, 5.0, -8.0), "8.0 mm towards the feet"),
    ],
)
def test_an_image_without_slice_location_lies_where_it_is_in_the_patient(
    orientation: tuple[float, ...], centre: tuple[float, float, float], said: str, tmp_path: Path
) -> None:
    (dataset,) = Phantom(slices=1, size=(8, 8), orientation=orientation, centre=centre).datasets()
    assert named(dataset, tmp_path, "MR").where == (said,)


def test_a_slice_location_does_not_hide_on_which_side_a_sagittal_image_lies(tmp_path: Path) -> None:
    sagittal, axial = (
        Phantom(slices=1, size=(8, 8), orientation=one, centre=(-32.0, 0.0, 0.0)).datasets()[0]
        for one in (SAGITTAL, phantoms.AXIAL)
    )
    sagittal.SliceLocation = axial.SliceLocation = "4"
    name = named(sagittal, tmp_path / "1", "MR")
    assert (name.where, name.beside) == (("slice location 4.0 mm",), ("32.0 mm right",))
    assert named(axial, tmp_path / "2", "MR").beside == ()


@pytest.mark.parametrize("wrong", ["five", "1\\2", "", "9e99999"])
def test_a_number_that_is_none_costs_no_result(wrong: str, tmp_path: Path) -> None:
    (path,) = phantoms.write([Radiograph(boxes(1, 8, 8)[0]).dataset()], tmp_path)
    damaged = path.read_bytes()
    dataset = pydicom.dcmread(io.BytesIO(damaged))
    with pydicom.config.disable_value_validation():
        dataset.add_new("InstanceNumber", "LO", wrong)
        dataset.add_new("SliceLocation", "LO", wrong)
        dataset.save_as(path)
    name = ImageNames(read_source([path], frames_of([path]), volumetric=False))(0)
    assert str(name) == "image without a number"


def of_page(run: Run) -> str:
    content = content_of(run)
    return "\n".join(" ".join(caption(content, view)) for view in views(content))


@pytest.mark.parametrize(
    "told",
    [
        of_page,
        lambda run: words(run, ResultKind.KOS),
        lambda run: words(run, ResultKind.TEXT),
        lambda run: words(run, ResultKind.SR_REGIONS),
        lambda run: words(run, ResultKind.GSPS),
        lambda run: report_text(run.results((usual(ResultKind.SR_REGIONS),))[0].part10),
    ],
    ids=["page", "key objects", "text", "report", "presentation state", "console"],
)
def test_whatever_names_an_image_names_it_as_the_archive_does(told: Callable[[Run], str], tmp_path: Path) -> None:
    run = numbered_from_the_head(tmp_path)
    numbers = {int(found) for found in re.findall(r"[Ii]mage (\d+)", told(run))}
    assert 102 in numbers  # the region on the fifth slice
    assert numbers <= set(range(101, 107))
    assert "table position 7.5 mm" in told(run)
    assert "of 6" not in told(run)


def test_frames_of_one_instance_are_told_apart(tmp_path: Path) -> None:
    paths = phantoms.write([Phantom(slices=3, size=(8, 8)).enhanced()], tmp_path)
    names = ImageNames(read_source(paths, frames_of(paths), volumetric=True))
    assert [str(names(k)) for k in (0, 2)] == [
        "image 1 frame 1, table position -5.0 mm",
        "image 1 frame 3, table position 5.0 mm",
    ]


def test_a_single_radiograph_needs_no_number(tmp_path: Path) -> None:
    run = classified(phantoms.write([Radiograph(boxes(1, 40, 40)[0]).dataset()], tmp_path))
    assert "image 1" not in words(run, ResultKind.TEXT)


def two_films(folder: Path, *series_numbers: int) -> Run:
    """Films each of which is image 1 of a series of its own."""
    films = [
        Radiograph(boxes(1, 40, 40)[0], series=str(at), series_number=number)
        for at, number in enumerate(series_numbers)
    ]
    return classified(phantoms.write([one.dataset() for one in films], folder))


@pytest.mark.parametrize(
    "told",
    [
        of_page,
        lambda run: words(run, ResultKind.KOS),
        lambda run: words(run, ResultKind.TEXT),
        lambda run: words(run, ResultKind.SR),
        lambda run: words(run, ResultKind.SR_REGIONS),
    ],
    ids=["page", "key objects", "text", "findings", "report"],
)
def test_films_of_several_series_are_named_with_these(told: Callable[[Run], str], tmp_path: Path) -> None:
    said = told(two_films(tmp_path, 2, 10))
    assert re.search(r"[sS]eries 2, image 1", said)
    assert re.search(r"[sS]eries 10, image 1", said)


def test_series_of_one_number_are_told_apart_by_their_uids(tmp_path: Path) -> None:
    names = content_of(two_films(tmp_path, 1, 1)).names
    first, second = str(names(0)), str(names(1))
    assert first != second
    assert all(re.fullmatch(r"series 1 \(\.\.\.[0-9.]{12}\), image 1", one) for one in (first, second))


def test_every_result_refers_to_each_film_in_its_own_series(tmp_path: Path) -> None:
    run = two_films(tmp_path, 2, 10)
    films = [pydicom.dcmread(path) for path in run.paths]
    own = {(one.SeriesInstanceUID, one.SOPInstanceUID) for one in films}
    for kind, images in ((ResultKind.SR, "ReferencedSOPSequence"), (ResultKind.KOS, "ReferencedSOPSequence"),
                         (ResultKind.GSPS, "ReferencedImageSequence")):  # fmt: skip
        (result,) = run.results((usual(kind),), ())
        dataset = pydicom.dcmread(io.BytesIO(result.part10))
        series = dataset if kind is ResultKind.GSPS else dataset.CurrentRequestedProcedureEvidenceSequence[0]
        referred = {
            (one.SeriesInstanceUID, image.ReferencedSOPInstanceUID)
            for one in series.ReferencedSeriesSequence
            for image in getattr(one, images)
        }
        assert referred == own, kind


def test_what_the_series_say_of_the_body_differently_is_said_of_no_result(tmp_path: Path) -> None:
    films = [Radiograph(boxes(1, 8, 8)[0], series=side).dataset() for side in "LR"]
    for film, side in zip(films, "LR", strict=True):
        film.Laterality = side
    paths = phantoms.write(films, tmp_path)
    both = read_source(paths, frames_of(paths), volumetric=False)
    assert (0x0018_0015 in both.region, 0x0020_0060 in both.region) == (True, False)
