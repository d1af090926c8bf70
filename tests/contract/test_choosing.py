"""The choice of series on a real PostgreSQL, from instances as they come: what is read, and what each other is told."""

import random
import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from models.registry import Registry
from tests.support.bench import Bench
from tests.support.counterparts import ROOT
from tests.support.packages import write_package
from tests.support.phantoms import CORONAL
from tests.support.radiographs import Radiograph
from tests.support.working import SMALL, FakeChild, route, worker

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


def test_a_job_of_an_earlier_release_reads_its_whole_series(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    bench.ask("UPDATE dicom_node.jobs SET inputs = '{}' RETURNING id")
    child = FakeChild(registry)
    assert worker(bench, child).step()
    assert {name: len(files) for name, files in child.tasks[0].files.items()} == {"": 4}
    assert uuid.UUID(str(bench.ask("SELECT series_id FROM dicom_node.jobs")[0][0]))
