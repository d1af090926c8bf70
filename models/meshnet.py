"""Writes a MeshNet, whose weights brainchop publishes for TensorFlow.js, as ONNX: bytes in, bytes out, no library.

A MeshNet (Fedorov et al., IJCNN 2017) is a chain of convolutions of 3 x 3 x 3, whose dilation grows and shrinks, each
followed by an ELU, and one of 1 x 1 x 1 at its end. The file of weights holds, one after another, each kernel
(z, y, x, input channel, output channel) and its bias, 32-bit floats, little-endian. The fields of ONNX are those of
onnx.proto, as models/networks.py reads them.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

from domain.errors import ConfigurationError

INPUT, OUTPUT = "t1", "logits"

_DILATIONS = (1, 2, 4, 8, 16, 8, 4, 2, 1)
_IR, _OPSET = 8, 13
_FLOAT, _INTS = 1, 7  # TensorProto.DataType, AttributeProto.AttributeType


def onnx_of(weights: bytes, channels: int, classes: int) -> bytes:
    """The network of `weights`: reads (1, 1, z, y, x), gives (1, classes, z, y, x).

    `channels` is the width of its layers. Raises ConfigurationError where the weights are none of such a network.
    """
    widths = [1, *[channels] * len(_DILATIONS), classes]
    kernels = [(27 if at < len(_DILATIONS) else 1, *width) for at, width in enumerate(pairwise(widths))]
    if len(weights) != 4 * sum((size * inner + 1) * outer for size, inner, outer in kernels):
        raise ConfigurationError(f"{len(weights)} bytes are no MeshNet of {channels} channels and {classes} classes")
    numbers = array("f", weights)
    if sys.byteorder == "big":
        numbers.byteswap()
    return _model(list(_layers(numbers, kernels)), classes)


def _layers(numbers: "array[float]", kernels: Sequence[tuple[int, int, int]]) -> Iterator[tuple[bytes, bytes]]:
    """The nodes and the weights of each layer."""
    start = 0
    for at, (size, inner, outer) in enumerate(kernels):
        middle, end = start + size * inner * outer, start + (size * inner + 1) * outer
        kernel, bias = _turned(numbers[start:middle], inner, outer), numbers[middle:end]
        side = 3 if size > 1 else 1
        tensors = _tensor(f"kernel{at}", (outer, inner, side, side, side), kernel) + _tensor(
            f"bias{at}", (outer,), bias
        )
        yield _nodes(at, side, last=at == len(kernels) - 1), tensors
        start = end


def _turned(kernel: "array[float]", inner: int, outer: int) -> "array[float]":
    """From (space, input, output) to (output, input, space)."""
    turned = array("f")
    for one in range(outer):
        for other in range(inner):
            turned += kernel[other * outer + one :: inner * outer]
    return turned


def _nodes(at: int, side: int, last: bool) -> bytes:
    reads, gives = f"layer{at}" if at else INPUT, OUTPUT if last else f"sum{at}"
    wide = _DILATIONS[at] if side > 1 else 1
    attributes = {"dilations": [wide] * 3, "kernel_shape": [side] * 3, "pads": [wide if side > 1 else 0] * 6}
    convolution = _node("Conv", [reads, f"kernel{at}", f"bias{at}"], gives, attributes)
    return convolution if last else convolution + _node("Elu", [gives], f"layer{at + 1}", {})


def _model(layers: Sequence[tuple[bytes, bytes]], classes: int) -> bytes:
    nodes, tensors = (b"".join(parts) for parts in zip(*layers, strict=True))
    graph = nodes + _text(2, "meshnet") + tensors + _value(11, INPUT, 1) + _value(12, OUTPUT, classes)
    return _number(1, _IR) + _text(2, "dicom-node") + _part(7, graph) + _part(8, _text(1, "") + _number(2, _OPSET))


def _node(operator: str, reads: Sequence[str], gives: str, attributes: dict[str, list[int]]) -> bytes:
    ports = b"".join(_text(1, one) for one in reads) + _text(2, gives) + _text(3, f"make_{gives}") + _text(4, operator)
    return _part(1, ports + b"".join(_part(5, _attribute(*one)) for one in attributes.items()))


def _attribute(name: str, numbers: Sequence[int]) -> bytes:
    return _text(1, name) + b"".join(_number(8, one) for one in numbers) + _number(20, _INTS)


def _tensor(name: str, shape: Sequence[int], numbers: "array[float]") -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    sizes = b"".join(_number(1, size) for size in shape)
    return _part(5, sizes + _number(2, _FLOAT) + _text(8, name) + _part(9, numbers.tobytes()))


def _value(field: int, name: str, channels: int) -> bytes:
    """An input or output of free space."""
    sizes = [_number(1, 1), _number(1, channels), *(_text(2, axis) for axis in "zyx")]
    shape = b"".join(_part(1, one) for one in sizes)
    return _part(field, _text(1, name) + _part(2, _part(1, _number(1, _FLOAT) + _part(2, shape))))


def _text(field: int, text: str) -> bytes:
    return _part(field, text.encode("ascii"))


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
