"""The shipped package of lung nodule candidates: on nodules whose size and place are known by construction.

What it does on people was measured by `training.nodules.evaluate`, which its card states.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from domain.findings import Findings, Region, Shape
from inference_worker import golden
from inference_worker.engines.onnxruntime import OnnxRuntimeEngine
from inference_worker.pipeline import Pipeline
from inference_worker.transforms.grids import Real
from inference_worker.volume import Volume
from inference_worker.windows import Windowed
from models.registry import load_package
from tests.support.counterparts import ROOT
from training.nodules.package import NODULES

PACKAGE = load_package(ROOT / "models" / "ct_nodules")
CARD = (PACKAGE.folder / "card.md").read_text("utf-8")
EVALUATION = json.loads((PACKAGE.folder / "evaluation.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def source() -> Volume:
    (volume,) = golden.sample(PACKAGE).values()
    assert isinstance(volume, Volume)
    return volume


@pytest.fixture(scope="module")
def findings(source: Volume) -> Findings:
    outcome = Pipeline(PACKAGE, Windowed(OnnxRuntimeEngine(2)), "").run({"ct": source})
    assert golden.verdict(PACKAGE, outcome).agrees
    return outcome.findings


@pytest.fixture(scope="module")
def known(findings: Findings, source: Volume) -> dict[float, tuple[Region, Region]]:
    """Box and middle of the candidate in each nodule of the phantom, by the nodule's radius."""
    pairs = list(zip(findings.regions[::2], findings.regions[1::2], strict=True))
    return {radius: _in(_index(middle, source.affine), pairs) for middle, radius in NODULES}


def _index(middle: tuple[float, float, float], affine: Real) -> Real:
    return np.asarray(np.linalg.solve(affine, [*middle, 1.0])[:3])


def _in(at: Real, pairs: list[tuple[Region, Region]]) -> tuple[Region, Region]:
    (found,) = (pair for pair in pairs if np.abs(_place(pair[1]) - at).max() <= 2)
    return found


def _place(point: Region) -> Real:
    ((column, row),) = point.points
    return np.array([point.frame, row - 0.5, column - 0.5])


def test_every_nodule_of_the_phantom_is_reported_and_what_is_surely_one_comes_first(
    findings: Findings, known: dict[float, tuple[Region, Region]]
) -> None:
    # The phantom's vessels have knots of 10 mm, which look like the smallest of its nodules.
    assert len(known) == len(NODULES)
    assert {known[12.0][0].label, known[8.0][0].label} == {"Nodule candidate 1", "Nodule candidate 2"}
    assert [one.shape for one in findings.regions[:2]] == [Shape.BOX, Shape.POINT]


@pytest.mark.parametrize("radius", [radius for _, radius in NODULES])
def test_a_ball_is_measured_as_large_as_it_is(known: dict[float, tuple[Region, Region]], radius: float) -> None:
    box, _ = known[radius]
    measured = {one.name.meaning: one.value for one in box.measurements}
    voxel = 2.0  # mm, in the axial plane

    assert measured["Long Axis"] == pytest.approx(2 * radius, abs=voxel)
    assert measured["Short Axis"] == pytest.approx(2 * radius, abs=voxel)
    assert measured["Diameter"] == pytest.approx((measured["Long Axis"] + measured["Short Axis"]) / 2)
    assert measured["Volume"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.3)
    (left, top), (right, bottom) = box.points
    assert [(right - left) * voxel, (bottom - top) * voxel] == pytest.approx([2 * radius] * 2, abs=2 * voxel)


def test_each_candidate_says_how_likely_it_is_and_where(findings: Findings) -> None:
    boxes = [one for one in findings.regions if one.shape is Shape.BOX]
    likely = [one.probability or 0.0 for one in boxes]
    (wanted,) = PACKAGE.manifest.lesions

    assert likely == sorted(likely, reverse=True)
    assert min(likely) >= wanted.threshold
    assert {one.site.meaning for one in boxes if one.site} == {"Lung"}
    assert {len(one.measurements) for one in boxes} == {5}


def test_the_evaluation_is_of_the_network_that_ships() -> None:
    content = (PACKAGE.folder / "network.onnx").read_bytes()
    assert EVALUATION["network"] == hashlib.sha256(content).hexdigest()
    assert {one["threshold"] for one in EVALUATION["left_out"]} == {PACKAGE.manifest.lesions[0].threshold}
    assert all(one["case"] not in one["learned_from"] for one in EVALUATION["left_out"])


@pytest.mark.parametrize("one", [*EVALUATION["left_out"], *EVALUATION["learned_from"]])
def test_the_card_states_the_figures_that_were_measured(one: dict[str, object]) -> None:
    of = "not seen" if one in EVALUATION["left_out"] else "learned from"
    number = str(one["case"])[-4:]
    assert f"| LIDC-IDRI-{number}, {of} | {one['found']} of {one['of']} | {one['false_positives']} |" in CARD


def test_the_demonstration_says_that_it_is_one() -> None:
    assert PACKAGE.identity.demonstration
    assert "**Demonstration model, not for clinical use.**" in CARD
    assert "CC BY 3.0" in CARD and "10.7937/K9/TCIA.2015.LO9QL9SX" in CARD


def test_phantoms_alone_teach_a_network_where_no_ct_is(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra training` installs it")
    from dataclasses import replace  # noqa: PLC0415

    from training.nodules.recipe import RECIPE, Recipe  # noqa: PLC0415
    from training.nodules.train import PHANTOMS, export_whole, places, train  # noqa: PLC0415
    from training.recipe import read_recipe  # noqa: PLC0415

    recipe = read_recipe(RECIPE, Recipe)
    small = replace(recipe, phantoms_alone=1, phantom_shape=(64, 160, 224), schedule=replace(recipe.schedule, steps=5))
    known = places(small, None, tmp_path / "work")
    again = places(small, None, tmp_path / "work")

    assert list(known) == [PHANTOMS]
    assert len(known[PHANTOMS].nodules) > 10
    assert np.array_equal(known[PHANTOMS].others, again[PHANTOMS].others)
    assert export_whole(train(small, known), tmp_path / "network.onnx") < 1e-3
