"""Small networks for tests of engines: ONNX as the few messages of onnx.proto that it takes, and an engine of NumPy."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inference_worker.engines.protocol import Float, OutOfMemory
from models.manifest import Network

Node = tuple[str, Sequence[str], str]  # operator, inputs, output


def onnx(nodes: Sequence[Node], channels: int = 1, outputs: Sequence[str] = ("logits",)) -> bytes:
    """A network of operators without attributes, from `volume` (n, channels, z, y, x) to `outputs`."""
    graph = b"".join(message(1, _node(*node)) for node in nodes) + text(2, "test")
    graph += message(11, _value("volume", channels))
    graph += b"".join(message(12, _value(name, 0)) for name in outputs)
    return number(1, 8) + message(8, number(2, 13)) + message(7, graph)


def root() -> bytes:
    """The square root of `volume`: no number below 0."""
    return onnx([("Sqrt", ["volume"], "logits")])


def volume(*shape: int) -> Float:
    """Values from 0 to 1, always the same for one shape."""
    return np.random.default_rng(sum(shape)).random(shape, np.float32)


class ArrayEngine:
    """An engine whose network is a function of arrays; `limit` voxels of input fit into its memory."""

    def __init__(self, network: Callable[[Float], Mapping[str, Float]], limit: int = 1 << 40) -> None:
        self._network, self.limit = network, limit
        self.shapes: list[tuple[int, ...]] = []

    @property
    def name(self) -> str:
        return "NumPy"

    def load(self, network: bytes, wanted: Network) -> None:
        """Nothing: the function is the network."""

    def infer(self, batch: Float) -> Mapping[str, Float]:
        self.shapes.append(batch.shape)
        if batch.size > self.limit:
            raise OutOfMemory(f"no memory for {batch.shape}")
        return {name: np.asarray(output, np.float32) for name, output in self._network(batch).items()}


def _node(operator: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(text(1, name) for name in inputs) + text(2, output) + text(4, operator)


def _value(name: str, channels: int) -> bytes:
    sizes = [text(2, "n"), number(1, channels) if channels else text(2, "c"), *(text(2, axis) for axis in "zyx")]
    shape = b"".join(message(1, size) for size in sizes)
    return text(1, name) + message(2, message(1, number(1, 1) + message(2, shape)))


def number(field: int, value: int) -> bytes:
    return bytes([field << 3, value])


def text(field: int, value: str) -> bytes:
    return message(field, value.encode("ascii"))


def message(field: int, content: bytes) -> bytes:
    size, parts = len(content), []
    while size > 0x7F:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([field << 3 | 2, *parts, size]) + content
