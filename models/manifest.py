"""What a model package says of itself: `manifest.toml` as frozen dataclasses, every key checked.

Tables of the file: [identity] who it is, [conditions] its intended use, [preprocessing] [network] [postprocessing]
how it is run, [[segments]] what the voxels of its mask mean, [[measurements]] what is measured in each segment,
[digests] the SHA-256 of every other file of the package.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from domain.findings import Code, Segment
from domain.routing import Conditions
from models.tables import Document

MANIFEST = "manifest.toml"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Identity:
    """Name and maker. `name` is the package's folder; `device_uid` (PS3.5 section 9) changes with the model."""

    name: str
    version: str
    title: str
    manufacturer: str
    device_uid: str
    licence: str
    demonstration: bool


@dataclass(frozen=True)
class Preprocessing:
    """How a volume becomes the network's input.

    `orientation` is "LPS": axes towards head, back and left. `spacing_mm` is the network's grid in that order.
    Values are clipped to `window` (output units, HU for CT), which becomes `scale`.
    """

    orientation: str
    spacing_mm: tuple[float, float, float]
    window: tuple[float, float]
    scale: tuple[float, float]


@dataclass(frozen=True)
class Network:
    """The ONNX file and how to feed it: `input` is (1, 1, z, y, x) with sides that are multiples of `multiple`.

    `output` is (1, labels, z, y, x), logits; label 0 is the background, label n is segment n.
    """

    file: str
    input: str
    output: str
    multiple: int


@dataclass(frozen=True)
class Postprocessing:
    """What is done to the mask of each label.

    On the network's grid it is closed by a ball of radius `close_mm` (0 for not); then, on the source's, the largest
    component is kept alone and the holes in it are filled.
    """

    close_mm: float
    largest_component: bool
    fill_holes: bool


@dataclass(frozen=True)
class Wanted:
    """One measurement of each segment: `what` is "volume" (ml) or "mean" (of the voxels), with its codes.

    The concept is that of the quantity alone; that a mean was taken is the writer's to code as its derivation."""

    what: str
    name: Code
    unit: Code


@dataclass(frozen=True)
class Manifest:
    """One package's manifest."""

    identity: Identity
    conditions: Conditions
    preprocessing: Preprocessing
    network: Network
    postprocessing: Postprocessing
    segments: tuple[Segment, ...]
    measurements: tuple[Wanted, ...]
    digests: Mapping[str, str]


def read_manifest(text: str, file: Path) -> Manifest:
    """The manifest in `text`; raises ConfigurationError as `file:line: key: what is wrong`.

    `file` is where the text was read: it is named in errors, and its folder must bear the model's name.
    """
    document = Document(text, file)
    manifest = document.build(Manifest)
    _check_identity(document, manifest.identity)
    _check_conditions(document, manifest.conditions)
    _check_running(document, manifest)
    _check_segments(document, manifest)
    _check_digests(document, manifest)
    return manifest


def _check_identity(document: Document, identity: Identity) -> None:
    if not _NAME.fullmatch(identity.name) or identity.name != document.file.parent.name:
        document.wrong(("identity", "name"), "must be the folder's name: lower-case letters, digits and underscores")
    if not _UID.fullmatch(identity.device_uid) or len(identity.device_uid) > 64:
        document.wrong(("identity", "device_uid"), "is not a UID (PS3.5 section 9.1)")
    # Manufacturer, model name and version go into elements of 64 characters (LO, PS3.5 section 6.2).
    for field in fields(identity):
        value: Any = getattr(identity, field.name)
        if isinstance(value, str) and not 0 < len(value) <= 64:
            document.wrong(("identity", field.name), "must have 1 to 64 characters")


def _check_conditions(document: Document, conditions: Conditions) -> None:
    for key in ("series_description", "study_description"):
        try:
            re.compile(getattr(conditions, key) or "")
        except re.error as error:
            document.wrong(("conditions", key), f"is not a regular expression: {error}")


def _check_running(document: Document, manifest: Manifest) -> None:
    before, network = manifest.preprocessing, manifest.network
    if before.orientation != "LPS":
        document.wrong(("preprocessing", "orientation"), 'must be "LPS"')
    if min(before.spacing_mm) <= 0:
        document.wrong(("preprocessing", "spacing_mm"), "must be above 0")
    for key, (low, high) in (("window", before.window), ("scale", before.scale)):
        if low >= high:
            document.wrong(("preprocessing", key), "must rise")
    if manifest.postprocessing.close_mm < 0:
        document.wrong(("postprocessing", "close_mm"), "must be 0 or more")
    if network.multiple < 1:
        document.wrong(("network", "multiple"), "must be 1 or more")
    if network.file not in manifest.digests:
        document.wrong(("network", "file"), "is not listed under [digests]")


def _check_segments(document: Document, manifest: Manifest) -> None:
    if not 1 <= len(manifest.segments) <= 255:
        document.wrong(("segments",), "must be 1 to 255 tables")
    for at, segment in enumerate(manifest.segments):
        if segment.number != at + 1:
            document.wrong(("segments", at, "number"), f"must be {at + 1}: numbers rise from 1 without gaps")
        if not all(0 <= part <= 255 for part in segment.colour):
            document.wrong(("segments", at, "colour"), "must be three numbers from 0 to 255")
        if segment.measurements:
            document.wrong(("segments", at, "measurements"), "are measured, not stated")
    for at, wanted in enumerate(manifest.measurements):
        if wanted.what not in ("volume", "mean"):
            document.wrong(("measurements", at, "what"), 'must be "volume" or "mean"')


def _check_digests(document: Document, manifest: Manifest) -> None:
    for name, digest in manifest.digests.items():
        if not _SHA256.fullmatch(digest):
            document.wrong(("digests", name), "is not a SHA-256 in lower-case hex")
        if Path(name).is_absolute() or ".." in Path(name).parts or name == MANIFEST:
            document.wrong(("digests", name), "must be another file inside the package")
