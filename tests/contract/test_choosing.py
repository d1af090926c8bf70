"""The choice of series on a real PostgreSQL, from instances as they come: what is read, and what each other is told."""

import json
import random
import re
import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from typer.testing import CliRunner

from console.cli.app import app
from models.registry import Registry
from tests.support.bench import Bench
from tests.support.counterparts import ROOT
from tests.support.packages import write_package
from tests.support.phantoms import CORONAL
from tests.support.radiographs import Radiograph
from tests.support.working import SMALL, FakeChild, route, study_id, worker

SOFT = "\n[inputs.prefer]\nkernel = ['^B[1-4]']\n"


def prefers_soft(folder: Path) -> Registry:
    """The test's package with a preference for soft kernels."""
    manifest = write_package(folder) / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('modality = ["CT"]\n', f'modality = ["CT"]\n{SOFT}'))
    return Registry.load(folder)


def changed(datasets: Iterable[Dataset], **values: object) -> list[Dataset]:
    """The data sets with other values; those of None are left out."""
    made = list(datasets)
    for one in made:
        for keyword, value in values.items():
            if value is None:
                delattr(one, keyword)
            else:
                setattr(one, keyword, value)
    return made


def a_mixed_study() -> tuple[list[Dataset], set[str]]:
    """Two kernels, a coronal projection and a 4-D series with more slices, a stranger in the right series."""
    right = changed(replace(SMALL, series="4").datasets(), ConvolutionKernel="B31f")
    stranger = changed(replace(SMALL, series="4").datasets()[:1], ImagePositionPatient=None, Modality="OT")
    stranger[0].SOPInstanceUID, stranger[0].SeriesDescription = SMALL.uid("stranger"), "A"
    lung = changed(replace(SMALL, series="3").datasets(), ConvolutionKernel="B70f")
    projected = replace(SMALL, series="1", slices=16, orientation=CORONAL).datasets()
    changed(projected, ImageType=["DERIVED", "SECONDARY", "MPR", "MIP"], ConvolutionKernel="B31f")
    phases = changed(replace(SMALL, series="2", slices=12).datasets(), ConvolutionKernel="B31f")
    for one, other in zip(phases[6:], phases[:6], strict=True):
        one.ImagePositionPatient = other.ImagePositionPatient
    return [*projected, *phases, *lung, *stranger, *right], {one.SOPInstanceUID for one in (*right, *stranger)}


def read_by_the_job(bench: Bench) -> set[str]:
    """The SOP Instance UIDs of the one input of the latest job."""
    ((inputs,),) = bench.ask("SELECT inputs FROM dicom_node.jobs ORDER BY requested_at DESC LIMIT 1")
    (series,) = inputs.values()
    return {row[0] for row in bench.ask(f"SELECT sop_uid FROM dicom_node.instances WHERE series_id = '{series}'")}


def told(bench: Bench) -> dict[int | None, list[str]]:
    """What the series of each number was told in the latest decision."""
    ((refusals,),) = bench.ask("SELECT refusals FROM dicom_node.decisions ORDER BY decided_at DESC LIMIT 1")
    of_series = bench.ask("SELECT series_id::text, min(series_number) FROM dicom_node.instances GROUP BY 1")
    return {number: refusals[series] for series, number in of_series if series in refusals}


@pytest.mark.parametrize("order", ["as made", "the other way round", "shuffled", "the stranger first"])
def test_of_equal_series_the_preferred_is_read_in_every_order_of_arrival(
    bench: Bench, tmp_path: Path, order: str
) -> None:
    instances, right = a_mixed_study()
    arranged = {
        "as made": instances,
        "the other way round": instances[::-1],
        "shuffled": random.Random(order).sample(instances, len(instances)),
        "the stranger first": sorted(instances, key=lambda one: one.Modality != "OT"),
    }
    bench.receive(arranged[order])
    route(bench, prefers_soft(tmp_path / "soft"))
    assert read_by_the_job(bench) == right
    assert told(bench) == {
        1: ["its images are projections, each of many slices"],
        2: ["its 12 images lie at 6 positions: phases, echoes, b-values (4-D) or duplicates"],
        3: ["series 4 suits the model better: its kernel matches '^B[1-4]', which the model prefers"],
    }


def test_instances_that_an_earlier_release_indexed_are_chosen_among_by_what_is_known(
    bench: Bench, registry: Registry
) -> None:
    bench.receive([*SMALL.datasets(), *replace(SMALL, series="2", slices=6).datasets()])
    unknown = ("modality", "series_description", "series_number", "instance_number", "frame_of_reference", "kernel")
    columns = ", ".join(f"{one} = NULL" for one in (*unknown, "thickness", "places"))
    bench.ask(f"UPDATE dicom_node.instances SET {columns} RETURNING sop_uid")
    route(bench, registry)
    assert len(read_by_the_job(bench)) == 6
    assert told(bench) == {None: ["another series suits the model better: it has 6 slices, this one 4"]}


def test_a_lateral_beside_a_frontal_radiograph_is_left_out_and_another_lateral_makes_no_new_run(
    bench: Bench, tmp_path: Path
) -> None:
    registry = Registry.load(ROOT / "models")
    films = Registry({"cxr_findings": registry.get("cxr_findings")})
    film = Radiograph(np.zeros((8, 8), np.uint16), series="1")
    frontal, again, lateral = film, replace(film, number=2, view="AP"), replace(film, number=3, view="LL")
    bench.receive(changed([one.dataset() for one in (lateral, frontal, again)], StudyDescription="phantom"))
    route(bench, films)
    ((images,),) = bench.ask("SELECT images FROM dicom_node.jobs")
    assert set(images["image"]) == {one.dataset().SOPInstanceUID for one in (frontal, again)}
    assert told(bench) == {1: ["image 3: view is LL, not PA or AP"]}
    child = FakeChild(films)
    worker(bench, child).step()
    assert len(child.tasks[0].files["image"]) == 2
    bench.receive(changed([replace(film, number=4, view="LL").dataset()], StudyDescription="phantom"))
    route(bench, films)
    assert bench.count("jobs") == 1


def film(number: int, *views: str) -> list[Dataset]:
    """A series of radiographs of a phantom, an image a view."""
    pixels = np.full((8, 8), number, np.uint16)
    made = [
        Radiograph(pixels, series=str(number), series_number=number, number=at, view=view).dataset()
        for at, view in enumerate(views, 1)
    ]
    return changed(made, StudyDescription="phantom")


def films_of(bench: Bench) -> Registry:
    """The shipped model of radiographs alone."""
    return Registry({"cxr_findings": Registry.load(ROOT / "models").get("cxr_findings")})


def uids(*series: list[Dataset]) -> list[str]:
    return [one.SOPInstanceUID for each in series for one in each]


@pytest.mark.parametrize("order", range(3))
def test_frontal_films_of_all_series_are_one_job_that_reads_the_file_of_each(bench: Bench, order: int) -> None:
    registry, first, lateral, second = films_of(bench), film(2, "PA"), film(3, "LL"), film(10, "RL", "AP")
    sent = [*first, *lateral, *second]
    bench.receive(random.Random(order).sample(sent, len(sent)))
    route(bench, registry)
    ((inputs, images, series),) = bench.ask("SELECT inputs, images, series_id::text FROM dicom_node.jobs")
    assert images == {"image": uids(first, second[1:])}
    numbers = dict(bench.ask("SELECT series_id::text, min(series_number) FROM dicom_node.instances GROUP BY 1"))
    assert inputs == {"image": series}
    assert numbers[series] == 2
    assert told(bench) == {3: ["view is LL, not PA or AP"], 10: ["image 1: view is RL, not PA or AP"]}
    assert bench.ask("SELECT reason FROM dicom_node.decisions") == [("images of 2 series meet its intended use",)]
    child = FakeChild(registry)
    worker(bench, child).step()
    read = [dcmread(path).SOPInstanceUID for path in child.tasks[0].files["image"]]
    assert sorted(read) == sorted(images["image"])


def test_a_late_frontal_film_makes_a_new_run_of_all_and_a_late_lateral_none(bench: Bench) -> None:
    registry, first, second = films_of(bench), film(1, "PA"), film(2, "AP")
    bench.receive(first)
    route(bench, registry)
    worker(bench, FakeChild(registry)).step()
    bench.receive(film(3, "LL"))
    route(bench, registry)
    assert bench.ask("SELECT revision, images FROM dicom_node.jobs") == [(2, {})]
    bench.receive(second)
    route(bench, registry)
    jobs = bench.ask("SELECT revision, images FROM dicom_node.jobs ORDER BY requested_at, revision")
    assert jobs == [(2, {}), (3, {"image": uids(first, second)})]


def test_explain_names_every_series_of_which_films_are_read(bench: Bench, database_url: str) -> None:
    bench.receive([*film(1, "PA"), *film(2, "LL", "PA"), *film(3, "LL")])
    route(bench, films_of(bench))
    command = ["explain", str(study_id(bench)), "--database", database_url]
    answer = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    numbers = {one["id"]: one["number"] for one in answer["series"]}
    (model,) = answer["models"]
    assert [numbers[one] for one in model["images_of"]] == [1, 2]
    said = " ".join(CliRunner().invoke(app, command).stdout.split())
    both = r"series 1 \(CR, 1 image, \S+\) and series 2 \(CR, 2 images, \S+\)"
    assert re.search(rf"runs on {both}: images of 2 series meet its intended use", said)
    assert re.search(r"without some images of series 2 .*: image 1: view is LL, not PA or AP", said)
    assert re.search(r"not on series 3 .*: view is LL, not PA or AP", said)


def test_a_job_of_an_earlier_release_reads_its_whole_series(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    bench.ask("UPDATE dicom_node.jobs SET inputs = '{}' RETURNING id")
    child = FakeChild(registry)
    assert worker(bench, child).step()
    assert {name: len(files) for name, files in child.tasks[0].files.items()} == {"": 4}
    assert uuid.UUID(str(bench.ask("SELECT series_id FROM dicom_node.jobs")[0][0]))
