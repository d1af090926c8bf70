"""ONNX Runtime, on the CPU or, where its CUDA provider is there, on the GPU."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from domain.errors import ConfigurationError
from inference_worker.engines.checked import Array, CheckedEngine
from inference_worker.engines.libraries import LIBRARIES, imported
from inference_worker.engines.ports import Ports
from inference_worker.engines.protocol import Float
from models.manifest import Network

CUDA = "CUDAExecutionProvider"


class OnnxRuntimeEngine(CheckedEngine):
    """ONNX in 32-bit floats."""

    def __init__(self, threads: int = 0, device: str = "cpu", memory: int = 0) -> None:
        """On `device` "cpu", with `threads` (0: all), or "cuda", with `memory` bytes of it at most (0: all).

        Raises ConfigurationError where that is missing.
        """
        super().__init__()
        self._library = imported("onnxruntime")
        if device == "cuda" and CUDA not in self._library.get_available_providers():
            raise ConfigurationError(f"this ONNX Runtime has no CUDA: {LIBRARIES['onnxruntime'].install}")
        self._threads, self._device, self._memory = threads, device, memory
        self._session: Any = None
        self.failures = (MemoryError, RuntimeError, ValueError, *_failures())

    @property
    def name(self) -> str:
        return f"ONNX Runtime {self._library.__version__} ({self._device.upper()})"

    def _open(self, network: bytes, wanted: Network) -> Ports:
        self._session = self._library.InferenceSession(network, self._options(), providers=self._providers())
        used = self._session.get_providers()
        if self._device == "cuda" and CUDA not in used:
            # It falls back to the CPU without an error where CUDA's or cuDNN's libraries do not load.
            raise ConfigurationError(f"ONNX Runtime could not start CUDA and would use {', '.join(used)}")
        inputs = {port.name: _shape(port.shape) for port in self._session.get_inputs()}
        return Ports(inputs, tuple(port.name for port in self._session.get_outputs()))

    def _run(self, batch: Float) -> Mapping[str, Array]:
        names = [port.name for port in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, {self._session.get_inputs()[0].name: batch}), strict=True))

    def _options(self) -> Any:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Its threads would otherwise spin for a while after each run, on the cores that prepare the next volume.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # What it writes to stderr at an error, the exception says too.
        options.log_severity_level = 4
        return options

    def _providers(self) -> list[object]:
        cpu: list[object] = ["CPUExecutionProvider"]
        # TF32 has the mantissa of a 16-bit float; whoever wants that asks TensorRT for it, which checks the result.
        options = {"use_tf32": "0"} | ({"gpu_mem_limit": str(self._memory)} if self._memory else {})
        return [(CUDA, options), *cpu] if self._device == "cuda" else cpu


def _shape(declared: Any) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else 0 for size in declared or ())


def _failures() -> tuple[type[Exception], ...]:
    """Its exceptions, each of which derives from Exception alone."""
    state = vars(import_module("onnxruntime.capi.onnxruntime_pybind11_state"))
    return tuple(one for one in state.values() if isinstance(one, type) and issubclass(one, Exception))
