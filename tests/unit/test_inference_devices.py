"""A package runs on the device that it is given, its steps where its network is, and within the GPU's share."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from domain.errors import ConfigurationError
from inference_worker import package_trial
from inference_worker.bundle_tensorrt import TensorRT
from inference_worker.engines.onnxruntime import CUDA, OnnxRuntimeEngine
from inference_worker.engines.torch import TorchEngine
from inference_worker.package_trial import runner
from inference_worker.pipeline import best_device
from models.manifest import Network
from models.registry import Package, load_package
from tests.support import networks
from tests.support.packages import write_package

GB = 1_000_000_000


class Session:
    """ONNX Runtime's, as far as it is opened."""

    made: ClassVar[list[Any]] = []

    def __init__(self, network: bytes, options: Any, providers: list[Any]) -> None:
        self.made.append(providers)

    def get_providers(self) -> list[str]:
        return [CUDA]

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="volume", shape=("n", 1, "z", "y", "x"))]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="logits")]

    def run(self, names: list[str], given: dict[str, Any]) -> list[Any]:
        return list(given.values())


class TorchCuda:
    """torch.cuda of a machine with one GPU of 100 GB."""

    def __init__(self) -> None:
        self.fractions: list[tuple[float, int]] = []

    def is_available(self) -> bool:
        return True

    def get_device_properties(self, _number: int) -> Any:
        return SimpleNamespace(total_memory=100 * GB)

    def set_per_process_memory_fraction(self, fraction: float, number: int) -> None:
        self.fractions.append((fraction, number))


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> TorchCuda:
    made = TorchCuda()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=made, __version__="2"))
    return made


@pytest.mark.parametrize(("memory", "said"), [(5 * GB, {"gpu_mem_limit": str(5 * GB)}), (0, {})])
def test_onnx_runtime_is_told_its_share_of_the_gpu(
    monkeypatch: pytest.MonkeyPatch, memory: int, said: dict[str, str]
) -> None:
    library = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(library, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(library, "InferenceSession", Session)
    monkeypatch.setattr(Session, "made", [])
    OnnxRuntimeEngine(1, "cuda", memory).load(networks.root(), Network("toy.onnx", shape=(0, 1, 0, 0, 0)))
    assert Session.made == [[(CUDA, {"use_tf32": "0"} | said), "CPUExecutionProvider"]]


@pytest.mark.parametrize(
    ("device", "memory", "fractions"),
    [("cuda", 25 * GB, [(0.25, 0)]), ("cuda", 200 * GB, [(1.0, 0)]), ("cuda", 0, []), ("cpu", 25 * GB, [])],
)
def test_torch_is_told_its_share_of_the_gpu(
    cuda: TorchCuda, device: str, memory: int, fractions: list[tuple[float, int]]
) -> None:
    TorchEngine(1, device, memory)
    assert cuda.fractions == fractions


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return load_package(write_package(tmp_path))


@pytest.mark.parametrize(("where", "steps"), [("cuda", "cuda:0"), ("cpu", "")])
def test_steps_are_carried_out_where_the_network_is(
    monkeypatch: pytest.MonkeyPatch, cuda: TorchCuda, package: Package, where: str, steps: str
) -> None:
    made: list[Any] = []

    def pipeline(_package: Package, engine: str, device: str) -> Any:
        made.append((engine, device))
        return SimpleNamespace(run=None, prepare=None)

    monkeypatch.setattr(package_trial, "placed", lambda *_: ("onnxruntime", where))
    monkeypatch.setattr(package_trial, "best_device", lambda: "cuda:0")
    monkeypatch.setattr(package_trial, "make", lambda *given: given)
    monkeypatch.setattr(package_trial, "Pipeline", pipeline)
    runner(package, "auto", 1, device="auto", gpu_memory=25 * GB)
    assert made == [(("auto", "onnx", 1, "auto", None, None, 25 * GB), steps)]
    assert cuda.fractions == ([(0.25, 0)] if steps else [])


def test_a_gpu_that_is_asked_for_and_not_there_is_not_done_without(package: Package) -> None:
    if best_device():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigurationError, match="on a GPU with the engine openvino"):
        runner(package, "openvino", 1, device="cuda")


@pytest.mark.parametrize(
    ("engine", "device", "place", "behind"),
    [
        ("auto", "auto", "", False),
        ("auto", "cpu", "cpu", False),
        ("openvino", "cuda", "cuda:0", False),
        ("tensorrt", "cuda", "cuda:0", True),
    ],
)
def test_a_bundle_runs_on_the_device_and_behind_tensorrt_where_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
    package: Package,
    engine: str,
    device: str,
    place: str,
    behind: bool,
    cuda: TorchCuda,
) -> None:
    made: list[Any] = []

    def model(*given: Any) -> Any:
        made.append(given)
        return SimpleNamespace(run=None)

    monkeypatch.setattr(package_trial, "BundleModel", model)
    bundle = _as_bundle(package)
    runner(bundle, engine, 1, Path("cache"), device=device, gpu_memory=50 * GB)
    assert made == [(bundle, place, TensorRT(Path("cache")) if behind else None)]
    assert cuda.fractions == ([] if device == "cpu" else [(0.5, 0)])


def _as_bundle(package: Package) -> Package:
    manifest = package.manifest
    return replace(package, manifest=replace(manifest, network=replace(manifest.network, kind="bundle")))
