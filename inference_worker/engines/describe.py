"""What a network in a file reads and gives: the names and shapes that its manifest has to state."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Protocol

from domain.errors import ConfigurationError
from inference_worker.engines.libraries import LIBRARIES, imported
from models.drafts import Port, Ports


def describe(network: bytes) -> Ports:
    """The inputs and outputs of an ONNX `network`, as OpenVINO or else ONNX Runtime reads it.

    Raises ConfigurationError where neither library is installed, or the one that is reads no network there.
    """
    for name, read in _READERS.items():
        if find_spec(name):
            return read(imported(name), network)
    raise ConfigurationError(f"no engine is installed that could read the network: {LIBRARIES['openvino'].install}")


def by_openvino(library: ModuleType, network: bytes) -> Ports:
    """As OpenVINO reads it."""
    try:
        model = library.Core().read_model(io.BytesIO(network))
    except RuntimeError as error:
        raise ConfigurationError(f"OpenVINO reads no network there: {_first_line(error)}") from error
    return Ports(tuple(map(_openvino_port, model.inputs)), tuple(map(_openvino_port, model.outputs)))


def by_onnxruntime(library: ModuleType, network: bytes) -> Ports:
    """As ONNX Runtime reads it."""
    try:
        reader = library.InferenceSession(network, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions are made in C++ and share no class of its own
        raise ConfigurationError(f"ONNX Runtime reads no network there: {_first_line(error)}") from error
    reads, gives = reader.get_inputs(), reader.get_outputs()
    return Ports(tuple(map(_onnxruntime_port, reads)), tuple(map(_onnxruntime_port, gives)))


class _OpenVinoSize(Protocol):
    is_static: bool

    def get_length(self) -> int: ...


class _OpenVinoShape(Protocol):
    rank: _OpenVinoSize

    def __iter__(self) -> Iterator[_OpenVinoSize]: ...


class _OpenVinoPort(Protocol):
    def get_partial_shape(self) -> _OpenVinoShape: ...

    def get_any_name(self) -> str: ...


class _OnnxRuntimePort(Protocol):
    name: str
    shape: Sequence[object]


def _openvino_port(port: _OpenVinoPort) -> Port:
    shape = port.get_partial_shape()
    sizes = [size.get_length() if size.is_static else 0 for size in shape] if shape.rank.is_static else []
    return Port(port.get_any_name(), tuple(sizes))


def _onnxruntime_port(port: _OnnxRuntimePort) -> Port:
    return Port(port.name, tuple(size if isinstance(size, int) else 0 for size in port.shape))


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


_READERS: Mapping[str, Callable[[ModuleType, bytes], Ports]] = {"openvino": by_openvino, "onnxruntime": by_onnxruntime}
