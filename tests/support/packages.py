"""A model package for tests that need a real engine and no trained weights: body and bone by their attenuation.

Its network is one 1x1x1 convolution, written here as the few ONNX messages (onnx.proto) that it takes.
"""

import hashlib
import struct
from pathlib import Path

NAME, VERSION = "body_and_bone", "1.0.0"

# Logits of background, body and bone as slope and intercept on the scaled value (0 is -1000 HU, 1 is 400 HU). The
# largest of them is body from 0.5 (-300 HU) and bone from 0.87 (218 HU).
_WEIGHTS, _BIASES = (0.0, 10.0, 40.0), (0.0, -5.0, -31.1)

_MANIFEST = """
[identity]
name = "body_and_bone"
version = "1.0.0"
title = "Body and bone by attenuation"
manufacturer = "Phantom Works"
device_uid = "2.25.1"
licence = "Apache-2.0"
demonstration = true

[[inputs]]
name = "ct"
[inputs.conditions]
modality = ["CT"]

[[preprocessing]]
step = "orientation"
axes = "SPL"

[[preprocessing]]
step = "window"
low = -1000.0
high = 400.0

[[preprocessing]]
step = "spacing"
mm = [3.0, 3.0, 3.0]

[network]
file = "network.onnx"
input = "volume"
outputs = ["logits"]

[[postprocessing]]
step = "softmax"

[[postprocessing]]
step = "to_source"

[[postprocessing]]
step = "largest_component"

[[segments]]
number = 1
label = "Body"
category = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
type = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
colour = [220, 180, 140]

[[segments]]
number = 2
label = "Bone"
category = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
type = { value = "272673000", scheme = "SCT", meaning = "Bone" }
colour = [255, 255, 240]

[[measurements]]
what = "volume"
name = { value = "118565006", scheme = "SCT", meaning = "Volume" }
unit = { value = "ml", scheme = "UCUM", meaning = "milliliter" }

[digests]
"""


def write_package(models: Path) -> Path:
    """Write the package into the folder `models`; returns the package's own folder."""
    folder = models / NAME
    folder.mkdir(parents=True)
    files = {"network.onnx": network(), "card.md": b"For tests alone.\n"}
    lines = [f'"{name}" = "{hashlib.sha256(content).hexdigest()}"' for name, content in files.items()]
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "manifest.toml").write_text(_MANIFEST + "\n".join(lines) + "\n", "utf-8")
    return folder


def network() -> bytes:
    """The convolution as an ONNX model: `volume` (1, 1, z, y, x) to `logits` (1, 3, z, y, x)."""
    node = _text(1, "volume") + _text(1, "weights") + _text(1, "biases") + _text(2, "logits") + _text(4, "Conv")
    graph = _message(1, node) + _text(2, NAME)
    graph += _message(5, _tensor("weights", (3, 1, 1, 1, 1), _WEIGHTS)) + _message(5, _tensor("biases", (3,), _BIASES))
    graph += _message(11, _value("volume", 1)) + _message(12, _value("logits", 3))
    return _number(1, 8) + _message(8, _number(2, 13)) + _message(7, graph)


def _tensor(name: str, shape: tuple[int, ...], values: tuple[float, ...]) -> bytes:
    dims = b"".join(_number(1, size) for size in shape)
    return dims + _number(2, 1) + _text(8, name) + _message(9, struct.pack(f"<{len(values)}f", *values))


def _value(name: str, channels: int) -> bytes:
    sizes = [_number(1, 1), _number(1, channels), *(_text(2, axis) for axis in "zyx")]
    shape = b"".join(_message(1, size) for size in sizes)
    return _text(1, name) + _message(2, _message(1, _number(1, 1) + _message(2, shape)))


def _number(field: int, value: int) -> bytes:
    return bytes([field << 3]) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode("ascii"))


def _message(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first, the highest bit set on all but the last (protocol buffers)."""
    parts = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(part | 0x80 for part in parts[:-1]), parts[-1]])
