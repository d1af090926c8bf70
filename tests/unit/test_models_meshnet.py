"""Plain weights become a network in ONNX: number for number, layer for layer, and nothing of another size does."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from domain.errors import ConfigurationError, IntegrityError
from models.catalogue import catalogue, entry
from models.fetched import make_package
from models.meshnet import onnx_of
from models.networks import read_onnx
from models.pulling import pull
from models.registry import Package
from tests.support.counterparts import data

Float = NDArray[np.float32]

WIDTHS, DILATIONS = (1, *[2] * 9, 3), (1, 2, 4, 8, 16, 8, 4, 2, 1, 1)
WANTED = entry("brain_tissue", catalogue())


def layers() -> list[tuple[Float, Float]]:
    """Kernels (z, y, x, input, output) and biases of a small one."""
    noise, made = np.random.default_rng(1), []
    for side, inner, outer in zip([*[3] * 9, 1], WIDTHS[:-1], WIDTHS[1:], strict=True):
        kernel = noise.normal(0, 0.3, (side, side, side, inner, outer)).astype(np.float32)
        made.append((kernel, noise.normal(0, 1, outer).astype(np.float32)))
    return made


def by_hand(values: Float) -> Float:
    """What the layers make of `values` (z, y, x), as the network's authors define them."""
    channels = values[..., None].astype(np.float64)
    for at, ((kernel, bias), wide) in enumerate(zip(layers(), DILATIONS, strict=True)):
        spread = np.zeros((*[1 + wide * (side - 1) for side in kernel.shape[:3]], *kernel.shape[3:]))
        spread[::wide, ::wide, ::wide] = kernel
        made = [
            sum(
                ndimage.correlate(channels[..., inner], spread[..., inner, outer], mode="constant")
                for inner in range(kernel.shape[3])
            )
            + bias[outer]
            for outer in range(kernel.shape[4])
        ]
        channels = np.stack(made, axis=-1)
        if at < len(DILATIONS) - 1:
            channels = np.where(channels > 0, channels, np.expm1(channels))
    return np.asarray(np.moveaxis(channels, -1, 0), np.float32)


def test_a_network_of_plain_weights_computes_what_its_layers_say(tmp_path: Path) -> None:
    weights = b"".join(part.astype("<f4").tobytes() for layer in layers() for part in layer)
    network = onnx_of(weights, channels=2, classes=3)
    found = read_onnx(network)
    assert [(one.name, one.shape) for one in found.inputs] == [("t1", (1, 1, 0, 0, 0))]
    assert [(one.name, one.shape) for one in found.outputs] == [("logits", (1, 3, 0, 0, 0))]
    values = np.random.default_rng(2).normal(size=(7, 9, 11)).astype(np.float32)
    (tmp_path / "network.onnx").write_bytes(network)
    assert np.allclose(infer(tmp_path / "network.onnx", values), by_hand(values), atol=1e-3)


def infer(network: Path, values: Float) -> Float:
    onnxruntime = pytest.importorskip("onnxruntime")
    (output,) = onnxruntime.InferenceSession(str(network)).run(None, {"t1": values[None, None]})
    return np.asarray(output[0])


@pytest.mark.parametrize("weights", [b"", bytes(784_148), bytes(784_156)])
def test_weights_of_another_size_are_none_of_that_network(weights: bytes) -> None:
    with pytest.raises(ConfigurationError, match=f"{len(weights)} bytes are no MeshNet of 30 channels and 18 classes"):
        onnx_of(weights, 30, 18)


@pytest.fixture(params=["models/meshnet/model30chan18cls", "models/onnx/meshnet_model30chan18cls.onnx"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Package:
    return make_package(WANTED, pull(WANTED, tmp_path / ".pulled", source=data(request.param)), tmp_path)


def test_the_published_weights_or_their_onnx_become_a_package_that_names_17_segments(package: Package) -> None:
    segments = package.manifest.segments
    assert [one.label for one in segments][:3] == [
        "Cerebral white matter",
        "Cerebral cortex",
        "Lateral ventricle, both sides",
    ]
    assert len(segments) == 17 and package.manifest.guards and "MIT License" in package.read("card.md").decode()
    assert sorted(path.name for path in package.folder.parent.iterdir()) == [".pulled", "brain_tissue"]


def test_both_ways_lead_to_the_same_numbers(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(12, 14, 16)).astype(np.float32)
    ours = tmp_path / "network.onnx"
    ours.write_bytes(onnx_of(data("models", "meshnet", "model30chan18cls", "model.bin").read_bytes(), 30, 18))
    theirs = data("models", "onnx", "meshnet_model30chan18cls.onnx")
    assert np.array_equal(infer(ours, values), infer(theirs, values))


def test_another_network_is_not_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="they were removed"):
        pull(WANTED, tmp_path, source=data("models", "onnx", "meshnet_model5_gw_ae.onnx"))
