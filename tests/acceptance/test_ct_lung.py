"""The shipped lung package on a CT that it was not trained on, from DICOM files to mask, by the node's own path."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.registry import load_package, verify
from training.evaluate import Figures, annotations_of, evaluate

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "models" / "ct_lung"
DATA = Path(os.environ.get("DICOM_NODE_TEST_DATA", ROOT.parent / "shared" / "data"))
HELD_OUT = DATA / "ct_chest_lidc0003"

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


@pytest.fixture(scope="module")
def figures() -> Figures:
    if not HELD_OUT.is_dir():
        pytest.skip(f"{HELD_OUT} is not there; set DICOM_NODE_TEST_DATA to the folder of real studies")
    return evaluate(PACKAGE, HELD_OUT, annotations_of(HELD_OUT))


@pytest.mark.slow
def test_the_lungs_agree_with_the_classical_method_on_a_ct_held_out(figures: Figures) -> None:
    assert figures.dice_lungs >= 0.95
    assert figures.dice_right >= 0.95
    assert figures.dice_left >= 0.95


@pytest.mark.slow
def test_every_annotated_nodule_inside_the_lung_is_inside_the_mask(figures: Figures) -> None:
    inside = [nodule for nodule in figures.nodules if nodule.in_lung]
    assert len({nodule.reader for nodule in inside}) == 4
    for nodule in inside:
        assert nodule.model >= 0.95, nodule


@pytest.mark.slow
def test_the_card_states_the_figures_that_are_measured(figures: Figures) -> None:
    card = (PACKAGE / "card.md").read_text("utf-8")
    for dice in (figures.dice_lungs, figures.dice_right, figures.dice_left):
        assert f"{dice:.3f}" in card


@pytest.mark.slow
def test_training_makes_a_whole_package(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed; `uv sync --extra training` installs it")
    from tests.support.phantoms import Phantom, write  # noqa: PLC0415  # only where torch is

    write(Phantom(noise=10).datasets(), tmp_path / "data" / "phantom")
    package = tmp_path / "ct_lung"
    package.mkdir()
    (package / "manifest.toml").write_text((PACKAGE / "manifest.toml").read_text())
    (tmp_path / "run.toml").write_text(SMALL_RUN)
    arguments = ["--data", tmp_path / "data", "--out", package, "--config", tmp_path / "run.toml"]
    subprocess.run([sys.executable, "-m", "training.ct_lung", *map(str, arguments)], cwd=ROOT, check=True)
    made = load_package(package)
    verify(made)
    assert set(made.digests) == {"manifest.toml", "network.onnx"}
