"""The shipped chest package: what its card, evaluation and manifest say is what its network does."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from inference_worker.images import Images

pytest.importorskip("tqdm", reason="tqdm is not installed; `uv sync --extra training` installs it")

from domain.errors import UnusableInput
from domain.findings import SourceFrame
from inference_worker import golden
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.images import Picture
from inference_worker.pipeline import Pipeline
from inference_worker.transforms import inputs
from models.registry import load_package, verify
from training.chest.evaluate import probabilities
from training.chest.findings import FINDINGS
from training.chest.package import with_thresholds
from training.chest.radiographs import phantom_pool, prepare
from training.chest.recipe import RECIPE, Phantoms, Recipe
from training.metrics import known_auroc
from training.recipe import read_recipe

PACKAGE = Path(__file__).parents[2] / "models" / "cxr_findings"
NETWORK = PACKAGE / "network.onnx"
TEN_MEGABYTES = 10_000_000


@pytest.fixture(scope="module")
def evaluation() -> Any:
    return json.loads((PACKAGE / "evaluation.json").read_text("utf-8"))


def test_the_package_is_whole_and_small() -> None:
    package = load_package(PACKAGE)
    verify(package)
    assert NETWORK.stat().st_size < TEN_MEGABYTES
    assert package.manifest.identity.demonstration


def test_the_evaluation_is_of_the_network_that_ships(evaluation: Any) -> None:
    assert evaluation["network"] == load_package(PACKAGE).digests["network.onnx"]


def test_the_manifest_states_the_findings_in_order_with_the_thresholds_that_were_chosen(evaluation: Any) -> None:
    findings = load_package(PACKAGE).manifest.findings
    assert [(one.channel, one.label) for one in findings] == list(enumerate(FINDINGS))
    for one in findings:
        assert one.threshold == pytest.approx(evaluation["findings"][one.label]["threshold"], abs=1e-5)


def test_thresholds_are_put_beside_their_labels() -> None:
    text = (
        '[[findings]]\nlabel = "Mass"\ncode = 1\nthreshold = 0.5\n\n[[findings]]\nlabel = "Nodule"\nthreshold = 0.5\n'
    )
    changed = with_thresholds(text, {"Nodule": 0.25, "Mass": 0.125})
    assert changed == text.replace("0.5", "0.12500", 1).replace("0.5", "0.25000", 1)


def test_the_card_states_the_figures_and_what_the_model_is_not(evaluation: Any) -> None:
    card = (PACKAGE / "card.md").read_text("utf-8")
    assert "Demonstration model, not for clinical use" in card
    assert f"{evaluation['mean_auroc']:.3f}" in card
    for name, figures in evaluation["findings"].items():
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {name} |")]
        stated = [f"{figures[key]:.3f}" for key in ("auroc", "threshold", "sensitivity", "specificity")]
        assert [part.strip() for part in line.split("|")[3:7]] == stated
    for groups in evaluation["strata"].values():
        for group in groups.values():
            assert f"{group['mean_auroc']:.3f}" in card


def test_a_map_averages_to_its_logit_up_to_the_bias() -> None:
    images = np.random.default_rng(0).random((3, 1, 224, 224), np.float32)
    given = openvino.Core().compile_model(str(NETWORK), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([images])
    bias = given["logits"] - given["cam"].mean(axis=(2, 3))
    assert given["cam"].shape[:2] == (3, 14)
    np.testing.assert_allclose(bias, bias[:1].repeat(3, axis=0), atol=1e-4)


@pytest.mark.slow
def test_new_phantoms_give_the_auroc_that_was_measured(evaluation: Any, tmp_path: Path) -> None:
    recipe = read_recipe(RECIPE, Recipe)
    plan = Phantoms(0, 0, 200, recipe.phantoms.healthy, recipe.phantoms.prevalence)
    pool = phantom_pool("test", plan, recipe.image, recipe.seed + 1, tmp_path)
    scores = probabilities(NETWORK, pool)
    each = [known_auroc(pool.labels[:, at], scores[:, at]) for at in range(len(FINDINGS))]
    assert np.mean(each) == pytest.approx(evaluation["mean_auroc"], abs=0.03)


def test_the_manifests_steps_make_what_the_network_was_trained_on() -> None:
    package, recipe = load_package(PACKAGE), read_recipe(RECIPE, Recipe)
    ramp = np.add.outer(np.linspace(0, 0.4, 700), np.linspace(0, 0.6, 500))
    shown = (ramp + 0.2 * np.random.default_rng(1).random(ramp.shape)).astype(np.float32)
    picture = Picture(shown * 4095, shown, SourceFrame("2.25.1"), None)
    read = inputs.of_picture(picture, package.manifest.preprocessing)
    made = inputs.prepare({"": read}, package.manifest.preprocessing).values
    np.testing.assert_allclose(made[0], prepare(shown, recipe.image), atol=1e-4)


def test_the_nodes_own_path_gives_the_golden_sample_and_maps_on_the_sources_grid() -> None:
    package = load_package(PACKAGE)
    sources = golden.sample(package)
    outcome = Pipeline(package, OpenVinoEngine()).run(sources)
    assert golden.check(package, lambda _: outcome).agrees
    assert len(outcome.findings.likelihoods) == 4 * len(FINDINGS)
    assert all(one.shape == (1, 224, 224) for one in outcome.maps)


def test_a_phantom_passes_the_guards_and_its_negative_does_not() -> None:
    package = load_package(PACKAGE)
    pipeline = Pipeline(package, OpenVinoEngine())
    ((name, images),) = golden.sample(package).items()
    assert isinstance(images, Images)
    negative = replace(images, pictures=tuple(replace(one, shown=1 - one.shown) for one in images.pictures))
    pipeline.run({name: images})
    with pytest.raises(UnusableInput, match="does not look like a frontal chest radiograph"):
        pipeline.run({name: negative})
