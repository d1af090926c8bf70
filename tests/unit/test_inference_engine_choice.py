"""The machine and the network's kind decide which engine runs it; what is missing is said with how to get it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ConfigurationError
from inference_worker.engines import choice, cuda
from inference_worker.engines.choice import Facts, available, decide, look, make
from inference_worker.engines.libraries import LIBRARIES
from models.manifest import Network
from tests.support import fake_gpu, networks

ALL = frozenset(LIBRARIES)
CPU = Facts(frozenset({"openvino", "onnxruntime", "torch"}))
NVIDIA = Facts(ALL, frozenset({"tensorrt", "onnxruntime", "torch"}))


@pytest.mark.parametrize(
    ("name", "kind", "facts", "decided"),
    [
        ("auto", "onnx", NVIDIA, ("tensorrt", "cuda")),
        ("auto", "onnx", Facts(ALL, frozenset({"onnxruntime", "torch"})), ("onnxruntime", "cuda")),
        ("auto", "onnx", Facts(ALL, frozenset({"torch"})), ("openvino", "cpu")),
        ("auto", "onnx", Facts(ALL), ("openvino", "cpu")),
        ("auto", "onnx", CPU, ("openvino", "cpu")),
        ("auto", "onnx", Facts(frozenset({"onnxruntime", "torch"})), ("onnxruntime", "cpu")),
        ("auto", "torchscript", NVIDIA, ("torch", "cuda")),
        ("auto", "torchscript", CPU, ("torch", "cpu")),
        ("auto", "torchscript", Facts(ALL, frozenset({"tensorrt"})), ("torch", "cpu")),
        ("openvino", "onnx", NVIDIA, ("openvino", "cpu")),
        ("onnxruntime", "onnx", NVIDIA, ("onnxruntime", "cuda")),
        ("onnxruntime", "onnx", CPU, ("onnxruntime", "cpu")),
        ("torch", "onnx", NVIDIA, ("torch", "cuda")),
        ("torch", "onnx", CPU, ("torch", "cpu")),
        # One that is named is tried, and says itself what it lacks.
        ("tensorrt", "onnx", CPU, ("tensorrt", "cuda")),
        ("torch", "torchscript", Facts(frozenset()), ("torch", "cpu")),
    ],
)
def test_the_machine_decides(name: str, kind: str, facts: Facts, decided: tuple[str, str]) -> None:
    assert decide(name, kind, facts) == decided


@pytest.mark.parametrize(
    ("name", "kind", "facts", "said"),
    [
        ("auto", "onnx", Facts(frozenset({"torch"})), r"reads a network of the kind 'onnx': pip install"),
        (
            "auto",
            "torchscript",
            Facts(frozenset({"openvino"})),
            r"kind 'torchscript': pip install 'dicom-node\[torch\]'",
        ),
        ("openvino", "torchscript", CPU, "openvino reads no 'torchscript'; torch do"),
        ("caffe", "onnx", CPU, "no engine is called 'caffe'; known: auto, tensorrt, openvino, onnxruntime, torch"),
        ("auto", "bundle", CPU, "no engine reads a network of the kind 'bundle'"),
    ],
)
def test_what_cannot_be_read_is_said_with_what_would_read_it(name: str, kind: str, facts: Facts, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        decide(name, kind, facts)


def test_an_engine_is_made_and_runs() -> None:
    engine = make("openvino", threads=1, device="cpu")
    engine.load(networks.root(), Network("toy.onnx", window=(32, 32, 32)))
    batch = networks.volume(1, 1, 40, 33, 32)
    assert abs(engine.infer(batch)["logits"] - batch**0.5).max() < 1e-5 and engine.name.startswith("OpenVINO")


def test_a_gpu_that_is_not_there_is_not_done_without() -> None:
    if cuda.gpus():
        pytest.skip("this machine has a GPU")
    for name in ("auto", "openvino", "onnxruntime"):
        with pytest.raises(ConfigurationError, match="on a GPU"):
            make(name, device="cuda")


def test_tensorrt_needs_a_folder_and_auto_does_without_it_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(choice, "look", lambda *_: NVIDIA)
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu.tensorrt())
    monkeypatch.setattr(cuda, "driver", lambda: cuda.Driver(fake_gpu.Cuda()))
    with pytest.raises(ConfigurationError, match="needs a folder"):
        make("tensorrt")
    assert make("auto", cache=tmp_path).name.startswith("TensorRT")
    monkeypatch.setattr(choice, "look", lambda *_: Facts(ALL, frozenset({"tensorrt"})))
    assert make("auto").name.startswith("OpenVINO")


def test_the_golden_sample_s_check_is_given_an_engine_for_any_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(choice, "look", lambda *_: NVIDIA)
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu.tensorrt())
    monkeypatch.setattr(cuda, "driver", lambda: cuda.Driver(fake_gpu.Cuda()))
    network = Network("toy.onnx", window=(32, 32, 32))

    def agrees(engine: Any) -> bool:
        engine.load(networks.root(), network)
        batch = networks.volume(1, 1, 70, 32, 40)
        return bool(abs(engine.infer(batch)["logits"] - batch**0.5).max() < 1e-3)

    engine = make("auto", cache=tmp_path, agrees=agrees)
    engine.load(networks.root(), network)
    assert engine.name.endswith("FP16)")


def test_every_engine_is_listed_with_its_version_or_with_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(cuda, "gpus", lambda: ())
    found = {one.name: one for one in available()}
    assert list(found) == list(LIBRARIES)
    assert found["openvino"].version[0].isdigit() and found["openvino"].devices == ("CPU",)
    assert not found["openvino"].missing
    missing = found["onnxruntime"].missing
    assert found["onnxruntime"].version == "" and "dicom-node[onnxruntime]" in missing
    assert missing.startswith("the engine onnxruntime cannot be used (it is not installed): pip install")


def test_tensorrt_is_listed_with_its_gpus_and_misses_one_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", fake_gpu.tensorrt())
    monkeypatch.setattr(cuda, "gpus", lambda: ())
    assert available()[0].missing == "an NVIDIA GPU and its driver"
    monkeypatch.setattr(cuda, "gpus", lambda: cuda.Driver(fake_gpu.Cuda()).gpus())
    (tensorrt,) = (one for one in available() if one.name == "tensorrt")
    assert tensorrt.devices == ("NVIDIA H200",) and not tensorrt.missing


def test_nothing_is_looked_for_on_a_gpu_that_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "gpus", lambda: pytest.fail("looked for a GPU"))
    assert look("onnx", "cpu").on_gpu == frozenset()


def test_importing_the_engines_imports_none_of_their_libraries() -> None:
    code = (
        "import sys, inference_worker.engines.choice, inference_worker.engines.comparison;"
        "print([name for name in ('torch', 'openvino', 'onnxruntime', 'tensorrt', 'monai') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
