"""The first manifest and card of a package, drafted from what its network reads and gives.

What only a person knows is left so that models/checks.py refuses it and names its line: a draft that nobody has filled
in cannot run by mistake.
"""

import colorsys
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ConfigurationError
from models.digests import write_digests
from models.manifest import MANIFEST

CARD = "card.md"
NETWORK = "network.onnx"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FILL = "fill in"
_MAX_CHANNELS = 4  # the smallest size that is space and not channels, where a network has its channels last


@dataclass(frozen=True)
class Port:
    """An input or output of a network. A size of 0 is free."""

    name: str
    shape: tuple[int, ...]

    @property
    def channels_last(self) -> bool:
        """Whether its shape reads as batch, space, channels."""
        return len(self.shape) > 3 and 0 < self.shape[-1] <= _MAX_CHANNELS < min(self.shape[1:-1])

    @property
    def channels_first(self) -> tuple[int, ...]:
        """Its shape as batch, channels, space."""
        return (self.shape[0], self.shape[-1], *self.shape[1:-1]) if self.channels_last else self.shape


@dataclass(frozen=True)
class Ports:
    """What a network reads and what it gives, in its own order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def write_draft(folder: Path, network: bytes, ports: Ports) -> None:
    """Make `folder`, a package with `network`, a manifest and a card to fill in, and digests.

    Raises ConfigurationError where the folder is there already, bears no name of a model, or the network is none that a
    manifest can describe.
    """
    if not _NAME.fullmatch(folder.name):
        raise ConfigurationError(f"{folder}: a model's name is lower-case letters, digits and underscores")
    manifest, card = draft_manifest(folder.name, ports), draft_card(folder.name)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise ConfigurationError(f"{folder}: is there already") from error
    (folder / NETWORK).write_bytes(network)
    (folder / CARD).write_text(card, "utf-8")
    (folder / MANIFEST).write_text(manifest, "utf-8")
    write_digests(folder)


def draft_manifest(name: str, ports: Ports) -> str:
    """The manifest of a package called `name`, without digests; raises ConfigurationError as `write_draft` does."""
    source, result = _the_input(ports), ports.outputs[0]
    inputs = ["image"] if _is_image(source) else _input_names(source)
    classifies = len(result.shape) <= 2  # batch and findings
    parts = [
        _identity(name),
        *(_input(one, "images" if _is_image(source) else "volume") for one in inputs),
        *(_image_steps(source) if _is_image(source) else _volume_steps(source, inputs)),
        _network(source, ports.outputs),
        *(_classifier(result) if classifies else _segmentation(result)),
        _END,
    ]
    return "\n".join(parts)


def draft_card(name: str) -> str:
    """A card to fill in: what a radiologist and an administrator ask about a model."""
    asked = (
        ("What it is for", "Which examination, which question, whose decision it supports; and what it is not for."),
        ("How it was made", "Architecture, training data (how many, from where, which scanners, age and sex), labels."),
        ("How good it is", "On which data, by which measure, with confidence intervals, and by age, sex and vendor."),
        ("When it fails", "Known failures, and what input is refused ([[guards]] of the manifest)."),
        ("Licence", "Of the network, and of the data it was trained on."),
    )
    return f"# {name}\n" + "".join(f"\n## {heading}\n\n{_FILL.capitalize()}: {text}\n" for heading, text in asked)


def _the_input(ports: Ports) -> Port:
    if len(ports.inputs) != 1:
        names = ", ".join(port.name for port in ports.inputs) or "none"
        raise ConfigurationError(f"the network has the inputs {names}; a package's network has one (stack the series)")
    port = ports.inputs[0]
    if len(port.shape) not in (4, 5):
        raise ConfigurationError(f"the network reads {port.name} of shape {port.shape}, not batch, channels and space")
    return port


def _is_image(port: Port) -> bool:
    return len(port.shape) == 4


def _input_names(port: Port) -> list[str]:
    channels = port.channels_first[1]
    return ["volume"] if channels <= 1 else [f"series_{number}" for number in range(1, channels + 1)]


def _identity(name: str) -> str:
    return f"""\
# The model package {name}, drafted from its network. Lines that say "{_FILL}" want you: `dicom-node models verify DIR`
# names the first that is missing or wrong, by its line. Every table and step is explained in docs/models.md.

[identity]
name = {_text(name)}
version = "0.1.0"
title = ""  # {_FILL}: what a report calls the model
manufacturer = ""  # {_FILL}
device_uid = "2.25.{uuid.uuid4().int}"  # made for this draft; take a new one whenever the network changes
licence = ""  # {_FILL}: the network's, and its training data's
demonstration = true  # false once it was validated for clinical use at your site
"""


def _input(name: str, kind: str) -> str:
    return f"""\
[[inputs]]
name = {_text(name)}
kind = {_text(kind)}

# The intended use. A series that does not meet it is not given to the model. More conditions: docs/models.md.
[inputs.conditions]
modality = ["{_FILL}"]  # such as "CT"
body_part = []  # such as "CHEST"; "" stands for series that state none
{"view = []  # such as 'PA'" if kind == "images" else "min_slices = 20"}
"""


def _volume_steps(port: Port, inputs: list[str]) -> Iterable[str]:
    sizes = port.channels_first[2:]
    if len(inputs) > 1:
        yield _step("preprocessing", "align", f"to = {_text(inputs[0])}")
    yield _step("preprocessing", "orientation", 'axes = "SPL"  # towards head, back and left, slowest axis first')
    yield _step("preprocessing", _FILL, '# how values are scaled: "window" for CT, "z_score" or "quantiles" for MR')
    yield _step("preprocessing", "spacing", "mm = [1.0, 1.0, 1.0]  # the voxels that it was trained on")
    if all(sizes):
        yield _step("preprocessing", "centre_crop", f"size = {list(sizes)}")
        yield _step("preprocessing", "pad", f"size = {list(sizes)}", "both = true")
    else:
        yield _step("preprocessing", "pad", "multiple = 16  # as [network] multiple")
    if len(inputs) > 1:
        yield _step("preprocessing", "stack")


def _image_steps(port: Port) -> Iterable[str]:
    sizes = port.channels_first[2:]
    yield _step("preprocessing", "display")
    if all(sizes):
        yield _step("preprocessing", "resize", f"size = {list(sizes)}")
    if port.channels_first[1] > 1:
        yield _step("preprocessing", "repeat_channels", f"count = {port.channels_first[1]}")
    yield _step("preprocessing", _FILL, '# "affine" to what it was trained on: the display runs from 0 to 1')


def _network(port: Port, outputs: tuple[Port, ...]) -> str:
    last = "  # its channels are last, as the file itself says; here they are second" if port.channels_last else ""
    free = not all(port.channels_first[2:])
    multiple = "multiple = 16  # what a free size has to be a multiple of, for its pooling\n" if free else ""
    return f"""\
[network]
file = {_text(NETWORK)}
input = {_text(port.name)}
outputs = [{", ".join(_text(one.name) for one in outputs)}]
shape = {list(port.channels_first)}{last}
{multiple}tolerance = 1e-3
"""


def _segmentation(port: Port) -> Iterable[str]:
    channels = port.channels_first[1] if len(port.shape) > 3 else 0
    shares = channels != 1
    yield _step("postprocessing", "softmax" if shares else "sigmoid")
    if not shares:
        yield _step("postprocessing", "threshold", "above = 0.5")
    yield _step("postprocessing", "to_source")
    segments = max(1, channels - 1)
    for number in range(1, segments + 1):
        yield f"""\
[[segments]]
number = {number}
label = ""  # {_FILL}
category = {{ value = "123037004", scheme = "SCT", meaning = "Anatomical Structure" }}
type = {{ value = "", scheme = "SCT", meaning = "" }}  # {_FILL}
colour = {_colour(number - 1, segments)}
"""
    yield _VOLUME


def _classifier(port: Port) -> Iterable[str]:
    yield _step("postprocessing", "sigmoid", '# or "softmax"; remove it where the network ends in one')
    for channel in range(max(1, port.shape[-1])):
        yield f"""\
[[findings]]
channel = {channel}
label = ""  # {_FILL}
code = {{ value = "", scheme = "SCT", meaning = "" }}  # {_FILL}
threshold = 0.5  # {_FILL}: the probability from which on it is reported
"""
    yield _MAP


def _step(kind: str, step: str, *lines: str) -> str:
    return "\n".join([f"[[{kind}]]", f"step = {_text(step)}", *lines, ""])


def _colour(at: int, of: int) -> list[int]:
    """Hues spread evenly."""
    return [round(255 * part) for part in colorsys.hsv_to_rgb(at / of, 0.6, 0.9)]


def _text(value: str) -> str:
    """A TOML string; JSON's escapes are a part of TOML's."""
    return json.dumps(value, ensure_ascii=False)


_VOLUME = """\
[[measurements]]
what = "volume"
name = { value = "118565006", scheme = "SCT", meaning = "Volume" }
unit = { value = "ml", scheme = "UCUM", meaning = "milliliter" }
"""

_MAP = """\
# Where in the image it looked; "cam" and "grad_cam" are quicker where the network allows them.
[[maps]]
method = "occlusion"
"""

_END = """\
# What else is refused, and why it matters: docs/models.md.
# [[guards]]
# check = "value_share"
# above = -300.0
# least = 0.1
"""
