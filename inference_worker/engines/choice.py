"""Which engine runs a network on this machine: asked for by name, or by what the machine has ("auto")."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from domain.errors import ConfigurationError
from inference_worker.engines import cuda
from inference_worker.engines.libraries import LIBRARIES, imported
from inference_worker.engines.onnxruntime import CUDA, OnnxRuntimeEngine
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.engines.protocol import Engine
from inference_worker.engines.tensorrt import TensorRtEngine
from inference_worker.engines.torch import TorchEngine
from inference_worker.windows import Windowed

AUTO = "auto"
# What reads each kind of network.
READERS: Mapping[str, tuple[str, ...]] = {
    "onnx": ("tensorrt", "onnxruntime", "openvino", "torch"),
    "torchscript": ("torch",),
}
# What "auto" takes, the first that is there: on a GPU, and on the CPU. Torch converts ONNX before it runs it, and not
# every network; it is taken for that only where somebody names it.
ON_GPU: Mapping[str, tuple[str, ...]] = {"onnx": ("tensorrt", "onnxruntime"), "torchscript": ("torch",)}
ON_CPU: Mapping[str, tuple[str, ...]] = {"onnx": ("openvino", "onnxruntime"), "torchscript": ("torch",)}


@dataclass(frozen=True)
class Facts:
    """What a machine has: engines whose library is installed, and those of them that can use its GPU."""

    installed: frozenset[str]
    on_gpu: frozenset[str] = frozenset()


@dataclass(frozen=True)
class EngineReport:
    """One engine for `doctor`: its library's version, or what is missing and how to get it; and its devices."""

    name: str
    version: str
    missing: str
    devices: tuple[str, ...]


def decide(name: str, kind: str, facts: Facts) -> tuple[str, str]:
    """Engine and device ("cpu", "cuda") for a network of `kind`.

    `name` is an engine's, or "auto": for ONNX TensorRT or ONNX Runtime on a GPU that they can use, otherwise OpenVINO
    or ONNX Runtime on the CPU; for TorchScript Torch. Raises ConfigurationError where nothing reads `kind`.
    """
    if kind not in READERS:
        raise ConfigurationError(f"no engine reads a network of the kind {kind!r}; they read {', '.join(READERS)}")
    if name not in (AUTO, *LIBRARIES):
        raise ConfigurationError(f"no engine is called {name!r}; known: {', '.join((AUTO, *LIBRARIES))}")
    if name != AUTO:
        return _named(name, kind, facts)
    for device, order, usable in (("cuda", ON_GPU, facts.on_gpu), ("cpu", ON_CPU, facts.installed)):
        for reader in order[kind]:
            if reader in usable:
                return reader, device
    wanted = ON_CPU[kind][0]
    raise ConfigurationError(f"nothing here reads a network of the kind {kind!r}: {LIBRARIES[wanted].install}")


def _named(name: str, kind: str, facts: Facts) -> tuple[str, str]:
    if name not in READERS[kind]:
        raise ConfigurationError(f"the engine {name} reads no {kind!r}; {', '.join(READERS[kind])} do")
    return name, "cuda" if name in facts.on_gpu or name == "tensorrt" else "cpu"


def make(
    name: str = AUTO,
    kind: str = "onnx",
    threads: int = 0,
    device: str = AUTO,
    cache: Path | None = None,
    agrees: Callable[[Engine], bool] | None = None,
    gpu_memory: int = 0,
) -> Engine:
    """An engine for networks of `kind`, for inputs of any size (windows.Windowed), with nothing loaded yet.

    `threads` of the CPU (0: all). `device` "cpu" looks at no GPU, "cuda" insists on one. `cache` is the folder for
    what TensorRT compiles, without which TensorRT is not used; `agrees` is its check of FP16 (TensorRtEngine);
    `gpu_memory` (bytes, 0: all) is what it may take of a GPU's. Raises as `placed` does.
    """
    chosen, where = placed(name, kind, device, cache)
    if chosen == "tensorrt" and cache:
        check = (lambda engine: agrees(Windowed(engine))) if agrees else None
        return Windowed(TensorRtEngine(cache, check, memory=gpu_memory))
    if chosen == "openvino":
        return Windowed(OpenVinoEngine(threads))
    return Windowed((OnnxRuntimeEngine if chosen == "onnxruntime" else TorchEngine)(threads, where, gpu_memory))


def placed(name: str, kind: str, device: str = AUTO, cache: Path | None = None) -> tuple[str, str]:
    """Which engine `make` takes on this machine, and its device: "cpu" or "cuda".

    Raises ConfigurationError where the engine is unknown, does not read `kind`, or what it needs is missing.
    """
    if name == "tensorrt" and cache is None:
        raise ConfigurationError("the engine tensorrt needs a folder to keep what it compiles")
    facts = look(kind, device)
    chosen, where = decide(name, kind, facts if cache else Facts(facts.installed, facts.on_gpu - {"tensorrt"}))
    if device == "cuda" and where != "cuda":
        raise ConfigurationError(f"nothing here runs a network of the kind {kind!r} on a GPU with the engine {name}")
    return chosen, where


def look(kind: str, device: str = AUTO) -> Facts:
    """What this machine has to read `kind` with.

    Only where there is a GPU, and `device` is not "cpu", are libraries imported, to see whether they can use it.
    """
    installed = frozenset(name for name in READERS.get(kind, ()) if _installed(name))
    if device == "cpu" or not cuda.gpus():
        return Facts(installed)
    return Facts(installed, frozenset(name for name in installed if _uses_gpu(name)))


def uses_gpu(name: str = AUTO) -> bool:
    """Whether the engine `name` ("auto": any) can use a GPU of this machine; imports the libraries that might."""
    return bool(cuda.gpus()) and any(_uses_gpu(one) for one in LIBRARIES if name in (AUTO, one) and _installed(one))


def available() -> tuple[EngineReport, ...]:
    """Every engine with its version, or with what is missing and how to get it."""
    gpus = cuda.gpus()
    return tuple(_reported(name, gpus) for name in LIBRARIES)


def _reported(name: str, gpus: tuple[cuda.Gpu, ...]) -> EngineReport:
    try:
        imported(name)
    except ConfigurationError as error:
        return EngineReport(name, "", str(error), ())
    if name == "tensorrt" and not gpus:
        return EngineReport(name, _version(name), "an NVIDIA GPU and its driver", ())
    cards = tuple(gpu.name for gpu in gpus) if gpus and _uses_gpu(name) else ()
    return EngineReport(name, _version(name), "", cards if name == "tensorrt" else ("CPU", *cards))


def _installed(name: str) -> bool:
    return any(importlib.util.find_spec(module) for module in LIBRARIES[name].modules)


def _version(name: str) -> str:
    for distribution in LIBRARIES[name].distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "?"


def _uses_gpu(name: str) -> bool:
    """Whether the library of `name` can use the GPU that is there; imports it."""
    try:
        library = imported(name)
    except ConfigurationError:
        return False
    if name == "onnxruntime":
        return CUDA in library.get_available_providers()
    return name == "tensorrt" or (name == "torch" and bool(library.cuda.is_available()))
