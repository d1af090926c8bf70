"""The whole path from volume to findings, with an engine that thresholds."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.errors import IntegrityError, UnusableInput
from domain.findings import Findings, SourceFrame
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume
from models.manifest import Network
from models.registry import load_package
from tests.support.model_packages import FILES, write_package
from tests.support.phantoms import AXIAL, CORONAL, LUNG_HU, LUNG_ML, SAGITTAL, Phantom


class ThresholdEngine:
    """Calls air inside a body lung, right and left by the side of the grid. The window makes HU -1000..400 to 0..1."""

    name = "threshold"

    def __init__(self) -> None:
        self.loaded: tuple[bytes, Network] | None = None

    def load(self, network: bytes, wanted: Network) -> None:
        self.loaded = network, wanted

    def infer(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        lung = (volume[0, 0] > 0.05) & (volume[0, 0] < 0.4)
        left = np.arange(volume.shape[4]) >= 64
        return np.stack([~lung, lung & ~left, lung & left])[None].astype(np.float32) * 20


def volume_of(phantom: Phantom) -> Volume:
    voxels = phantom.hounsfield()
    frames = tuple(SourceFrame(f"1.2.{k}") for k in range(len(voxels)))
    return Volume(voxels, phantom.affine(), frames, hashlib.sha256(voxels.tobytes()).hexdigest())


@pytest.mark.parametrize(
    "phantom",
    [
        Phantom(orientation=AXIAL),
        Phantom(orientation=SAGITTAL, slices=128, size=(100, 128), spacing=(3.0, 3.0, 3.0)),
        Phantom(orientation=CORONAL, slices=128, size=(100, 128), spacing=(3.0, 3.0, 3.0)),
    ],
)
def test_two_lungs_are_found_where_they_lie_and_measured(tmp_path: Path, phantom: Phantom) -> None:
    volume = volume_of(phantom)
    findings, mask = Pipeline(load_package(write_package(tmp_path)), ThresholdEngine()).run(volume)
    assert mask.shape == volume.voxels.shape and mask.dtype == np.uint8
    for segment in findings.segments:
        size, mean = segment.measurements
        assert size.value == pytest.approx(LUNG_ML, rel=0.03)
        assert mean.value == pytest.approx(LUNG_HU, abs=25)
        x = (np.argwhere(mask == segment.number) @ phantom.affine()[:3, :3].T + phantom.affine()[:3, 3])[:, 0]
        assert (x < 0).all() if segment.label == "Right lung" else (x > 0).all()


def test_findings_name_the_model_the_input_and_every_frame(tmp_path: Path) -> None:
    package, volume = load_package(write_package(tmp_path)), volume_of(Phantom())
    findings, _ = Pipeline(package, ThresholdEngine()).run(volume)
    assert (findings.model, findings.input_digest, findings.frames) == (package.identity, volume.digest, volume.frames)
    assert findings.mask is None
    assert Findings.from_json(findings.to_json()) == findings


def test_the_engine_gets_the_verified_network(tmp_path: Path) -> None:
    package, engine = load_package(write_package(tmp_path)), ThresholdEngine()
    Pipeline(package, engine)
    assert engine.loaded == (FILES["network.onnx"], package.manifest.network)


def test_a_changed_network_never_reaches_the_engine(tmp_path: Path) -> None:
    package, engine = load_package(write_package(tmp_path)), ThresholdEngine()
    (package.folder / "network.onnx").write_bytes(b"something else")
    with pytest.raises(IntegrityError, match=r"network\.onnx"):
        Pipeline(package, engine)
    assert engine.loaded is None


def test_a_series_without_any_lung_has_a_reason_and_no_result(tmp_path: Path) -> None:
    solid = Phantom(body=lambda points: np.full(points.shape[:-1], 40, np.int16))
    with pytest.raises(UnusableInput, match=r"model toy finds none .*: Right lung, Left lung"):
        Pipeline(load_package(write_package(tmp_path)), ThresholdEngine()).run(volume_of(solid))


def test_the_same_volume_gives_the_same_findings_and_mask(tmp_path: Path) -> None:
    pipeline = Pipeline(load_package(write_package(tmp_path)), ThresholdEngine())
    first, second = pipeline.run(volume_of(Phantom())), pipeline.run(volume_of(Phantom()))
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])
