"""The residual U-Net: its shapes, its size, and that it learns; and what is said of its answers."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.brain.evaluate import group, look
from training.brain.layout import Case, Facts
from training.brain.recipe import RECIPE, Recipe
from training.recipe import read_recipe

torch = pytest.importorskip("torch", reason="torch is not installed; the extra `training` installs it")


def network(channels: tuple[int, ...] = (2, 4, 6)) -> Any:
    from training.brain.network import ResidualUNet  # noqa: PLC0415  # only where torch is

    torch.manual_seed(1)
    return ResidualUNet(4, channels, 3)


@pytest.mark.parametrize("sides", [(8, 8, 8), (8, 12, 16)])
def test_the_output_has_a_channel_a_region_on_the_input_s_grid(sides: tuple[int, int, int]) -> None:
    net = network()
    assert net.multiple == 4
    with torch.inference_mode():
        assert net(torch.zeros(2, 4, *sides)).shape == (2, 3, *sides)


def test_the_recipe_s_network_fits_the_grid_and_ten_megabytes() -> None:
    recipe = read_recipe(RECIPE, Recipe)
    net = network(recipe.channels)
    assert net.multiple == 16
    assert all(side % net.multiple == 0 for side in recipe.data.crop)
    assert 4 * sum(one.numel() for one in net.parameters()) < 10e6


def test_every_weight_takes_part_in_the_answer() -> None:
    net = network()
    net(torch.randn(1, 4, 8, 8, 8)).square().sum().backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in net.parameters())


def answers(labels: NDArray[np.uint8], probability: float) -> NDArray[np.float32]:
    regions = np.stack([labels > 0, (labels == 1) | (labels == 3), labels == 3])
    return np.where(regions, probability, 1 - probability).astype(np.float32)


def truth(tumour: bool, name: str = "x") -> Case:
    labels = np.zeros((10, 10, 10), np.uint8)
    if tumour:
        labels[2:8, 2:8, 2:8], labels[3:6, 3:6, 3:6] = 2, 1
    return Case(name, np.ones((4, 10, 10, 10), np.float32), labels, Facts(50.0, "F", "A"))


def test_a_right_answer_has_dice_1_and_the_volumes_of_the_truth() -> None:
    case = truth(tumour=True)
    seen = look(case, answers(case.labels, 0.9), 10.0)
    assert seen.tumour
    assert seen.truth_ml == {"WT": 216.0, "TC": 27.0, "ET": 0.0}
    assert seen.found_ml == seen.truth_ml
    assert seen.dice == {"WT": 1.0, "TC": 1.0, "ET": 1.0}
    assert math.isclose(seen.score, 0.9, rel_tol=1e-6)


def test_a_tumour_is_said_to_be_there_only_where_enough_of_it_is() -> None:
    case = truth(tumour=False)
    probabilities = answers(case.labels, 0.9)
    probabilities[0, 0, 0, :3] = 0.99
    # 0.5 ml are four voxels of 5 mm.
    assert math.isclose(look(case, probabilities, 5.0).score, 0.1, rel_tol=1e-5)
    probabilities[0, 0, 0, 3] = 0.8
    assert math.isclose(look(case, probabilities, 5.0).score, 0.8, rel_tol=1e-6)


def test_a_group_counts_a_region_only_where_it_exists() -> None:
    ill, healthy = truth(tumour=True), truth(tumour=False)
    right = look(ill, answers(ill.labels, 0.9), 10.0)
    missed = look(ill, answers(healthy.labels, 0.9), 10.0)
    quiet = look(healthy, answers(healthy.labels, 0.9), 10.0)
    false = look(healthy, answers(ill.labels, 0.9), 10.0)
    figures = group([right, missed, quiet, false])
    assert (figures.cases, figures.with_tumour) == (4, 2)
    assert figures.dice_mean["WT"] == 0.5
    assert math.isnan(figures.dice_mean["ET"])
    assert (figures.sensitivity, figures.specificity) == (0.5, 0.5)
    assert figures.false_ml == 108.0


def test_the_recipe_states_a_rate_that_warms_up_within_the_run() -> None:
    recipe = read_recipe(RECIPE, Recipe)
    assert 0 < recipe.schedule.warm_up < recipe.schedule.steps
    assert recipe.schedule.weight_decay == 1e-4
