"""What the tests of whole nodes share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import packages
from tests.support.counterparts import ROOT
from tests.support.servers import KafkaBroker, Orthanc


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive of the module's own."""
    with Orthanc(tmp_path_factory.mktemp("archive")) as server:
        yield server


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker of the module's own, so that a node's topic holds the events of that node alone."""
    with KafkaBroker(tmp_path_factory.mktemp("broker")) as server:
        yield server


@pytest.fixture(scope="session")
def thresholds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model package that needs no training and wants every CT."""
    folder = tmp_path_factory.mktemp("models")
    packages.write_package(folder)
    return folder


@pytest.fixture(scope="session")
def lungs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model of the lungs alone: what a chest CT gives is counted."""
    folder = tmp_path_factory.mktemp("lungs")
    shutil.copytree(ROOT / "models" / "ct_lung", folder / "ct_lung")
    return folder


@pytest.fixture(scope="session")
def shipped(thresholds: Path) -> Path:
    """The model packages that come with the node; while they have no weights, the ones that need none."""
    weights = ROOT / "models" / "ct_lung" / "network.onnx"
    return weights.parents[1] if weights.exists() else thresholds
