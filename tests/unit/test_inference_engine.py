"""An engine gives finite outputs by their names, or an error that says why not."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from domain.errors import ConfigurationError, Permanent
from inference_worker.engines.checked import CheckedEngine, check_grid, checked, says_memory
from inference_worker.engines.libraries import LIBRARIES, imported
from inference_worker.engines.onnxruntime import OnnxRuntimeEngine
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.engines.ports import Ports, sample, usual
from inference_worker.engines.protocol import OutOfMemory
from inference_worker.engines.tensorrt import TensorRtEngine
from inference_worker.engines.torch import TorchEngine
from models.manifest import Network
from models.registry import load_package
from tests.support import networks

PACKAGE = Path(__file__).parents[2] / "models" / "ct_lung"
WANTED = Network("toy.onnx", shape=(0, 1, 0, 0, 0))

ENGINES = {"openvino": OpenVinoEngine, "onnxruntime": OnnxRuntimeEngine}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> CheckedEngine:
    if not find_spec(request.param):
        pytest.skip(f"{request.param} is not installed")
    made = ENGINES[request.param](threads=1)
    assert isinstance(made, CheckedEngine)
    return made


@pytest.fixture
def rooted(engine: CheckedEngine) -> CheckedEngine:
    engine.load(networks.root(), WANTED)
    return engine


def test_a_loaded_network_answers_on_the_grid_that_it_is_asked(engine: CheckedEngine) -> None:
    package = load_package(PACKAGE)
    network = package.manifest.network
    engine.load(package.read(network.file), network)
    for shape in ((32, 48, 64), (16, 16, 16)):
        volume = np.random.default_rng(1).random((1, 1, *shape), np.float32)
        logits = engine.infer(volume)["logits"]
        assert logits.shape == (1, 3, *shape) and logits.dtype == np.float32
        assert np.array_equal(logits, engine.infer(volume)["logits"])


def test_an_engine_has_a_name_with_a_version_and_a_device(engine: CheckedEngine) -> None:
    name, version, device = engine.name.rsplit(" ", 2)
    assert name in ("OpenVINO", "ONNX Runtime") and version[0].isdigit() and device == "(CPU)"


def test_an_input_that_makes_no_number_is_refused(rooted: CheckedEngine) -> None:
    with pytest.raises(Permanent, match="input is not finite"):
        rooted.infer(np.full((1, 1, 8, 8, 8), np.nan, np.float32))


def test_an_output_that_is_no_number_is_refused(rooted: CheckedEngine) -> None:
    with pytest.raises(Permanent, match="output logits is not finite"):
        rooted.infer(np.full((1, 1, 8, 8, 8), -1, np.float32))


def test_an_output_stays_what_it_was_when_the_next_is_made(rooted: CheckedEngine) -> None:
    first = rooted.infer(np.full((1, 1, 8, 8, 8), 4, np.float32))["logits"]
    rooted.infer(np.full((1, 1, 8, 8, 8), 9, np.float32))
    assert np.array_equal(first, np.full((1, 1, 8, 8, 8), 2, np.float32))


def test_an_output_of_the_windows_size_is_there_once_and_stays_what_it_was() -> None:
    """A hundred classes in a window are half a gigabyte: no copy of it is made beside what the library wrote."""
    engine = OpenVinoEngine(threads=1)
    engine.load(networks.root(), replace(WANTED, window=(8, 8, 8)))
    first = engine.infer(np.full((1, 1, 8, 8, 8), 4, np.float32))["logits"]
    second = engine.infer(np.full((1, 1, 8, 8, 8), 9, np.float32))["logits"]
    (request,) = engine._requests.values()
    assert np.shares_memory(second, request.get_output_tensor(0).data)
    assert (first == 2).all() and (second == 3).all()


def test_several_outputs_come_by_their_names_and_others_are_left_out(engine: CheckedEngine) -> None:
    nodes = [("Sqrt", ["volume"], "root"), ("Neg", ["volume"], "less"), ("Exp", ["volume"], "more")]
    wanted = Network("toy.onnx", outputs=("more", "root"), shape=(0, 1, 0, 0, 0))
    engine.load(networks.onnx(nodes, outputs=("root", "less", "more")), wanted)
    outputs = engine.infer(np.full((2, 1, 8, 8, 8), 4, np.float32))
    assert list(outputs) == ["more", "root"]
    assert np.allclose(outputs["root"], 2) and np.allclose(outputs["more"], np.exp(4), rtol=1e-5)


def test_an_input_of_another_kind_than_the_network_s_is_refused(engine: CheckedEngine) -> None:
    engine.load(networks.onnx([("Sqrt", ["volume"], "logits")], channels=3), Network("toy.onnx", shape=(0, 3, 0, 0, 0)))
    with pytest.raises(Permanent, match=r"\(1, 2, 8, 8, 8\)"):
        engine.infer(np.zeros((1, 2, 8, 8, 8), np.float32))


def test_an_output_with_another_batch_than_its_input_is_refused(engine: CheckedEngine) -> None:
    # It reduces over all axes, the batch among them.
    engine.load(networks.onnx([("ReduceMax", ["volume"], "logits")]), WANTED)
    with pytest.raises(Permanent, match=r"logits has the shape \(1, 1, 1, 1, 1\) for 2 inputs"):
        engine.infer(np.zeros((2, 1, 8, 8, 8), np.float32))


def test_a_network_that_gives_no_number_at_all_is_not_loaded(engine: CheckedEngine) -> None:
    nodes = [("Sub", ["volume", "volume"], "nought"), ("Div", ["nought", "nought"], "logits")]
    with pytest.raises(ConfigurationError, match=r"toy\.onnx: .*not finite"):
        engine.load(networks.onnx(nodes), WANTED)
    with pytest.raises(ConfigurationError, match="no network is loaded"):
        engine.infer(np.zeros((1, 1, 8, 8, 8), np.float32))


@pytest.mark.parametrize("network", [b"", b"not a network", networks.root()[:-20]])
def test_what_is_no_network_is_a_wrong_package(engine: CheckedEngine, network: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"toy\.onnx: .* cannot load it"):
        engine.load(network, WANTED)


@pytest.mark.parametrize(("reads", "gives"), [("image", "logits"), ("volume", "shares")])
def test_a_network_with_other_names_than_the_manifest_s_is_a_wrong_package(
    engine: CheckedEngine, reads: str, gives: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"volume.*logits.*not those of the manifest: {reads}.*{gives}"):
        engine.load(networks.root(), Network("toy.onnx", input=reads, outputs=(gives,)))


def test_a_network_of_another_shape_than_the_manifest_s_is_a_wrong_package(engine: CheckedEngine) -> None:
    with pytest.raises(ConfigurationError, match="the manifest says"):
        engine.load(networks.root(), Network("toy.onnx", shape=(1, 4, 0, 0, 0)))


def test_an_engine_without_a_network_says_so(engine: CheckedEngine) -> None:
    with pytest.raises(ConfigurationError, match="no network is loaded"):
        engine.infer(np.zeros((1, 1, 16, 16, 16), np.float32))


class Channels(CheckedEngine):
    """Has its channels behind the space, as TensorFlow's networks do; doubles what it reads."""

    name = "test"

    def _open(self, network: bytes, wanted: Network) -> Ports:
        return Ports({"image": (0, 6, 7, 3)}, ("same", "mean"))

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        assert batch.shape[1:] == (6, 7, 3) and batch.flags.c_contiguous
        return {"same": 2 * batch, "mean": batch.mean(axis=(1, 2))}


def test_a_network_with_its_channels_behind_is_fed_and_read_as_the_others_are() -> None:
    engine = Channels()
    engine.load(networks.root(), Network("toy.onnx", input="image", outputs=("same", "mean"), shape=(0, 3, 6, 7)))
    batch = np.random.default_rng(1).random((2, 3, 6, 7), np.float32)
    outputs = engine.infer(batch)
    assert np.array_equal(outputs["same"], 2 * batch) and outputs["mean"].shape == (2, 3)


class Failing(CheckedEngine):
    """Fails at its second run, the first being the one that warms it up."""

    name = "test"

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._errors: Iterator[Exception | None] = iter((None, error))

    def _open(self, network: bytes, wanted: Network) -> Ports:
        return Ports({"volume": ()}, ("logits",))

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        if error := next(self._errors):
            raise error
        return {"logits": batch}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        # As the libraries say it: ONNX Runtime, OpenVINO, Torch on the CPU and on a GPU, CUDA's libraries.
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : ... Status Message: std::bad_alloc"),
        RuntimeError("BFCArena::AllocateRawInternal(...) Failed to allocate memory for requested buffer of size 3240"),
        RuntimeError("[CPU] Convolution node ... Failed to allocate 480000000 bytes of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 491520000 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("Requested amount of GPU memory (1073741824 bytes) could not be allocated"),
    ],
)
def test_memory_that_runs_out_is_told_from_other_failures(error: Exception) -> None:
    engine = Failing(error)
    engine.load(networks.root(), Network("toy.onnx"))
    with pytest.raises(OutOfMemory):
        engine.infer(np.zeros((1, 1, 8, 8, 8), np.float32))


def test_any_other_failure_of_the_library_is_permanent_and_says_what_the_library_said() -> None:
    engine = Failing(RuntimeError("a long way\n  to the cause"))
    engine.load(networks.root(), Network("toy.onnx"))
    with pytest.raises(Permanent, match=r"cannot run the network on \(1, 1, 8, 8, 8\): a long way to the cause"):
        engine.infer(np.zeros((1, 1, 8, 8, 8), np.float32))


def test_a_shape_that_does_not_fit_is_no_lack_of_memory() -> None:
    assert not says_memory(RuntimeError("Got invalid dimensions for input: index: 1 Got: 2 Expected: 1"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_among_many_is_seen(bad: float) -> None:
    logits = np.zeros((1, 2, 8, 8, 8), np.float32)
    logits[0, 1, 3, 4, 5] = bad
    logits[0, 1, 3, 4, 6] = -bad
    with pytest.raises(Permanent, match="not finite"):
        checked("logits", logits, 1)


def test_an_output_that_is_not_there_is_refused() -> None:
    with pytest.raises(Permanent, match="no output logits"):
        checked("logits", None, 1)


@pytest.mark.parametrize("shape", [(1, 2, 8, 8, 4), (1, 2, 8, 8), (1, 2)])
def test_an_output_on_another_grid_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(Permanent, match="shape"):
        check_grid("logits", np.zeros(shape, np.float32), (8, 8, 8))


def test_a_network_is_warmed_up_with_sizes_that_it_takes() -> None:
    assert sample((), Network("n", multiple=20)).shape == (1, 1, 40, 40, 40)
    assert sample((0, 3, 0, 0), Network("n", shape=(0, 3, 0, 0), window=(64, 96))).shape == (1, 3, 64, 96)
    assert sample((0, 150, 150, 3), Network("n", shape=(0, 3, 0, 0))).shape == (1, 3, 150, 150)


@pytest.mark.parametrize(
    ("wanted", "shape"),
    [
        (Network("n", shape=(1, 1, 256, 256, 256)), (1, 1, 256, 256, 256)),
        (Network("n", shape=(0, 4, 0, 0, 0), window=(96, 96, 64), batch=2), (2, 4, 96, 96, 64)),
        (Network("n"), ()),
        (Network("n", shape=(0, 3, 150, 0)), ()),
    ],
)
def test_what_shape_is_usual_follows_from_the_manifest(wanted: Network, shape: tuple[int, ...]) -> None:
    assert usual((), wanted) == shape
    assert usual((0, 8, 8, 7), Network("n", shape=(0, 7, 8, 8))) == ()


def test_inputs_of_the_usual_shape_and_others_take_turns(engine: CheckedEngine) -> None:
    engine.load(networks.root(), Network("toy.onnx", shape=(0, 1, 0, 0, 0), window=(8, 8, 8), batch=2))
    for shape in ((2, 1, 8, 8, 8), (1, 1, 8, 8, 8), (2, 1, 8, 8, 8), (1, 1, 4, 4, 4)):
        batch = networks.volume(*shape)
        assert np.allclose(engine.infer(batch)["logits"], np.sqrt(batch), atol=1e-6)


@pytest.mark.parametrize("name", LIBRARIES)
def test_an_engine_without_its_library_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in LIBRARIES[name].modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=f"engine {name} cannot be used .*pip install"):
        imported(name)


def test_each_engine_is_made_without_its_library_only_as_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for library in LIBRARIES.values():
        for module in library.modules:
            monkeypatch.setitem(sys.modules, module, None)
    for make in (OpenVinoEngine, OnnxRuntimeEngine, TorchEngine, lambda: TensorRtEngine(tmp_path)):
        with pytest.raises(ConfigurationError):
            make()


LOCATION = networks.text(1, "location") + networks.text(2, "weights.bin")
ELSEWHERE = networks.message(13, LOCATION) + networks.number(14, 1)


@pytest.mark.parametrize(
    "graph",
    [
        networks.message(5, ELSEWHERE),
        networks.message(15, networks.message(1, ELSEWHERE)),
        networks.message(1, networks.text(4, "Constant") + networks.message(5, networks.message(5, ELSEWHERE))),
        networks.message(1, networks.message(5, networks.message(6, networks.message(5, ELSEWHERE)))),
        networks.message(1, networks.message(5, networks.message(10, ELSEWHERE))),
    ],
    ids=["initializer", "sparse", "constant", "inner graph", "several"],
)
def test_weights_in_another_file_are_refused_wherever_the_network_names_it(
    engine: CheckedEngine, graph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(64))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"keeps weights in another file \(weights\.bin\)"):
        engine.load(networks.root() + networks.message(7, graph), WANTED)
