"""The shipped lung package, from DICOM files to mask, on the CT that it was trained on and on one held out.

And on the phantoms that stand for a CT where there is none; what is no chest, it refuses.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.errors import UnusableInput
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.phantom import ChestPhantom
from inference_worker.pipeline import Pipeline
from inference_worker.volume import build
from models.registry import load_package, verify
from tests.support.phantoms import AIR_HU, TISSUE_HU, Phantom, Points, write
from training.evaluate import Measures, annotations_of, evaluate

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "models" / "ct_lung"
DATA = Path(os.environ.get("DICOM_NODE_TEST_DATA", ROOT.parent / "shared" / "data"))
TRAINED_ON, HELD_OUT = "ct_chest_lidc0001", "ct_chest_lidc0003"
# What the card says of each CT: both lungs, right, left; and with how many digits.
DIGITS = {TRAINED_ON: 4, HELD_OUT: 3}

SMALL_RUN = """
seed = 1
threads = 1
channels = [2, 4]

[data]
train = "phantom"
cache_spacing_mm = 6.0
spacing_mm = 8.0
crop = [16, 16, 24]
phantom_share = 0.5
window_hu = [-1000.0, 400.0]

[schedule]
steps = 4
batch = 2
warm_up = 1
learning_rate = 3e-3
weight_decay = 1e-4
freeze_statistics_at = 0.75

[augmentation]
rotation_deg = 12.0
scale = [0.8, 1.25]
shift_mm = [10.0, 10.0, 10.0]
flip = 0.5
truncate = 0.5
shift_hu = 40.0
scale_hu = [0.92, 1.08]
lung_shift_hu = 120.0
noise_hu = 60.0
blur_voxels = 0.8
"""


@pytest.fixture(scope="module", params=[TRAINED_ON, HELD_OUT])
def case(request: pytest.FixtureRequest) -> str:
    if not DATA.is_dir():
        pytest.skip(f"no real studies in {DATA}: set DICOM_NODE_TEST_DATA")
    return str(request.param)


@pytest.fixture(scope="module")
def figures(case: str) -> Measures:
    return evaluate(PACKAGE, DATA / case, annotations_of(DATA / case))


@pytest.mark.slow
def test_the_volumes_are_plausible(figures: Measures) -> None:
    right, left = figures.volumes_ml["Right lung"], figures.volumes_ml["Left lung"]
    assert min(right, left) > 800
    assert 2000 <= right + left <= 8000
    assert 0.8 < right / left < 1.6  # the right lung is somewhat larger


@pytest.mark.slow
def test_the_lungs_agree_with_the_classical_method(figures: Measures) -> None:
    assert figures.dice_lungs >= 0.95
    assert figures.dice_right >= 0.95
    assert figures.dice_left >= 0.95


@pytest.mark.slow
def test_every_annotated_nodule_inside_the_lung_is_inside_the_mask(figures: Measures) -> None:
    inside = [nodule for nodule in figures.nodules if nodule.in_lung]
    assert len({nodule.reader for nodule in inside}) == 4
    for nodule in inside:
        assert nodule.model >= 0.99, nodule


@pytest.mark.slow
def test_the_card_states_the_figures_that_are_measured(case: str, figures: Measures) -> None:
    card = (PACKAGE / "card.md").read_text("utf-8")
    for dice in (figures.dice_lungs, figures.dice_right, figures.dice_left):
        assert f"{dice:.{DIGITS[case]}f}" in card


@pytest.fixture(scope="module")
def lungs() -> Pipeline:
    return Pipeline(load_package(PACKAGE), OpenVinoEngine(threads=2))


@pytest.mark.slow
def test_the_phantom_of_the_trial_and_the_one_of_the_tests_have_lungs(lungs: Pipeline, tmp_path: Path) -> None:
    for number, files in enumerate((ChestPhantom().write(tmp_path / "trial"), write(Phantom().datasets(), tmp_path))):
        outcome = lungs.run({"ct": build(files)})
        volumes = [segment.measurements[0].value for segment in outcome.findings.segments]
        assert len(volumes) == 2 and min(volumes) > 1000, number


def trunk(points: Points) -> NDArray[np.int16]:
    """HU of a body without lungs; 180 ml of gas lie in it."""
    x, y, z = np.moveaxis(points, -1, 0)
    values = np.where((x / 170) ** 2 + (y / 110) ** 2 < 1, TISSUE_HU, AIR_HU)
    return np.asarray(np.where(x**2 + y**2 + z**2 < 35**2, AIR_HU, values), np.int16)


def test_a_body_without_lungs_is_refused(lungs: Pipeline, tmp_path: Path) -> None:
    series = build(write(Phantom(body=trunk).datasets(), tmp_path))
    with pytest.raises(UnusableInput, match=r"at least 1000 ml is wanted \(check enclosed\)"):
        lungs.run({"ct": series})


@pytest.mark.slow
def test_training_makes_a_whole_package(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed; `uv sync --extra training` installs it")
    write(Phantom(noise=10).datasets(), tmp_path / "data" / "phantom")
    package = tmp_path / "ct_lung"
    package.mkdir()
    manifest = (PACKAGE / "manifest.toml").read_text("utf-8")
    # The golden sample is that of the network which was there.
    (package / "manifest.toml").write_text(manifest[: manifest.index("[golden]")], "utf-8")
    (tmp_path / "run.toml").write_text(SMALL_RUN)
    arguments = ["--data", tmp_path / "data", "--out", package, "--config", tmp_path / "run.toml"]
    subprocess.run([sys.executable, "-m", "training.ct_lung", *map(str, arguments)], cwd=ROOT, check=True)
    made = load_package(package)
    verify(made)
    assert set(made.digests) == {"manifest.toml", "network.onnx"}
