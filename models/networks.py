"""What an ONNX file says of itself, read from its bytes alone: no engine is needed, and nothing of it runs.

The fields are those of onnx.proto (ModelProto, GraphProto, TensorProto, ValueInfoProto), in the wire format of protocol
buffers: a key of field and kind, then a whole number in groups of seven bits, or a length and as many bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from domain.errors import ConfigurationError
from models.manifest import Network

Shape: TypeAlias = tuple[int, ...]
Field: TypeAlias = tuple[int, int | memoryview]

_FLOAT = 1  # TensorProto.DataType
_KINDS = {2: "8-bit", 3: "8-bit", 6: "32-bit whole", 7: "64-bit whole", 10: "16-bit", 11: "64-bit", 16: "bfloat16"}


# Where tensors may lie, by the numbers of fields in onnx.proto.
_MODEL: Mapping[int, str] = {7: "graph", 20: "training", 25: "function"}
_MESSAGES: Mapping[str, Mapping[int, str]] = {
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
}


@dataclass(frozen=True)
class Value:
    """An input or output: the number of its type, and its shape with 0 where it is free; () where nothing is said."""

    name: str
    kind: int
    shape: Shape


@dataclass(frozen=True)
class OnnxFile:
    """What `read_onnx` found; `external` are the files that hold weights beside it, `opset` that of ONNX's own."""

    opset: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    external: tuple[str, ...]


def read_onnx(network: bytes) -> OnnxFile:
    """The header of `network`; raises ConfigurationError where it is no ONNX."""
    try:
        model = list(_fields(memoryview(network)))
        graph = list(_fields(_last(model, 7)))
        weights = [list(_fields(one)) for one in _every(graph, 5)]
        held = {_text(one, 8) for one in weights}
        inputs = tuple(value for one in _every(graph, 11) if (value := _value(one)).name not in held)
        outputs = tuple(_value(one) for one in _every(graph, 12))
        opsets = [list(_fields(one)) for one in _every(model, 8)]
        own = [int(number) for one in opsets if _text(one, 1) in ("", "ai.onnx") for number in _numbers(one, 2)]
        external = sorted(set(_external_of(model, _MODEL)))
    except (ValueError, IndexError) as error:
        raise ConfigurationError("is no ONNX network") from error
    return OnnxFile(max(own, default=0), inputs, outputs, tuple(external))


def faults(found: OnnxFile, wanted: Network) -> Iterator[str]:
    """What of the file does not go with the manifest."""
    names = [one.name for one in found.inputs]
    if names != [wanted.input]:
        yield f"reads {', '.join(names) or 'nothing'}; the manifest names {wanted.input}"
    lacking = [name for name in wanted.outputs if name not in {one.name for one in found.outputs}]
    if lacking:
        given = ", ".join(one.name for one in found.outputs) or "nothing"
        yield f"gives {given}; the manifest names {', '.join(lacking)}"
    if found.external:
        yield f"keeps weights in another file ({', '.join(found.external)}): save it as one file"
    for one in found.inputs:
        if one.name == wanted.input:
            yield from _reads(one, wanted)


def channels(found: OnnxFile, wanted: Network, output: str) -> int:
    """How many channels `output` has, as the file declares them; 0 where it does not say."""
    read = {one.name: one.shape for one in found.inputs}.get(wanted.input, ())
    shape = {one.name: one.shape for one in found.outputs}.get(output, ())
    if len(shape) < 2:
        return 0
    last = len(shape) == len(wanted.shape) and not agree(read, wanted.shape)
    return shape[-1 if last else 1]


def agree(declared: Shape, wanted: Shape) -> bool:
    """Whether shapes are the same wherever both say a size."""
    pairs = zip(declared, wanted, strict=False)
    return not declared or (len(declared) == len(wanted) and all(a == b or not a or not b for a, b in pairs))


def _reads(one: Value, wanted: Network) -> Iterator[str]:
    batch, parts, *space = wanted.shape
    if one.kind not in (0, _FLOAT):
        kind = _KINDS.get(one.kind, "other")
        yield f"reads {one.name} as {kind} numbers; engines are given 32-bit floats: export it with such an input"
    last = bool(one.shape) and one.shape[-1] > 0 and agree(one.shape, (batch, *space, parts))
    if not last and not agree(one.shape, wanted.shape):
        yield f"reads {one.name} of shape {one.shape}; the manifest says {wanted.shape}"


def external_files(network: bytes) -> tuple[str, ...]:
    """The files beside it that `network` would have read, wherever in it a tensor names one; sorted.

    An engine would look for them in whatever folder it works in. Raises ConfigurationError where it is no ONNX.
    """
    try:
        model = list(_fields(memoryview(network)))
        _last(model, 7)
        return tuple(sorted(set(_external_of(model, _MODEL))))
    except (ValueError, IndexError, RecursionError) as error:
        raise ConfigurationError("it is no ONNX network") from error


def _external_of(message: list[Field], kind: Mapping[int, str]) -> Iterator[str]:
    """What the tensors name that lie anywhere in a message whose fields of messages are those of `kind`."""
    for field, value in message:
        inside = kind.get(field)
        if inside is None or not isinstance(value, memoryview):
            continue
        if inside == "tensor":
            yield from _external(list(_fields(value)))
        else:
            yield from _external_of(list(_fields(value)), _MESSAGES[inside])


def _external(tensor: list[Field]) -> Iterator[str]:
    """The file that holds a tensor's values (data_location 1, EXTERNAL; external_data), where it is another one."""
    entries = [list(_fields(one)) for one in _every(tensor, 13)]
    if entries or 1 in _numbers(tensor, 14):
        named = [_text(one, 2) for one in entries if _text(one, 1) == "location"]
        yield from named or ("a file without a name",)


def _value(content: memoryview) -> Value:
    fields = list(_fields(content))
    tensors = [tensor for kind in _every(fields, 2) for tensor in _every(list(_fields(kind)), 1)]
    if not tensors:
        return Value(_text(fields, 1), 0, ())
    tensor = list(_fields(tensors[-1]))
    sizes = [list(_fields(one)) for shape in _every(tensor, 2) for one in _every(list(_fields(shape)), 1)]
    shape = tuple(max((number for number in _numbers(one, 1) if number < 1 << 31), default=0) for one in sizes)
    return Value(_text(fields, 1), max(_numbers(tensor, 1), default=0), shape)


def _fields(content: memoryview) -> Iterator[Field]:
    """Each field of a message; raises ValueError or IndexError where it is none."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        match key & 7:
            case 0:
                number, at = _varint(content, at)
                yield key >> 3, number
            case 1:
                at += 8
            case 2:
                size, at = _varint(content, at)
                if at + size > len(content):
                    raise ValueError("a field is longer than its message")
                yield key >> 3, content[at : at + size]
                at += size
            case 5:
                at += 4
            case _:
                raise ValueError("no such kind of field")


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number is too long")


def _every(fields: list[Field], field: int) -> list[memoryview]:
    return [value for number, value in fields if number == field and isinstance(value, memoryview)]


def _last(fields: list[Field], field: int) -> memoryview:
    return _every(fields, field)[-1]


def _numbers(fields: list[Field], field: int) -> list[int]:
    return [value for number, value in fields if number == field and isinstance(value, int)]


def _text(fields: list[Field], field: int) -> str:
    found = _every(fields, field)
    return bytes(found[-1]).decode("utf-8") if found else ""
