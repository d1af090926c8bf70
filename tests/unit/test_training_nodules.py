"""What the classifier of ct_nodules learns from: places in lungs with nodules that are put in by code."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra training` installs it")

from training.nodules.inserting import rough_ball  # noqa: E402
from training.nodules.lungs import SPACING, balls_of  # noqa: E402
from training.nodules.network import FEATURES, Classifier, Nodules, radii, within  # noqa: E402
from training.nodules.places import Places  # noqa: E402
from training.nodules.recipe import RECIPE, Recipe  # noqa: E402
from training.nodules.train import Batches  # noqa: E402
from training.recipe import read_recipe  # noqa: E402

SIDE = 48


def lung(*balls: tuple[float, float]) -> Any:
    """Lung of -850 HU as the network reads it, with balls of soft tissue: place along x (voxels) and radius (mm)."""
    values = np.full((SIDE,) * 3, 1 + 150 / 1400, np.float32)
    z, y, x = np.indices(values.shape) * SPACING
    middle = SIDE / 2 * SPACING
    for at, radius in balls:
        away = np.sqrt((z - middle) ** 2 + (y - middle) ** 2 + (x - at * SPACING) ** 2)
        values[:] = np.maximum(values, 1 + (150 + 890 * np.clip(0.5 + (radius - away) / SPACING, 0, 1)) / 1400)
    return torch.from_numpy(values)[None, None]


def sure() -> Nodules:
    """A network that takes whatever the detector looks at for a nodule."""
    network: Nodules = Nodules()
    torch.nn.init.zeros_(network.classifier[-1].weight)
    torch.nn.init.constant_(network.classifier[-1].bias, 10.0)
    network.eval()
    return network


@pytest.mark.parametrize("radius", [3.0, 5.0, 8.0, 12.0])
def test_the_detector_marks_a_ball_as_large_as_it_is(radius: float) -> None:
    with torch.inference_mode():
        share = sure()(lung((SIDE / 2, radius)))[0, 0].numpy()
    found = (share > 0.5).sum() * SPACING**3
    assert found == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.3)


def test_a_vessel_is_no_ball_and_is_opened_away_from_one() -> None:
    """A rod of 3 mm along z through everything."""
    with torch.inference_mode():
        alone, rod = lung(), lung((SIDE / 2, 8.0))
        for one in (alone, rod):
            one[:, :, :, 23:25, 23:25] = 1 + 1040 / 1400
        network = sure()
        assert float(network(alone).max()) < 0.5
        marked = (network(rod)[0, 0].numpy() > 0.5).any(axis=(1, 2))
    # Of the rod's 72 mm there are left the ball and the rim that is given back, of three voxels at the most.
    assert marked.sum() * SPACING <= 2 * 8.0 + 2 * 3 * SPACING


def test_the_sizes_cover_nodules_of_five_to_twenty_nine_millimetres() -> None:
    sizes = [2 * one for one in radii(SPACING)]
    assert sizes == sorted(sizes)
    assert (round(sizes[0]), round(sizes[-1])) == (5, 29)


def test_the_classifier_is_small() -> None:
    assert sum(one.numel() for one in Classifier().parameters()) < 1000


def test_values_are_cut_to_shares() -> None:
    assert within(torch.tensor([-2.0, 0.0, 0.25, 1.0, 7.0])).tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]


def test_a_ball_made_by_code_has_about_the_volume_of_its_radius_and_is_known_by_it() -> None:
    at = np.asarray((np.indices((40, 40, 40)) - 20.0) * SPACING, np.float64)
    made = rough_ball(np.random.default_rng(1), at, 10.0)
    (ball,) = balls_of(made > 0.5)
    assert ball.radius == pytest.approx(10.0, rel=0.1)
    assert ball.middle == pytest.approx([20.0] * 3, abs=1.5)


def test_a_batch_depends_on_its_step_alone_and_has_the_share_of_nodules_that_was_asked_for() -> None:
    recipe = read_recipe(RECIPE, Recipe)
    recipe = replace(recipe, schedule=replace(recipe.schedule, batch=40))
    filled = [np.full((number, FEATURES), value, np.float32) for number, value in ((9, 1), (30, 2), (4, 3))]
    batches = Batches(Places(*filled), recipe)
    features, targets = batches(7)

    assert features.shape == (1, FEATURES, 40, 1, 1)
    assert targets.flatten().tolist() == [1.0] * 20 + [0.0] * 20
    assert sorted(set(features[0, 0, :20].flatten().tolist())) == [1.0, 3.0]
    assert set(features[0, 0, 20:].flatten().tolist()) == {2.0}
    assert torch.equal(batches(7)[0], features)
