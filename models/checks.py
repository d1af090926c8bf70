"""Whether a manifest makes sense: each rule names the key, and with it the line, that breaks it."""

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from config.tables import Document
from domain import preferences
from domain.choice import INPUTS_MOST
from domain.findings import Code
from domain.routing import faults
from models import steps
from models.coding import SIDES, fault
from models.manifest import AXES, MANIFEST, SIGNATURE, UNITS, Manifest

QUANTITIES = (
    "volume", "mean", "deviation", "minimum", "maximum", "median", "long_axis", "short_axis", "count",
)  # fmt: skip
SCOPES = ("whole", "largest", "each")
METHODS = ("cam", "grad_cam", "integrated_gradients", "occlusion", "probability")
NETWORKS = ("onnx", "torchscript", "bundle")
HOW = ("mean", "linear", "nearest", "antialias")

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AXES = {"S": "SI", "I": "SI", "A": "AP", "P": "AP", "L": "LR", "R": "LR"}


def read_manifest(text: str, file: Path) -> Manifest:
    """The manifest in `text`; raises ConfigurationError as `file:line: key: what is wrong`.

    `file` is where the text was read: it is named in errors, and its folder must bear the model's name.
    """
    document = Document(text, file)
    manifest = document.build(Manifest)
    check(document, manifest)
    return manifest


def check(document: Document, manifest: Manifest) -> None:
    """Raise ConfigurationError as `file:line: key: what is wrong` for the first rule that `manifest` breaks."""
    _identity(document, manifest)
    _inputs(document, manifest)
    _registration(document, manifest)
    _network(document, manifest)
    _before(document, manifest)
    _after(document, manifest)
    _segments(document, manifest)
    _findings(document, manifest)
    _maps(document, manifest)
    _guards(document, manifest)
    _digests(document, manifest)


def _identity(document: Document, manifest: Manifest) -> None:
    identity = manifest.identity
    if not _NAME.fullmatch(identity.name) or identity.name != document.file.parent.name:
        document.wrong(("identity", "name"), "must be the folder's name: lower-case letters, digits and underscores")
    if not _UID.fullmatch(identity.device_uid) or len(identity.device_uid) > 64:
        document.wrong(("identity", "device_uid"), "is not a UID (PS3.5 section 9.1)")
    if identity.product and identity.demonstration:
        document.wrong(("identity", "product"), "must be false for a demonstration")
    # Manufacturer, model name and version go into elements of 64 characters (LO, PS3.5 section 6.2).
    for field in fields(identity):
        value: Any = getattr(identity, field.name)
        if isinstance(value, str) and not 0 < len(value) <= 64:
            document.wrong(("identity", field.name), "must have 1 to 64 characters")


def _inputs(document: Document, manifest: Manifest) -> None:
    if not manifest.inputs:
        document.wrong(("inputs",), "must be one table or more")
    if len(manifest.inputs) > INPUTS_MOST:
        document.wrong(("inputs",), f"must be {INPUTS_MOST} tables at the most")
    names = [one.name for one in manifest.inputs]
    for at, one in enumerate(manifest.inputs):
        if not _NAME.fullmatch(one.name) or one.name in names[:at]:
            document.wrong(("inputs", at, "name"), "must be lower-case letters, digits and underscores, and unique")
        if one.kind not in ("volume", "images"):
            document.wrong(("inputs", at, "kind"), 'must be "volume" or "images"')
        if one.kind == "images" and len(names) > 1:
            document.wrong(("inputs", at, "kind"), 'must be "volume" where there are several inputs')
        if one.missing_slices < 0:
            document.wrong(("inputs", at, "missing_slices"), "must be 0 or more")
        if one.units not in UNITS or (one.units and one.kind != "volume"):
            document.wrong(("inputs", at, "units"), 'must be "BQML" or "SUVbw" of a volume, or left out')
        document.refuse((("inputs", at, "conditions", key), said) for key, said in faults(one.conditions))
        document.refuse((("inputs", at, "prefer", key), said) for key, said in preferences.faults(one.prefer))


def _registration(document: Document, manifest: Manifest) -> None:
    if manifest.registration is None:
        return
    if not 0 < manifest.registration.least < 1:
        document.wrong(("registration", "least"), "must lie between 0 and 1")
    if len(manifest.inputs) < 2:
        document.wrong(("registration",), "is for several inputs")


def _network(document: Document, manifest: Manifest) -> None:
    network = manifest.network
    if network.kind not in NETWORKS:
        document.wrong(("network", "kind"), f"must be one of {', '.join(NETWORKS)}")
    listed = manifest.digests if network.kind != "bundle" else {Path(name).parts[0] for name in manifest.digests}
    if network.file not in listed:
        document.wrong(("network", "file"), "is not listed under [digests]")
    if not network.outputs:
        document.wrong(("network", "outputs"), "must name one output or more")
    if len(network.shape) not in (4, 5) or min(network.shape) < 0:
        document.wrong(("network", "shape"), "must be batch, channels and 2 or 3 sizes; 0 is free")
    if len(network.shape) == 4 and manifest.inputs[0].kind == "volume":
        document.wrong(("network", "shape"), 'must have 3 sizes in space for an input of the kind "volume"')
    if network.multiple < 1:
        document.wrong(("network", "multiple"), "must be 1 or more")
    if network.window and (len(network.window) != len(network.shape) - 2 or min(network.window) < 1):
        document.wrong(("network", "window"), "must have a size above 0 for each direction of space")
    if not 0 <= network.overlap < 1:
        document.wrong(("network", "overlap"), "must be 0 or more and below 1")
    if network.batch < 1:
        document.wrong(("network", "batch"), "must be 1 or more")


def _before(document: Document, manifest: Manifest) -> None:
    names = [one.name for one in manifest.inputs]
    for at, step in enumerate(manifest.preprocessing):
        here = ("preprocessing", at)
        _common(document, here, step)
        if isinstance(step, steps.Align) and step.to not in names:
            document.wrong((*here, "to"), f"must be one of the inputs: {', '.join(names)}")
        if isinstance(step, steps.Window) and step.low >= step.high:
            document.wrong((*here, "low"), "must be below high")
        if isinstance(step, steps.Quantiles) and not 0 <= step.low < step.high <= 1:
            document.wrong((*here, "low"), "must be below high, both from 0 to 1")
    stacked = [isinstance(step, steps.Stack) for step in manifest.preprocessing]
    if len(names) > 1 and not any(stacked) and manifest.network.kind != "bundle":
        document.wrong(
            ("preprocessing",), 'must have a step "stack": the network reads one array, the manifest several'
        )


def _common(document: Document, here: tuple[str | int, ...], step: Any) -> None:
    """What a field of this name means in every step that has it."""
    axes, how, to = (getattr(step, name, None) for name in ("axes", "how", "to"))
    if axes is not None and sorted(_AXES.get(letter, "") for letter in axes) != ["AP", "LR", "SI"]:
        document.wrong((*here, "axes"), 'must name three directions, one of each of S/I, A/P and L/R, such as "SPL"')
    if how is not None and how not in HOW:
        document.wrong((*here, "how"), f"must be one of {', '.join(HOW)}")
    if isinstance(to, tuple) and to[0] >= to[1]:
        document.wrong((*here, "to"), "must rise")
    for name in ("mm", "size", "factor", "multiple", "levels", "count"):
        value = getattr(step, name, None)
        least = min(value, default=1) if isinstance(value, tuple) else value
        if least is not None and least <= 0:
            document.wrong((*here, name), "must be above 0")


def _after(document: Document, manifest: Manifest) -> None:
    back = [at for at, step in enumerate(manifest.postprocessing) if isinstance(step, steps.ToSource)]
    if manifest.segments and len(back) != 1 and manifest.network.kind != "bundle":
        document.wrong(("postprocessing",), 'must have the step "to_source" once: segments lie on the source')
    for at, step in enumerate(manifest.postprocessing):
        _common(document, ("postprocessing", at), step)
        labels = step.labels if isinstance(step, steps.Regions | steps.Relabel) else ()
        if labels and not 0 <= min(labels) <= max(labels) <= len(manifest.segments):
            document.wrong(("postprocessing", at, "labels"), "must be numbers of segments, or 0")


def _segments(document: Document, manifest: Manifest) -> None:
    if not manifest.segments and not manifest.findings:
        document.wrong(("segments",), "must be one table or more where there are no [[findings]]")
    if manifest.segments and manifest.inputs[0].kind == "images":
        document.wrong(("segments",), 'are of a volume; the input is of the kind "images"')
    if len(manifest.segments) > 255:
        document.wrong(("segments",), "must be 255 tables at the most")
    for at, segment in enumerate(manifest.segments):
        if segment.number != at + 1:
            document.wrong(("segments", at, "number"), f"must be {at + 1}: numbers rise from 1 without gaps")
        _coded(document, ("segments", at), segment)
        if not all(0 <= part <= 255 for part in segment.colour):
            document.wrong(("segments", at, "colour"), "must be three numbers from 0 to 255")
        if segment.shown_on not in ("", *(one.name for one in manifest.inputs)):
            document.wrong(("segments", at, "shown_on"), "must be the name of an input")
        if segment.measurements:
            document.wrong(("segments", at, "measurements"), "are measured, not stated")
    _measurements(document, manifest)


def _measurements(document: Document, manifest: Manifest) -> None:
    for at, wanted in enumerate(manifest.measurements):
        _coded(document, ("measurements", at), wanted)
        if wanted.what not in QUANTITIES:
            document.wrong(("measurements", at, "what"), f"must be one of {', '.join(QUANTITIES)}")
        if wanted.of not in ("", *SCOPES):
            document.wrong(("measurements", at, "of"), f"must be one of {', '.join(SCOPES)}")
        if wanted.of == "whole" and wanted.what in AXES:
            document.wrong(("measurements", at, "of"), "must not be whole: an axis never spans separate parts")
        if wanted.of not in ("", "whole") and wanted.what == "count":
            document.wrong(("measurements", at, "of"), "must be whole: a part is one")
        if not 0 <= wanted.segment <= len(manifest.segments):
            document.wrong(("measurements", at, "segment"), "must be the number of a segment, or 0 for all")


def _coded(document: Document, here: tuple[str | int, ...], table: Any) -> None:
    """The label and the codes of a segment, measurement or finding: what the writer of results takes without a look."""
    if not 0 < len(getattr(table, "label", "-")) <= 64:
        document.wrong((*here, "label"), "must have 1 to 64 characters")
    for field in fields(table):
        code = getattr(table, field.name)
        if isinstance(code, Code) and (found := fault(code, unit=field.name == "unit")):
            document.wrong((*here, field.name), f"its {' '.join(found)}")
    side = getattr(table, "laterality", None)
    if side and (side.value, side.scheme) not in SIDES:
        document.wrong((*here, "laterality"), f"its value must be one of {', '.join(value for value, _ in SIDES)}")


def _findings(document: Document, manifest: Manifest) -> None:
    channels = [one.channel for one in manifest.findings]
    for at, one in enumerate(manifest.findings):
        _coded(document, ("findings", at), one)
        if one.channel < 0 or one.channel in channels[:at]:
            document.wrong(("findings", at, "channel"), "must be 0 or more, and a channel of its own")
        if not 0 < one.threshold < 1:
            document.wrong(("findings", at, "threshold"), "must lie between 0 and 1")
    if manifest.segments and manifest.findings:
        document.wrong(("findings",), "cannot stand beside [[segments]]: a network gives one or the other")


def _maps(document: Document, manifest: Manifest) -> None:
    for at, wanted in enumerate(manifest.maps):
        if wanted.method not in METHODS:
            document.wrong(("maps", at, "method"), f"must be one of {', '.join(METHODS)}")
        if wanted.method in ("grad_cam", "integrated_gradients") and manifest.network.kind != "torchscript":
            document.wrong(("maps", at, "method"), 'needs a network of the kind "torchscript"')
        if wanted.method in ("cam", "grad_cam") and wanted.output not in manifest.network.outputs:
            document.wrong(("maps", at, "output"), "must be one of the network's outputs")
        if not 0 < wanted.patch < 1:
            document.wrong(("maps", at, "patch"), "must lie between 0 and 1")
        if (wanted.method == "probability") != bool(manifest.segments):
            document.wrong(("maps", at, "method"), 'is "probability" beside [[segments]], and only there')
        if manifest.segments:
            _probability(document, manifest, at)


def _probability(document: Document, manifest: Manifest, at: int) -> None:
    wanted, first = manifest.maps[at], manifest.postprocessing[:1]
    if not 0 < len(wanted.label) <= 64:
        document.wrong(("maps", at, "label"), "must have 1 to 64 characters")
    if wanted.channel < 0:
        document.wrong(("maps", at, "channel"), "must be 0 or more")
    if not isinstance(first[0] if first else None, steps.Softmax | steps.Sigmoid):
        document.wrong(("maps", at, "method"), "needs softmax or sigmoid as the first step of [[postprocessing]]")


def _guards(document: Document, manifest: Manifest) -> None:
    kind = manifest.inputs[0].kind
    for at, guard in enumerate(manifest.guards):
        if isinstance(guard, steps.NoScreenCapture) and kind != "images":
            document.wrong(("guards", at, "check"), 'is for an input of the kind "images"')
        if isinstance(guard, steps.Detail | steps.Enclosed) and kind != "volume":
            document.wrong(("guards", at, "check"), 'is for an input of the kind "volume"')
        low, high = _several(getattr(guard, "least", 0)), _several(getattr(guard, "most", 1))
        if not isinstance(guard, steps.Likeness) and any(a > b for a, b in zip(low, high, strict=True)):
            document.wrong(("guards", at, "least"), "must not be above most")
        if isinstance(guard, steps.Likeness) and guard.file not in manifest.digests:
            document.wrong(("guards", at, "file"), "is not listed under [digests]")
        if isinstance(guard, steps.SegmentVolume) and not 0 <= guard.segment <= len(manifest.segments):
            document.wrong(("guards", at, "segment"), "must be the number of a segment, or 0 for all")


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _digests(document: Document, manifest: Manifest) -> None:
    for name, digest in manifest.digests.items():
        if not _SHA256.fullmatch(digest):
            document.wrong(("digests", name), "is not a SHA-256 in lower-case hex")
        if Path(name).is_absolute() or ".." in Path(name).parts or name in (MANIFEST, SIGNATURE):
            document.wrong(("digests", name), "must be another file inside the package")
    if manifest.golden:
        _listed(document, manifest, ("golden", "input"), manifest.golden.input)
        _listed(document, manifest, ("golden", "expected"), manifest.golden.expected)


def _listed(document: Document, manifest: Manifest, key: Sequence[str], name: str) -> None:
    if name not in manifest.digests:
        document.wrong(tuple(key), "is not listed under [digests]")
