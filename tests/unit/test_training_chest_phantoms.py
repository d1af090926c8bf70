"""Phantom radiographs: they repeat, and each finding is drawn where and as its rule says."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tqdm", reason="tqdm is not installed; `uv sync --extra training` installs it")

from training.chest.anatomy import LEFT, RIGHT, Build, Chest, draw_anatomy, draw_build, heart_radii
from training.chest.findings import FINDINGS
from training.chest.lesions import BUILDS, SIGNS
from training.chest.phantoms import VENDORS, located, phantom, render
from training.chest.radiographs import phantom_pool
from training.chest.recipe import Phantoms, Preparation

SIDE = 112
DENSE = (
    "Atelectasis", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Consolidation", "Edema", "Fibrosis",
    "Pleural thickening",
)  # fmt: skip
PLAN = Phantoms(train=6, validation=3, test=3, healthy=0.3, prevalence=0.4)


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def healthy(seed: int) -> Build:
    return draw_build(rng(seed), female=False)


def change(name: str, seed: int) -> tuple[Chest, NDArray[np.float32]]:
    """A chest with the finding, and how much thicker (cm) the finding made it, pixel by pixel."""
    chest = Chest(rng(seed), healthy(seed), SIDE)
    draw_anatomy(chest)
    before = chest.depth()
    SIGNS[name](chest)
    return chest, chest.depth() - before


def test_every_finding_has_a_rule() -> None:
    assert set(BUILDS) | set(SIGNS) == set(FINDINGS)


def test_a_phantom_repeats_with_its_seed() -> None:
    one, other = (phantom(rng(3), SIDE, 0.5, 0.0) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.labels, other.labels)
    assert not np.array_equal(one.image, phantom(rng(4), SIDE, 0.5, 0.0).image)
    assert one.sex in "FM" and 18 <= one.age <= 90 and one.vendor in VENDORS


def test_findings_are_as_frequent_as_the_plan_says() -> None:
    labels = np.array([phantom(rng(seed), 32, 0.5, 0.5).labels for seed in range(60)])
    assert 0.35 < (labels.sum(axis=1) == 0).mean() < 0.65
    assert 0.15 < labels.mean() < 0.35


@pytest.mark.parametrize("name", DENSE)
def test_an_opacity_takes_air_out_of_a_lung_and_adds_none(name: str) -> None:
    for seed in range(4):
        chest, thicker = change(name, seed)
        inside = (thicker > 0.3) & ((chest.wall(LEFT) > -3) | (chest.wall(RIGHT) > -3))
        assert thicker.min() > -0.01
        assert 0.0005 < inside.mean() < 0.3


def test_a_nodule_is_smaller_than_a_mass() -> None:
    nodules, masses = ([(change(name, seed)[1] > 0.5).sum() for seed in range(6)] for name in ("Nodule", "Mass"))
    assert np.mean(nodules) < np.mean(masses)


def test_a_pneumothorax_lies_between_the_lung_and_the_wall() -> None:
    for seed in range(4):
        chest, thicker = change("Pneumothorax", seed)
        side = LEFT if np.abs(thicker[chest.x > 0]).sum() > np.abs(thicker[chest.x < 0]).sum() else RIGHT
        emptier = (thicker < -0.5) & (chest.outward(side) > 0)
        assert emptier.sum() > 20
        assert chest.wall(side)[emptier].min() > 0
        assert chest.wall(side)[emptier].max() < 55


def test_an_effusion_lies_at_the_bottom() -> None:
    for seed in range(4):
        chest, thicker = change("Effusion", seed)
        lung = (chest.build.apex + min(chest.build.domes)) / 2
        assert chest.y[thicker > 1].min() > chest.build.apex + 40
        assert np.average(chest.y, weights=np.maximum(thicker, 0)) > lung


def test_a_hernia_holds_air_over_fluid_behind_the_heart() -> None:
    chest, thicker = change("Hernia", 2)
    air, fluid = thicker < -0.5, thicker > 0.5
    assert air.any() and fluid.any()
    assert chest.y[air].mean() < chest.y[fluid].mean()
    assert np.abs(chest.x[air | fluid]).max() < 75


def test_a_large_heart_is_wider_than_half_the_chest() -> None:
    for seed in range(10):
        build = healthy(seed)
        large = BUILDS["Cardiomegaly"](rng(seed), build)
        (normal, _), (wide, _) = (heart_radii(Chest(rng(), one, 16)) for one in (build, large))
        assert normal / build.width <= 0.5 < wide / build.width


def test_emphysema_flattens_and_fibrosis_raises_the_diaphragm() -> None:
    build = healthy(1)
    emphysema, fibrosis = (BUILDS[name](rng(), build) for name in ("Emphysema", "Fibrosis"))
    assert min(emphysema.domes) > max(build.domes) > max(fibrosis.domes)
    assert emphysema.flat < build.flat and emphysema.vessels < build.vessels and emphysema.air > build.air


def test_makers_render_differently() -> None:
    looks = [render(rng(8), SIDE, frozenset(), "F", look) for look in VENDORS.values()]
    assert all(look.shape == (SIDE, SIDE) and np.isfinite(look).all() for look in looks)
    assert abs(looks[0] - looks[1]).mean() > 0.01


def test_where_a_finding_lies_is_known_in_the_image() -> None:
    image, changed = located(rng(6), SIDE, {"Mass"}, "M", VENDORS["Vendor A"])
    assert np.array_equal(image, render(rng(6), SIDE, {"Mass"}, "M", VENDORS["Vendor A"]))
    assert 0.002 < (changed > 0.5).mean() < 0.1
    assert not located(rng(6), SIDE, {"Cardiomegaly"}, "M", VENDORS["Vendor A"])[1].any()


def test_a_pool_is_made_once_and_read_back(tmp_path: Path) -> None:
    made = [phantom_pool("train", PLAN, Preparation(32, (0.01, 0.99)), 4, tmp_path) for _ in range(2)]
    assert np.array_equal(made[0].images, made[1].images)
    assert made[0].labels.shape == (6, 14)
    assert made[0].image(0).min() == 0 and made[0].image(0).max() == 1
    (kept,) = tmp_path.iterdir()
    stamp = kept.stat().st_mtime_ns
    phantom_pool("train", PLAN, Preparation(32, (0.01, 0.99)), 4, tmp_path)
    assert kept.stat().st_mtime_ns == stamp


def test_splits_share_no_phantom_and_another_recipe_makes_another_pool(tmp_path: Path) -> None:
    preparation = Preparation(32, (0.01, 0.99))
    train, test = (phantom_pool(split, PLAN, preparation, 4, tmp_path) for split in ("train", "test"))
    assert not any(np.array_equal(one, other) for one in train.images for other in test.images)
    assert {person.patient for person in train.people}.isdisjoint(person.patient for person in test.people)
    phantom_pool("train", PLAN, preparation, 5, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
