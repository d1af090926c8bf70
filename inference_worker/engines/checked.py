"""What every engine has in common: network held against manifest, input and output checked, errors made ours."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError, Permanent
from inference_worker.engines.ports import Ports, channels_last, check_names, sample
from inference_worker.engines.protocol import Float, OutOfMemory
from inference_worker.engines.words import in_words
from models.manifest import Network
from models.networks import external_files

Array = NDArray[Any]

# How OpenVINO, oneDNN, ONNX Runtime, Torch, CUDA's libraries and TensorRT say that memory has run out.
_MEMORY = re.compile(
    r"bad[_ ]alloc|out[_ ]?of[_ ]?memory|alloc(ate|ation of) (\d+ bytes of )?memory|ALLOC_FAILED|amount of GPU memory",
    re.IGNORECASE,
)
# The end of a library's message names the cause; what comes before it is the path there.
_SAID = 400


class CheckedEngine(ABC):
    """The base of the engines: a library adds how it opens a network and how it runs it."""

    # What the library raises; anything else is a defect and goes through as it is.
    failures: tuple[type[Exception], ...] = (MemoryError, RuntimeError)

    def __init__(self) -> None:
        self._wanted: Network | None = None
        self._channels_last = False

    @property
    @abstractmethod
    def name(self) -> str:
        """Library, version and device."""

    @abstractmethod
    def _open(self, network: bytes, wanted: Network) -> Ports:
        """Compile `network`; raises the library's own errors."""

    @abstractmethod
    def _run(self, batch: Float) -> Mapping[str, Array]:
        """The outputs of `batch`, laid out as the network wants it; raises the library's own errors."""

    def load(self, network: bytes, wanted: Network) -> None:
        """As the protocol says."""
        self._wanted = None
        self._refuse_other_files(network, wanted)
        with _translated(self.failures, f"{wanted.file}: {self.name} cannot load it", ConfigurationError):
            ports = self._open(network, wanted)
        check_names(ports, wanted)
        declared = ports.inputs[wanted.input]
        self._channels_last = channels_last(declared, wanted)
        self._wanted = wanted
        try:
            self.infer(sample(declared, wanted))
        except Permanent as error:
            self._wanted = None
            raise ConfigurationError(f"{wanted.file}: {error}") from error

    def infer(self, batch: Float) -> Mapping[str, Float]:
        """As the protocol says."""
        if self._wanted is None:
            raise ConfigurationError("no network is loaded")
        # Rectifiers turn what is not a number into 0, so the output alone would not show it.
        if not finite(batch):
            raise Permanent("the network's input is not finite")
        fed = np.moveaxis(batch, 1, -1) if self._channels_last else batch
        with _translated(self.failures, f"{self.name} cannot run the network on {batch.shape}", Permanent):
            outputs = self._run(np.ascontiguousarray(fed, np.float32))
        return {name: self._checked(name, outputs.get(name), batch) for name in self._wanted.outputs}

    def _refuse_other_files(self, network: bytes, wanted: Network) -> None:
        """Raise ConfigurationError where an ONNX network has its weights in a file that no digest covers."""
        try:
            others = external_files(network) if wanted.kind == "onnx" else ()
        except ConfigurationError as error:
            raise ConfigurationError(f"{wanted.file}: {self.name} cannot load it: {error}") from error
        if others:
            raise ConfigurationError(
                f"{wanted.file}: keeps weights in another file ({', '.join(others)}): save it as one file"
            )

    def _checked(self, name: str, output: Array | None, batch: Float) -> Float:
        if output is not None and self._channels_last and output.ndim == batch.ndim:
            output = np.moveaxis(output, -1, 1)
        return checked(name, output, len(batch))


def checked(name: str, output: Array | None, count: int) -> Float:
    """Output `name` if it is there, of `count` items and finite; raises Permanent otherwise: it means nothing."""
    if output is None:
        raise Permanent(f"the network gave no output {name}")
    if output.ndim < 2 or len(output) != count:
        raise Permanent(f"the network's output {name} has the shape {output.shape} for {count} inputs")
    if not finite(output):
        raise Permanent(f"the network's output {name} is not finite")
    return np.ascontiguousarray(output, np.float32)


def check_grid(name: str, output: Array, space: tuple[int, ...]) -> None:
    """Raise Permanent unless `output` (n, channels, ...) lies on the grid `space` of its input."""
    if output.shape[2:] != space:
        raise Permanent(f"the network's output {name} has the shape {output.shape} for an input of {space}")


def finite(values: Array) -> bool:
    """Whether every one of `values` is a number."""
    # A sum is finite only where every term is, and takes no mask as large as the values.
    with np.errstate(invalid="ignore"):
        return bool(np.isfinite(np.sum(values, dtype=np.float64)))


def says_memory(error: Exception) -> bool:
    """Whether a library's error means that memory has run out."""
    return isinstance(error, MemoryError) or bool(_MEMORY.search(str(error)))


@contextmanager
def _translated(failures: tuple[type[Exception], ...], what: str, kind: type[Permanent]) -> Iterator[None]:
    try:
        yield
    except failures as error:
        whole = " ".join(str(error).split())
        said = in_words(whole) if len(whole) <= _SAID else in_words(whole).replace(whole, whole[-_SAID:])
        raise (OutOfMemory if says_memory(error) else kind)(f"{what}: {said}") from error
