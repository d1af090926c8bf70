"""The shipped brain tumour package on phantoms that it was not trained on, and the making of such a package."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.findings import SourceFrame
from inference_worker import golden
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume, digest
from models.manifest import Input
from models.registry import load_package, verify
from training.brain.evaluate import evaluate, predictor
from training.brain.layout import find_cases, read_case
from training.brain.package import volumes_of
from training.brain.phantoms import phantom, write
from training.brain.regions import REGIONS, regions_of
from training.brain.samples import z_score
from training.metrics import dice

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "models" / "brain_tumor"

SMALL_RUN = """
seed = 1
threads = 1
channels = [4, 8]

[data]
spacing_mm = 3.0
crop = [16, 16, 16]
on_lesion = 1.0
validate_each = 3

[loss]
gamma = 2.0

[schedule]
steps = 12
batch = 2
warm_up = 2
learning_rate = 1e-2
validate_every = 6
checkpoint_every = 6

[augmentation]
flip = 0.5
turn = 0.5
rotation_deg = 10.0
scale = [0.9, 1.1]
brightness = 0.1
contrast = 0.1
gamma = [0.9, 1.1]
bias = 0.1
noise = 0.1
thick_slices = 0.1
drop_sequence = 0.1
"""


def figures() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PACKAGE / "evaluation.json").read_text("utf-8"))
    return read


def test_the_package_is_whole_and_its_evaluation_is_that_of_its_network() -> None:
    package = load_package(PACKAGE)
    verify(package)
    assert package.manifest.identity.demonstration
    assert [one.name for one in package.manifest.inputs] == ["t1", "t1ce", "t2", "flair"]
    network = PACKAGE / package.manifest.network.file
    assert network.stat().st_size <= 10e6
    assert figures()["network"] == hashlib.sha256(network.read_bytes()).hexdigest()


def test_the_card_states_the_figures_that_were_measured() -> None:
    card = (PACKAGE / "card.md").read_text("utf-8")
    assert "not for clinical use" in card
    overall = figures()["overall"]
    wanted = [*overall["dice_mean"].values(), overall["sensitivity"], overall["specificity"], figures()["auroc"]]
    for value in wanted:
        assert f"{value:.3f}" in card


SEQUENCES = {
    "t1": ("T1", "AX T1", "t1_se_tra", "Ax T1 pre contrast", "MPRAGE", "SAG T1 FLAIR", "T1 without contrast"),
    "t1ce": ("AX T1 POST", "t1_mprage_sag_gd", "T1ce", "T1_Gd", "+C Ax T1", "t1_tse_tra_km", "T1 with contrast"),
    "t2": ("T2", "AX T2 FSE", "t2_tse_tra", "T2W_TSE"),
    "flair": ("AX T2 FLAIR", "FLAIR", "t2_tirm_tra_dark-fluid", "3D FLAIR"),
    "": ("DWI", "ADC map", "T2*", "SWI", "localizer", "ep2d_perf", "T1 subtraction", "T1 map"),
}


@pytest.mark.parametrize(("wanted", "said"), [(name, said) for name, all_ in SEQUENCES.items() for said in all_])
def test_a_series_is_known_by_what_it_is_called(wanted: str, said: str) -> None:
    known = [one.name for one in load_package(PACKAGE).manifest.inputs if _fits(one, said)]
    assert known == ([wanted] if wanted else [])


def _fits(one: Input, said: str) -> bool:
    like, unlike = one.conditions.series_description, one.conditions.not_series_description
    assert like and unlike
    return bool(re.search(like, said, re.IGNORECASE)) and not re.search(unlike, said, re.IGNORECASE)


@pytest.mark.slow
def test_the_shipped_network_finds_tumours_in_phantoms_that_it_never_saw() -> None:
    cases = [phantom(np.random.default_rng((99, at)), str(at), healthy=0.0) for at in range(6)]
    measured = evaluate(PACKAGE, cases, 2.0).overall
    assert measured.sensitivity >= 0.8
    for region, least in zip(REGIONS, (0.7, 0.6, 0.5), strict=True):
        assert measured.dice_median[region] >= least


@pytest.mark.slow
def test_the_node_s_own_path_finds_the_tumour_in_four_series_on_grids_of_their_own() -> None:
    case = phantom(np.random.default_rng((99, 1)), "1", healthy=0.0)
    volumes = volumes_of(case, 2.0)
    for name, axes in (("t2", (0, 2, 1)), ("flair", (2, 0, 1))):  # one is coronal, one sagittal, as sequences are
        volumes[name] = turned(volumes[name], axes)
    outcome = Pipeline(load_package(PACKAGE), OpenVinoEngine()).run(volumes)
    assert outcome.mask is not None
    truth, found = regions_of(case.labels), regions_of(outcome.mask)
    assert dice(truth[0], found[0]) >= 0.7
    volume_of = {segment.number: segment.measurements[0].value for segment in outcome.findings.segments}
    assert volume_of[2] == pytest.approx((outcome.mask == 2).sum() * 0.008, rel=1e-3)


def turned(volume: Volume, axes: tuple[int, int, int]) -> Volume:
    """The same picture with its axes in another order and the last of them backwards."""
    voxels = np.ascontiguousarray(volume.voxels.astype(np.float32).transpose(axes)[:, :, ::-1])
    affine = volume.affine[:, [*axes, 3]].copy()
    affine[:, 3] += affine[:, 2] * (voxels.shape[2] - 1)
    affine[:, 2] *= -1
    frames = tuple(SourceFrame(f"2.25.{k + 1}") for k in range(voxels.shape[0]))
    return Volume(voxels, affine, frames, digest(voxels, affine, frames))


@pytest.mark.slow
def test_the_golden_sample_gives_what_it_gave_where_it_was_made() -> None:
    package = load_package(PACKAGE)
    assert golden.check(package, Pipeline(package, OpenVinoEngine()).run).agrees


@pytest.mark.slow
def test_training_makes_a_package_that_gives_what_the_network_gives(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra training` installs it")
    from training.brain.network import ResidualUNet  # noqa: PLC0415  # only where torch is

    write(tmp_path / "data", range(6), 5, (64, 80, 64), 3.0)
    (tmp_path / "run.toml").write_text(SMALL_RUN)
    package = tmp_path / "brain_tumor"
    package.mkdir()
    shipped = (PACKAGE / "manifest.toml").read_text("utf-8")
    before, _, digests = shipped.partition("[golden]")
    (package / "manifest.toml").write_text(before + digests[digests.index("[digests]") :], "utf-8")
    arguments = ["--data", tmp_path / "data", "--out", package, "--config", tmp_path / "run.toml",
                 "--checkpoints", tmp_path / "kept"]  # fmt: skip
    command = [sys.executable, "-m", "training.brain.train", *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    digest = hashlib.sha256((package / "network.onnx").read_bytes()).hexdigest()
    cases = [read_case(files, 3.0) for files in find_cases(tmp_path / "data")]
    measured = evaluate(package, cases, 3.0)
    assert measured.network == digest
    assert measured.overall.cases == 6
    assert set(measured.strata) == {"age", "sex", "vendor"}
    assert sum(one.cases for one in measured.strata["vendor"].values()) == 6
    network = ResidualUNet(4, (4, 8), 3).eval()
    network.load_state_dict(torch.load(tmp_path / "kept" / "checkpoint.pt", weights_only=True)["network"])
    volume = z_score(cases[0].voxels)
    with torch.inference_mode():
        wanted = torch.sigmoid(network(torch.from_numpy(volume)[None]))[0].numpy()
    given = predictor(load_package(package))(volume)
    assert np.abs(given - wanted).max() < 1e-3
