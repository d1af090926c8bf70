"""What a network's file says of its inputs and outputs, held against its manifest."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from domain.errors import ConfigurationError
from inference_worker.engines.protocol import Float
from models.manifest import Network

# The least side of the space that a network is warmed up with: less does not survive the poolings of a classifier.
_LEAST = 32

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Ports:
    """Inputs with the shapes that the file declares (0 is free; () is unknown), and the names of the outputs."""

    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]


def check_names(ports: Ports, wanted: Network) -> None:
    """Raise ConfigurationError where the network has not the input and the outputs that the manifest names.

    It may have outputs besides, which are not read; an input besides would have nothing to read.
    """
    if set(ports.inputs) != {wanted.input} or not set(wanted.outputs) <= set(ports.outputs):
        found = f"inputs {', '.join(ports.inputs)} and outputs {', '.join(ports.outputs)}"
        named = f"{wanted.input} and {', '.join(wanted.outputs)}"
        raise ConfigurationError(f"{wanted.file}: has {found}, not those of the manifest: {named}")


def channels_last(declared: Shape, wanted: Network) -> bool:
    """Whether the network has its channels behind the space, as TensorFlow's have.

    `declared` is the shape that the file gives its input, the manifest's has the channels first. Raises
    ConfigurationError where they agree in neither way.
    """
    batch, channels, *space = wanted.shape
    if not declared or _fits(declared, wanted.shape):
        return False
    if declared[-1] and _fits(declared, (batch, *space, channels)):
        return True
    raise ConfigurationError(f"{wanted.file}: its input has the shape {declared}, the manifest says {wanted.shape}")


def _fits(declared: Shape, wanted: Shape) -> bool:
    pairs = zip(declared, wanted, strict=False)
    return len(declared) == len(wanted) and all(here == there or not here or not there for here, there in pairs)


def first(declared: Shape, wanted: Network) -> Shape:
    """`declared` with the channels first, and the manifest's sizes where it is free."""
    shape = declared or wanted.shape
    if channels_last(declared, wanted):
        batch, *space, channels = shape
        shape = (batch, channels, *space)
    return tuple(here or there for here, there in zip(shape, wanted.shape, strict=True))


def takes(wanted: Network, shape: Shape) -> bool:
    """Whether the network reads an input of `shape` (channels, *space)."""
    sizes = wanted.shape[1:]
    return len(shape) == len(sizes) and all(
        size == fixed or (fixed == 0 and (axis == 0 or size % wanted.multiple == 0))
        for axis, (size, fixed) in enumerate(zip(shape, sizes, strict=True))
    )


def usual(declared: Shape, wanted: Network) -> Shape:
    """The one shape that nearly every input has, where the manifest fixes it or cuts windows; () where none is.

    Of a network with its channels first; () for others.
    """
    batch, channels, *space = wanted.shape
    sides = [fixed or side for fixed, side in zip(space, wanted.window or (0,) * len(space), strict=True)]
    shape = (batch or wanted.batch, channels, *sides)
    return shape if all(shape) and not channels_last(declared, wanted) else ()


def sample(declared: Shape, wanted: Network) -> Float:
    """A small input that the network takes, rising from 0 to 1: what divides by a deviation needs one."""
    batch, channels, *space = first(declared, wanted)
    least = -(-_LEAST // wanted.multiple) * wanted.multiple
    free = wanted.window or (least,) * len(space)
    shape = (batch or wanted.batch, channels or 1, *(size or side for size, side in zip(space, free, strict=True)))
    return np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
