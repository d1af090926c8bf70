"""Weights of TorchXRayVision become a package, and no code of their file runs."""

import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra training is not installed")

import torch
from torch import nn

from domain.errors import ConfigurationError
from domain.findings import SourceFrame
from inference_worker.images import Images, Picture
from inference_worker.package_trial import runner
from models.catalogue import catalogue
from models.registry import load_package
from training.chest.recipe import Shape
from training.torchxrayvision import LABELS, make, network_of, read_weights

SMALL = Shape(stem=8, growth=4, blocks=(2, 2), bottleneck=4)


@pytest.fixture
def theirs() -> Iterator[Any]:
    """A module of the class and the layout that TorchXRayVision pickles, smaller, with weights of its own."""
    module = ModuleType("torchxrayvision.models")
    for name in ("DenseNet", "_Layer", "_Block", "_Transition"):
        setattr(module, name, type(name, (nn.Module,), {"__module__": module.__name__}))
    sys.modules["torchxrayvision"], sys.modules[module.__name__] = ModuleType("torchxrayvision"), module
    torch.manual_seed(3)
    yield _network(module)
    del sys.modules["torchxrayvision"], sys.modules[module.__name__]


def _network(module: Any) -> nn.Module:
    network = module.DenseNet()
    channels = SMALL.stem
    stem = [("conv0", nn.Conv2d(1, channels, 7, 2, 3, bias=False)), ("norm0", nn.BatchNorm2d(channels))]
    network.features = nn.Sequential(OrderedDict(stem))
    for number, layers in enumerate(SMALL.blocks, start=1):
        block = module._Block()
        for at in range(1, layers + 1):
            block.add_module(f"denselayer{at}", _layer(module, channels))
            channels += SMALL.growth
        network.features.add_module(f"denseblock{number}", block)
        if number < len(SMALL.blocks):
            transition = module._Transition()
            transition.norm = nn.BatchNorm2d(channels)
            transition.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)
            network.features.add_module(f"transition{number}", transition)
            channels //= 2
    network.features.add_module("norm5", nn.BatchNorm2d(channels))
    network.classifier = nn.Linear(channels, LABELS)
    network.register_buffer("op_threshs", None)
    return network


def _layer(module: Any, channels: int) -> nn.Module:
    layer = module._Layer()
    inner = SMALL.bottleneck * SMALL.growth
    layer.norm1, layer.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, inner, 1, bias=False)
    layer.norm2, layer.conv2 = nn.BatchNorm2d(inner), nn.Conv2d(inner, SMALL.growth, 3, padding=1, bias=False)
    return layer


@pytest.mark.parametrize("archive", [True, False], ids=["as torch writes today", "as torch wrote in 2020"])
def test_every_tensor_is_read_in_its_place(theirs: Any, tmp_path: Path, archive: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the old format wants the source of each class
        torch.save(theirs, tmp_path / "weights.pt", _use_new_zipfile_serialization=archive)
    network = network_of(read_weights(tmp_path / "weights.pt"), SMALL)
    assert all(
        torch.equal(one, other)
        for one, other in zip(theirs.state_dict().values(), network.state_dict().values(), strict=True)
    )


class Attack:
    """Runs a function when it is unpickled, as a pickle may."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("archive", [True, False])
def test_no_code_of_the_file_runs(tmp_path: Path, archive: bool) -> None:
    torch.save(Attack(tmp_path / "ran"), tmp_path / "weights.pt", _use_new_zipfile_serialization=archive)
    with pytest.raises(ConfigurationError, match="holds no DenseNet of TorchXRayVision"):
        read_weights(tmp_path / "weights.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_file_that_is_no_network_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"weights\.pt: holds no DenseNet"):
        read_weights(tmp_path / "weights.pt")


def test_weights_of_another_network_are_refused(theirs: Any, tmp_path: Path) -> None:
    torch.save(theirs, tmp_path / "weights.pt")
    with pytest.raises(ConfigurationError, match="are not the 727 of a DenseNet-121"):
        network_of(read_weights(tmp_path / "weights.pt"))


def test_the_package_answers_as_the_network_does_on_the_middle_square(theirs: Any, tmp_path: Path) -> None:
    torch.save(theirs, tmp_path / "weights.pt")
    assert make(tmp_path / "weights.pt", tmp_path / "xrv_all", SMALL) < 1e-4
    package = load_package(tmp_path / "xrv_all")
    shown = np.outer(np.linspace(0, 1, 224), np.linspace(0.2, 0.9, 300) ** 2).astype(np.float32)
    frame = SourceFrame("1.2.3")
    source = Images((Picture(shown, shown, frame, None),), "")
    found = runner(package, "openvino", 1).run({"image": source}).findings
    network = network_of(read_weights(tmp_path / "weights.pt"), SMALL).eval()
    square = torch.from_numpy(shown[:, 38:262])[None, None] * 2048 - 1024
    with torch.inference_mode():
        wanted = torch.sigmoid(network(square))[0].numpy()
    assert [one.probability for one in found.likelihoods] == pytest.approx(wanted.tolist(), abs=1e-4)
    assert found.likelihoods[0].label == "Atelectasis"
    assert len(found.likelihoods) == 18


def test_only_checkpoints_are_converted(tmp_path: Path) -> None:
    bundle = next(one.name for one in catalogue().values() if one.kind == "bundle")
    with pytest.raises(ConfigurationError, match="dicom-node models pull makes its package"):
        make(tmp_path / "weights.pt", tmp_path / bundle)
