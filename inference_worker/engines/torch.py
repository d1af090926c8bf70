"""Torch, for networks in the TorchScript form or in ONNX, on the CPU or the GPU."""

import io
import os
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from domain.errors import ConfigurationError
from inference_worker.engines.checked import Array, CheckedEngine
from inference_worker.engines.libraries import converter, imported
from inference_worker.engines.ports import Ports
from inference_worker.engines.protocol import Float
from models.manifest import Network
from models.torchscript import refuse_other_than_networks


class TorchEngine(CheckedEngine):
    """TorchScript, or ONNX that onnx2torch can convert, in 32-bit floats.

    TorchScript's outputs are named by the manifest, in their order; a dictionary's by itself.
    """

    def __init__(self, threads: int = 0, device: str = "cpu", memory: int = 0) -> None:
        """On `device` "cpu", with `threads` (0: all), or "cuda". Raises ConfigurationError where that is missing.

        Torch counts its threads for the process, not for the engine; so it does `memory` (`keep_within`).
        """
        super().__init__()
        self._library = imported("torch")
        if device == "cuda" and not self._library.cuda.is_available():
            raise ConfigurationError(
                "this Torch finds no GPU that it can use; a CUDA build of it and a driver are needed"
            )
        self._threads, self._device = threads or len(os.sched_getaffinity(0)), device
        self._names: tuple[str, ...] = ()
        self.module: Any = None
        if device == "cuda":
            keep_within(memory)

    @property
    def name(self) -> str:
        return f"Torch {self._library.__version__} ({self._device.upper()})"

    def _open(self, network: bytes, wanted: Network) -> Ports:
        self._library.set_num_threads(self._threads)
        if wanted.kind == "onnx":
            convert = converter().convert
            model, ports = _read_onnx(network)
            self.module, self._names = _converted(convert, model).to(self._device).eval(), ports.outputs
            return ports
        refuse_other_than_networks(network, wanted.file)
        with warnings.catch_warnings():
            # Torch announces that it will drop TorchScript; until then it is the form that needs no code to load.
            warnings.filterwarnings("ignore", "`torch.jit")
            self.module = self._library.jit.load(io.BytesIO(network), map_location=self._device).eval()
        self._names = wanted.outputs
        return Ports({wanted.input: ()}, wanted.outputs)

    def _run(self, batch: Float) -> Mapping[str, Array]:
        torch = self._library
        # cuDNN's convolutions would else use TF32, which has the mantissa of a 16-bit float.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            outputs = self.module(torch.from_numpy(batch).to(self._device))
            return {name: value.float().cpu().numpy() for name, value in self._named(outputs).items()}

    def _named(self, outputs: Any) -> Mapping[str, Any]:
        if isinstance(outputs, dict):
            return outputs
        return dict(zip(self._names, outputs if isinstance(outputs, tuple | list) else (outputs,), strict=False))


def keep_within(memory: int) -> None:
    """Let this process's Torch take at most `memory` bytes of its first GPU, for all that it does there; 0: all."""
    cuda = imported("torch").cuda
    if memory and cuda.is_available():
        total = cuda.get_device_properties(0).total_memory
        cuda.set_per_process_memory_fraction(min(1.0, memory / total), 0)


def _read_onnx(network: bytes) -> tuple[Any, Ports]:
    """The ONNX model in `network`, and its ports; raises RuntimeError where it is none that can be converted."""
    try:
        model = import_module("onnx").load_from_string(network)
    except Exception as error:  # protobuf's exceptions share no class with any other's
        raise RuntimeError(f"it is no ONNX: {error}") from error
    weights = {one.name for one in model.graph.initializer}
    inputs = {one.name: _declared(one) for one in model.graph.input if one.name not in weights}
    outputs = tuple(one.name for one in model.graph.output)
    for k, node in enumerate(model.graph.node):
        # Torch writes Python with the nodes' names in it and runs that: nothing that a file says may be among them.
        node.name = f"node{k}"
        if node.domain or (len(node.output) > 1 and set(node.output) & set(outputs)):
            raise RuntimeError(f"onnx2torch does not convert its operator {node.domain} {node.op_type}")
    return model, Ports(inputs, outputs)


def _declared(value: Any) -> tuple[int, ...]:
    """The shape of one input; 0 where it is free."""
    return tuple(size.dim_value for size in value.type.tensor_type.shape.dim)


def _converted(convert: Callable[[Any], Any], model: Any) -> Any:
    """Torch's network that does what `model` says; raises RuntimeError where onnx2torch cannot make it."""
    try:
        return convert(model)
    except Exception as error:  # its converters look up, index and assert what a file may not hold
        raise RuntimeError(f"onnx2torch cannot convert it: {type(error).__name__} {error}".strip()) from error
