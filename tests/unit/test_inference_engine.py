"""An engine gives finite logits on the input's grid, or an error that says why not."""

from pathlib import Path

import numpy as np
import pytest

from domain.errors import ConfigurationError, Permanent
from inference_worker.engine import OpenVinoEngine, checked
from models.manifest import Network
from models.registry import load_package

PACKAGE = Path(__file__).parents[2] / "models" / "ct_lung"


@pytest.fixture(scope="module")
def engine() -> OpenVinoEngine:
    package = load_package(PACKAGE)
    network = package.manifest.network
    engine = OpenVinoEngine(threads=1)
    engine.load(package.read(network.file), network)
    return engine


def test_a_loaded_network_answers_on_the_grid_that_it_is_asked(engine: OpenVinoEngine) -> None:
    for shape in ((32, 48, 64), (16, 16, 16)):
        volume = np.random.default_rng(1).random((1, 1, *shape), np.float32)
        logits = engine.infer(volume)
        assert logits.shape == (1, 3, *shape) and logits.dtype == np.float32
        assert np.array_equal(logits, engine.infer(volume))


def test_an_engine_has_a_name_with_a_version() -> None:
    assert OpenVinoEngine().name.startswith("OpenVINO 20")


def test_an_input_that_makes_no_number_is_refused(engine: OpenVinoEngine) -> None:
    with pytest.raises(Permanent, match="input is not finite"):
        engine.infer(np.full((1, 1, 32, 32, 32), np.nan, np.float32))


def test_an_input_that_the_network_cannot_take_is_refused(engine: OpenVinoEngine) -> None:
    with pytest.raises(Permanent, match=r"\(1, 1, 17, 16, 16\)"):
        engine.infer(np.zeros((1, 1, 17, 16, 16), np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_among_many_is_seen(bad: float) -> None:
    logits = np.zeros((1, 2, 8, 8, 8), np.float32)
    logits[0, 1, 3, 4, 5] = bad
    with pytest.raises(Permanent, match="not finite"):
        checked(logits, (1, 1, 8, 8, 8))


@pytest.mark.parametrize("shape", [(1, 2, 8, 8, 4), (2, 2, 8, 8, 8), (8, 8, 8)])
def test_an_output_on_another_grid_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(Permanent, match="shape"):
        checked(np.zeros(shape, np.float32), (1, 1, 8, 8, 8))


def test_what_is_no_network_is_a_wrong_package() -> None:
    with pytest.raises(ConfigurationError, match=r"toy\.onnx: OpenVINO cannot load it"):
        OpenVinoEngine().load(b"not a network", Network("toy.onnx", "volume", "logits", 16))


def test_a_network_with_other_names_than_the_manifest_s_is_a_wrong_package() -> None:
    network = (PACKAGE / "network.onnx").read_bytes()
    with pytest.raises(ConfigurationError, match="not those of the manifest"):
        OpenVinoEngine(threads=1).load(network, Network("network.onnx", "image", "logits", 16))


def test_an_engine_without_a_network_says_so() -> None:
    with pytest.raises(ConfigurationError, match="no network is loaded"):
        OpenVinoEngine().infer(np.zeros((1, 1, 16, 16, 16), np.float32))
