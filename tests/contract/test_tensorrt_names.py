"""What the stand-in for TensorRT has, and what the engine calls, TensorRT's own bindings have under the same names."""

import re
from typing import Any

import pytest

from domain.errors import ConfigurationError
from inference_worker.engines.libraries import imported
from inference_worker.engines.tensorrt import make_log, refuse_others
from tests.support import fake_gpu

# The stand-in's class: the library's.
_CLASSES = {
    fake_gpu.Context: "IExecutionContext",
    fake_gpu.CudaEngine: "ICudaEngine",
    fake_gpu.Runtime: "Runtime",
    fake_gpu.Network: "INetworkDefinition",
    fake_gpu.OnnxParser: "OnnxParser",
    fake_gpu.Profile: "IOptimizationProfile",
    fake_gpu.Config: "IBuilderConfig",
    fake_gpu.Builder: "Builder",
    fake_gpu.BuilderFlag: "BuilderFlag",
    fake_gpu.TensorIOMode: "TensorIOMode",
    fake_gpu.ExecutionContextAllocationStrategy: "ExecutionContextAllocationStrategy",
}
# What only the stand-in has, for the tests to look at.
_OWN = {"outputs", "flags", "profiles", "shapes", "built", "refuses"}

try:
    library: Any = imported("tensorrt")
except ConfigurationError:
    pytest.skip("TensorRT's bindings are not installed", allow_module_level=True)


@pytest.mark.parametrize("stand_in", _CLASSES, ids=lambda one: _CLASSES[one])
def test_every_name_of_the_stand_in_is_tensorrt_s(stand_in: type) -> None:
    theirs = getattr(library, _CLASSES[stand_in])
    names = {name for name in vars(stand_in) if not name.startswith("_")} - _OWN
    assert names and names <= set(dir(theirs))


@pytest.mark.parametrize(
    ("where", "function", "signature"),
    [
        ("IExecutionContext", "set_input_shape", r"name: str, shape: tuple\) -> bool"),
        ("IExecutionContext", "infer_shapes", r"\) -> List\[str\]"),
        ("IExecutionContext", "update_device_memory_size_for_shapes", r"\) -> int"),
        ("IExecutionContext", "set_device_memory", r"memory: int, size: int\) -> None"),
        ("IExecutionContext", "set_tensor_address", r"name: str, memory: int\) -> bool"),
        ("IExecutionContext", "get_tensor_address", r"name: str\) -> int"),
        ("IExecutionContext", "execute_async_v3", r"stream_handle: int\) -> bool"),
        ("ICudaEngine", "create_execution_context", r"strategy: \S*ExecutionContextAllocationStrategy"),
        ("ICudaEngine", "get_tensor_profile_shape", r"name: str, profile_index: int\)"),
        ("Runtime", "deserialize_cuda_engine", r"serialized_engine: buffer\)"),
        ("OnnxParser", "parse", r"model: buffer, path: str = None\) -> bool"),
        ("Builder", "create_network", r"flags: int = 0\)"),
        ("Builder", "build_serialized_network", r"network: \S*INetworkDefinition, config: \S*IBuilderConfig\)"),
        ("IOptimizationProfile", "set_shape", r"input: str, min: \S*Dims, opt: \S*Dims, max: \S*Dims\)"),
        ("IBuilderConfig", "add_optimization_profile", r"profile: \S*IOptimizationProfile\) -> int"),
        ("INetworkDefinition", "unmark_output", r"tensor: \S*ITensor\)"),
    ],
)
def test_tensorrt_s_functions_take_what_the_engine_gives_them(where: str, function: str, signature: str) -> None:
    assert re.search(signature, getattr(getattr(library, where), function).__doc__)


def test_the_installed_library_has_all_that_the_engine_calls() -> None:
    refuse_others(library)


def test_tensorrt_has_the_rest_that_the_engine_uses() -> None:
    assert library.__version__ and callable(library.nptype) and library.volume((2, 3)) == 6
    assert {"ERROR", "INTERNAL_ERROR"} <= set(dir(library.ILogger.Severity))
    assert hasattr(library.ParserError, "desc") and hasattr(library.ICudaEngine, "num_io_tensors")
    assert "nbytes" in dir(library.IHostMemory)


def test_a_logger_of_the_engine_s_keeps_what_tensorrt_says() -> None:
    log = make_log(library)
    log.log(library.ILogger.Severity.WARNING, "in passing")
    log.log(library.ILogger.Severity.ERROR, "this failed")
    assert log.text() == "this failed" and isinstance(log, library.ILogger)
