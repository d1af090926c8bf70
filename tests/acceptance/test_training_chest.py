"""Training the chest network end to end, small: phantoms, a run that is broken off and goes on, export, evaluation."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra training` installs it")

import openvino  # noqa: E402

from training.chest import train as chest  # noqa: E402
from training.chest.batches import Batches  # noqa: E402
from training.chest.findings import FINDINGS  # noqa: E402
from training.chest.layouts import splits  # noqa: E402
from training.chest.recipe import Recipe  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.tracking import Untracked  # noqa: E402

ROOT = Path(__file__).parents[2]

SMALL = """
seed = 3
threads = 1
readers = 1
most_weight = 20.0

[network]
stem = 8
growth = 4
blocks = [2, 2]

[image]
side = 64
quantiles = [0.01, 0.99]

[phantoms]
train = 40
validation = 24
test = 24
healthy = 0.2
prevalence = 0.4

[schedule]
steps = 8
batch = 10
warm_up = 2
learning_rate = 3e-3
freeze_statistics_at = 0.75
validate_every = 4
checkpoint_every = 2

[augmentation]
rotation_deg = 5.0
scale = [0.92, 1.08]
shift = 0.04
gamma = [0.8, 1.25]
noise = 0.02
"""


class PowerCut(Exception):
    """The run is over before its end."""


class BrokenOff(Batches):
    def __call__(self, step: int) -> tuple[Any, Any]:
        if step == 5:
            raise PowerCut
        return super().__call__(step)


def run(module: str, *arguments: object) -> str:
    command = [sys.executable, "-m", f"training.chest.{module}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stderr


@pytest.mark.slow
def test_a_run_goes_on_is_exported_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    recipe = read_recipe(tmp_path / "small.toml", Recipe)
    collections = splits(None, recipe, tmp_path / "work")
    with monkeypatch.context() as patched, pytest.raises(PowerCut):
        patched.setattr(chest, "Batches", BrokenOff)
        chest.train(recipe, collections, tmp_path / "work", "cpu", Untracked())

    places = ["--recipe", tmp_path / "small.toml", "--work", tmp_path / "work", "--out", tmp_path / "package"]
    said = run("train", *places)
    assert "going on at step 4 of 8" in said
    whole = chest.train(recipe, collections, tmp_path / "elsewhere", "cpu", Untracked())
    chest.export_with_maps(whole, 64, tmp_path / "whole.onnx")
    images = np.stack([collections["test"].image(at) for at in range(5)])[:, None]
    resumed, uninterrupted = (
        openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([images])
        for path in (tmp_path / "package" / "network.onnx", tmp_path / "whole.onnx")
    )
    np.testing.assert_array_equal(resumed["logits"], uninterrupted["logits"])
    assert resumed["cam"].shape == (5, 14, 8, 8)

    run("evaluate", *places)
    found = json.loads((tmp_path / "package" / "evaluation.json").read_text())
    assert list(found["findings"]) == list(FINDINGS)
    assert found["radiographs"] == {"validation": 24, "test": 24}
    assert sum(group["radiographs"] for group in found["strata"]["vendor"].values()) == 24
    assert sum(one["count"] for one in found["calibration"]["bins"]) == 24 * 14
    assert 0 <= found["mean_auroc"] <= 1
    assert all(0 < one["by_chance"] < 1 for one in found["pointing"].values())
