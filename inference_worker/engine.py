"""What runs a network. One protocol, one class for each engine; nothing else imports an engine's library."""

import io
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import openvino

from domain.errors import ConfigurationError, Permanent
from inference_worker.preprocessing import Float
from models.manifest import Network


class Engine(Protocol):
    """Loads one network and runs it."""

    @property
    def name(self) -> str:
        """Library and version, as the findings' provenance says it."""
        ...

    def load(self, network: bytes, wanted: Network) -> None:
        """Compile `network` (ONNX) and run it once, so that the first job finds it warm.

        Raises ConfigurationError where it is no ONNX, or has not the input and output that `wanted` names.
        """
        ...

    def infer(self, volume: Float) -> Float:
        """Logits (1, labels, z, y, x) of `volume` (1, 1, z, y, x).

        Raises Permanent where input or output are not finite, or the output lies on another grid: it means nothing.
        """
        ...


class OpenVinoEngine:
    """OpenVINO on the CPU, in 32-bit floats: bfloat16 gains little there and moves logits by 4e-2."""

    def __init__(self, threads: int = 0) -> None:
        """`threads` of the CPU; 0 takes all."""
        self._threads = threads
        self._compiled: Any = None

    @property
    def name(self) -> str:
        return f"OpenVINO {openvino.__version__.partition('-')[0]}"

    def load(self, network: bytes, wanted: Network) -> None:
        try:
            core = openvino.Core()
            model = core.read_model(io.BytesIO(network))
            _check_names(model, wanted)
            self._compiled = core.compile_model(model, "CPU", self._hints())
        except RuntimeError as error:
            raise ConfigurationError(f"{wanted.file}: OpenVINO cannot load it: {error}") from error
        self.infer(np.zeros((1, 1, *[2 * wanted.multiple] * 3), np.float32))

    def infer(self, volume: Float) -> Float:
        if self._compiled is None:
            raise ConfigurationError("no network is loaded")
        # Rectifiers turn what is not a number into 0, so the output alone would not show it.
        if not _finite(volume):
            raise Permanent("the network's input is not finite")
        try:
            logits = self._compiled(volume)[0]
        except RuntimeError as error:
            raise Permanent(f"OpenVINO cannot run the network on {volume.shape}: {error}") from error
        return checked(logits, volume.shape)

    def _hints(self) -> dict[str, Any]:
        hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        return {**hints, "INFERENCE_NUM_THREADS": self._threads} if self._threads else hints


def checked(logits: npt.NDArray[Any], shape: tuple[int, ...]) -> Float:
    """`logits` if they are finite and lie on the grid of an input of `shape`; raises Permanent otherwise."""
    if logits.ndim != 5 or logits.shape[0] != 1 or logits.shape[2:] != shape[2:]:
        raise Permanent(f"the network's output has shape {logits.shape} for an input of {shape}")
    if not _finite(logits):
        raise Permanent("the network's output is not finite")
    return np.asarray(logits, np.float32)


def _finite(values: npt.NDArray[Any]) -> bool:
    # A sum is finite only where every term is, and takes no mask as large as the values.
    return bool(np.isfinite(np.sum(values, dtype=np.float64)))


def _check_names(model: Any, wanted: Network) -> None:
    names = {port.any_name for port in model.inputs}, {port.any_name for port in model.outputs}
    if names != ({wanted.input}, {wanted.output}):
        raise ConfigurationError(f"{wanted.file}: has inputs and outputs {names}, not those of the manifest")
