"""Whether a manifest makes sense: each rule names the key, and with it the line, that breaks it."""

import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from config.tables import Document
from config.toml_lines import KeyPath
from domain import preferences, terms
from domain.choice import INPUTS_MOST
from domain.coding import SIDES, fault
from domain.errors import ConfigurationError
from domain.findings import Code
from domain.routing import faults
from models import steps
from models.manifest import (
    AXES,
    COMPARISONS,
    LESION,
    MANIFEST,
    PERCENT,
    SHAPES,
    SIGNATURE,
    UNITS,
    VISION,
    Lesions,
    Manifest,
    Quantity,
    compared_with,
)
from models.vision import asks

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


# The keys that break a rule, each with what is wrong there.
Faults: TypeAlias = Iterator[tuple[KeyPath, str]]

QUANTITIES = (
    "volume", "mean", "deviation", "minimum", "maximum", "median", "long_axis", "short_axis", "mean_axis", "count",
)  # fmt: skip
SCOPES = ("whole", "largest", "each", LESION)
VOLUMES = ("ml", "mL", "mm3")
METHODS = ("cam", "grad_cam", "integrated_gradients", "occlusion", "probability")
NETWORKS = ("onnx", "torchscript", "bundle", VISION)
HOW = ("mean", "linear", "nearest", "antialias")

_NEWEST_MOST = 10
_DEADLINE_MOST = 600.0  # s: somebody waits for the result
_THINGS = ("category", "type", "code", "site")  # what a report says that there is, and where

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AXES = {"S": "SI", "I": "SI", "A": "AP", "P": "AP", "L": "LR", "R": "LR"}


def read_manifest(text: str, file: Path) -> Manifest:
    """The manifest in `text`; raises ConfigurationError as `file:line: key: what is wrong`.

    `file` is where the text was read: it is named in errors, and its folder must bear the model's name.
    """
    document = Document(text, file)
    try:
        manifest = document.build(Manifest)
    except ConfigurationError as error:
        raise ConfigurationError(*error.lines, *_of_the_rest(document)) from error
    check(document, manifest)
    return manifest


def _of_the_rest(document: Document) -> list[str]:
    """What rules say of the tables that can be read, where others cannot; what may come of those alone is left out."""
    manifest, wrong = document.sound_parts(Manifest)
    if manifest is None:
        return []
    unsure = {("segments",)} if wrong & {"segments", "findings"} else set()
    found = [(key, said) for key, said in _broken(document, manifest) if key[0] not in wrong and key not in unsure]
    try:
        document.refuse(found)
    except ConfigurationError as error:
        return list(error.lines)
    return []


def check(document: Document, manifest: Manifest) -> None:
    """Raise ConfigurationError as `file:line: key: what is wrong` for each rule that `manifest` breaks."""
    document.refuse(_broken(document, manifest))


def _broken(document: Document, manifest: Manifest) -> Faults:
    return chain(
        _folder(document, manifest),
        *(rules(manifest) for rules in (_identity, _inputs, _registration, _priors, _network, _before, _after)),
        *(rules(manifest) for rules in (_segments, _lesions, _measurements, _findings, asks, _maps, _guards, _digests)),
    )


def _folder(document: Document, manifest: Manifest) -> Faults:
    if manifest.identity.name != document.file.parent.name or not _NAME.fullmatch(manifest.identity.name):
        yield ("identity", "name"), "must be the folder's name: lower-case letters, digits and underscores"


def _identity(manifest: Manifest) -> Faults:
    identity = manifest.identity
    if not _UID.fullmatch(identity.device_uid) or len(identity.device_uid) > 64:
        yield ("identity", "device_uid"), "is not a UID (PS3.5 section 9.1)"
    if identity.product and identity.demonstration:
        yield ("identity", "product"), "must be false for a demonstration"
    # Manufacturer, model name and version go into elements of 64 characters (LO, PS3.5 section 6.2).
    for field in fields(identity):
        value: object = getattr(identity, field.name)
        if isinstance(value, str) and not 0 < len(value) <= 64:
            yield ("identity", field.name), "must have 1 to 64 characters"


def _inputs(manifest: Manifest) -> Faults:
    if not manifest.inputs:
        yield ("inputs",), "must be one table or more"
    if len(manifest.inputs) > INPUTS_MOST:
        yield ("inputs",), f"must be {INPUTS_MOST} tables at the most"
    names = [one.name for one in manifest.inputs]
    for at, one in enumerate(manifest.inputs):
        if not _NAME.fullmatch(one.name) or one.name in names[:at]:
            yield ("inputs", at, "name"), "must be lower-case letters, digits and underscores, and unique"
        if one.kind not in ("volume", "images"):
            yield ("inputs", at, "kind"), 'must be "volume" or "images"'
        if one.kind == "images" and len(names) > 1:
            yield ("inputs", at, "kind"), 'must be "volume" where there are several inputs'
        if one.missing_slices < 0:
            yield ("inputs", at, "missing_slices"), "must be 0 or more"
        if one.units not in UNITS or (one.units and one.kind != "volume"):
            yield ("inputs", at, "units"), 'must be "BQML" or "SUVbw" of a volume, or left out'
        yield from ((("inputs", at, "conditions", key), said) for key, said in faults(one.conditions))
        yield from ((("inputs", at, "prefer", key), said) for key, said in preferences.faults(one.prefer))


def _registration(manifest: Manifest) -> Faults:
    if manifest.registration is None:
        return
    if not 0 < manifest.registration.least < 1:
        yield ("registration", "least"), "must lie between 0 and 1"
    if len(manifest.inputs) < 2:
        yield ("registration",), "is for several inputs"


def _priors(manifest: Manifest) -> Faults:
    priors = manifest.priors
    if priors is None:
        return
    if not 1 <= priors.newest <= _NEWEST_MOST:
        yield ("priors", "newest"), f"must be from 1 to {_NEWEST_MOST}"
    if priors.within_days < 1:
        yield ("priors", "within_days"), "must be 1 or more"
    if not 0 < priors.deadline <= _DEADLINE_MOST:
        yield ("priors", "deadline"), f"must be above 0, and {_DEADLINE_MOST:g} s at the most"
    if not manifest.compared:
        yield ("priors",), "is for [[measurements]] that compare"


def _network(manifest: Manifest) -> Faults:
    network = manifest.network
    if network.kind not in NETWORKS:
        yield ("network", "kind"), f"must be one of {', '.join(NETWORKS)}"
    listed = manifest.digests if network.kind != "bundle" else {Path(name).parts[0] for name in manifest.digests}
    if network.file not in listed:
        yield ("network", "file"), "is not listed under [digests]"
    if not network.outputs:
        yield ("network", "outputs"), "must name one output or more"
    if len(network.shape) not in (4, 5) or min(network.shape) < 0:
        yield ("network", "shape"), "must be batch, channels and 2 or 3 sizes; 0 is free"
    if len(network.shape) == 4 and _kind(manifest) == "volume":
        yield ("network", "shape"), 'must have 3 sizes in space for an input of the kind "volume"'
    if network.multiple < 1:
        yield ("network", "multiple"), "must be 1 or more"
    if network.window and (len(network.window) != len(network.shape) - 2 or min(network.window) < 1):
        yield ("network", "window"), "must have a size above 0 for each direction of space"
    if not 0 <= network.overlap < 1:
        yield ("network", "overlap"), "must be 0 or more and below 1"
    if network.batch < 1:
        yield ("network", "batch"), "must be 1 or more"


def _before(manifest: Manifest) -> Faults:
    names = [one.name for one in manifest.inputs]
    for at, step in enumerate(manifest.preprocessing):
        here = ("preprocessing", at)
        yield from _common(here, step)
        if isinstance(step, steps.Align) and step.to not in names:
            yield (*here, "to"), f"must be one of the inputs: {', '.join(names)}"
        if isinstance(step, steps.Window) and step.low >= step.high:
            yield (*here, "low"), "must be below high"
        if isinstance(step, steps.Affine) and len({len(one) for one in _lists(step)}) > 1:
            yield (*here, "offset"), "must have a number for each channel, as scale has"
        if isinstance(step, steps.Quantiles) and not 0 <= step.low < step.high <= 1:
            yield (*here, "low"), "must be below high, both from 0 to 1"
    stacked = [isinstance(step, steps.Stack) for step in manifest.preprocessing]
    if len(names) > 1 and not any(stacked) and manifest.network.kind != "bundle":
        yield ("preprocessing",), 'must have a step "stack": the network reads one array, the manifest several'


def _lists(step: steps.Affine) -> list[tuple[float, ...]]:
    return [one for one in (step.scale, step.offset) if isinstance(one, tuple)]


def _common(here: KeyPath, step: object) -> Faults:
    """What a field of this name means in every step that has it."""
    axes, how, to = (getattr(step, name, None) for name in ("axes", "how", "to"))
    if axes is not None and sorted(_AXES.get(letter, "") for letter in axes) != ["AP", "LR", "SI"]:
        yield (*here, "axes"), 'must name three directions, one of each of S/I, A/P and L/R, such as "SPL"'
    if how is not None and how not in HOW:
        yield (*here, "how"), f"must be one of {', '.join(HOW)}"
    if isinstance(to, tuple) and to[0] >= to[1]:
        yield (*here, "to"), "must rise"
    for name in ("mm", "size", "factor", "multiple", "levels", "count"):
        value = getattr(step, name, None)
        least = min(value, default=1) if isinstance(value, tuple) else value
        if least is not None and least <= 0:
            yield (*here, name), "must be above 0"


def _after(manifest: Manifest) -> Faults:
    back = [at for at, step in enumerate(manifest.postprocessing) if isinstance(step, steps.ToSource)]
    if manifest.segments and len(back) != 1 and manifest.network.kind != "bundle":
        yield ("postprocessing",), 'must have the step "to_source" once: segments lie on the source'
    for at, step in enumerate(manifest.postprocessing):
        yield from _common(("postprocessing", at), step)
        labels = step.labels if isinstance(step, steps.Regions | steps.Relabel) else ()
        if labels and not 0 <= min(labels) <= max(labels) <= len(manifest.segments):
            yield ("postprocessing", at, "labels"), "must be numbers of segments, or 0"
        if isinstance(step, steps.Softmax | steps.Sigmoid):
            yield from _head(manifest, at, step)


def _head(manifest: Manifest, at: int, step: steps.Softmax | steps.Sigmoid) -> Faults:
    if step.temperature <= 0:
        yield ("postprocessing", at, "temperature"), "must be above 0"
    if step.output not in ("", *manifest.network.outputs):
        yield ("postprocessing", at, "output"), "must be one of the network's outputs"


def _segments(manifest: Manifest) -> Faults:
    if not manifest.segments and not manifest.findings:
        yield ("segments",), "must be one table or more where there are no [[findings]]"
    if manifest.segments and _kind(manifest) == "images":
        yield ("segments",), 'are of a volume; the input is of the kind "images"'
    if len(manifest.segments) > 255:
        yield ("segments",), "must be 255 tables at the most"
    for at, segment in enumerate(manifest.segments):
        if segment.number != at + 1:
            yield ("segments", at, "number"), f"must be {at + 1}: numbers rise from 1 without gaps"
        yield from _coded(("segments", at), segment)
        if not all(0 <= part <= 255 for part in segment.colour):
            yield ("segments", at, "colour"), "must be three numbers from 0 to 255"
        if segment.shown_on not in ("", *(one.name for one in manifest.inputs)):
            yield ("segments", at, "shown_on"), "must be the name of an input"
        if segment.measurements:
            yield ("segments", at, "measurements"), "are measured, not stated"


def _lesions(manifest: Manifest) -> Faults:
    named = [one.segment for one in manifest.lesions]
    for at, one in enumerate(manifest.lesions):
        yield from _coded(("lesions", at), one)
        yield from ((("lesions", at, key), said) for key, said in _of_lesions(one))
        if not 0 < one.segment <= len(manifest.segments) or one.segment in named[:at]:
            yield ("lesions", at, "segment"), "must be the number of a segment that no other [[lesions]] names"
    if manifest.lesions and manifest.network.kind == "bundle":
        yield ("lesions",), "cannot be had of a bundle: it gives labels and no shares"


def _of_lesions(one: Lesions) -> Iterator[tuple[str, str]]:
    if one.channel < 0:
        yield "channel", "must be 0 or more"
    if not 0 <= one.threshold < 1:
        yield "threshold", "must be 0 or more and below 1"
    if not one.shapes or not set(one.shapes) <= set(SHAPES):
        yield "shapes", f"must be one of {', '.join(SHAPES)}, or both"
    if one.most < 1:
        yield "most", "must be 1 or more"
    if not 0 <= one.least_ratio < 1:
        yield "least_ratio", "must be 0 or more and below 1"
    for axis in AXES:
        limits = getattr(one, f"{axis}_mm")
        if limits and not (len(limits) == 2 and 0 <= limits[0] < limits[1]):
            yield f"{axis}_mm", "must be two numbers, the least and the most"


def _measurements(manifest: Manifest) -> Faults:
    for at, wanted in enumerate(manifest.measurements):
        yield from _coded(("measurements", at), wanted)
        if wanted.what not in QUANTITIES:
            yield ("measurements", at, "what"), f"must be one of {', '.join(QUANTITIES)}"
        if wanted.of not in ("", *SCOPES):
            yield ("measurements", at, "of"), f"must be one of {', '.join(SCOPES)}"
        if wanted.of == "whole" and wanted.what in AXES:
            yield ("measurements", at, "of"), "must not be whole: an axis never spans separate parts"
        if wanted.of not in ("", "whole") and wanted.what == "count":
            yield ("measurements", at, "of"), "must be whole: a part is one"
        if not 0 <= wanted.segment <= len(manifest.segments):
            yield ("measurements", at, "segment"), "must be the number of a segment, or 0 for all"
        if wanted.of == LESION and not manifest.lesions:
            yield ("measurements", at, "of"), "wants [[lesions]]"
        yield from ((("measurements", at, key), said) for key, said in _compares(manifest, wanted))
        if wanted.what == "volume" and wanted.compare != PERCENT and wanted.unit.value not in VOLUMES:
            yield ("measurements", at, "unit"), f"must be one of {', '.join(VOLUMES)}"


def _compares(manifest: Manifest, wanted: Quantity) -> Iterator[tuple[str, str]]:
    if wanted.compare not in COMPARISONS:
        yield "compare", f"must be one of {', '.join(filter(None, COMPARISONS))}, or left out"
    if wanted.compare and (manifest.priors is None or not manifest.segments):
        yield "compare", "is of [[segments]], and wants [priors]"
    if wanted.compare and (wanted.scope != "whole" or wanted.what == "count"):
        yield "compare", "is of a whole: which part was which before is not known"
    basis = compared_with(wanted, manifest.measured)
    if wanted.compare and basis is None:
        yield "compare", "wants that the same is measured in the study itself"
    unit = "%" if wanted.compare == PERCENT else basis.unit.value if basis else ""
    if wanted.compare and basis and wanted.unit.value != unit:
        yield "unit", f"must be {unit}"


def _coded(here: KeyPath, table: "DataclassInstance") -> Faults:
    """The label and the codes of a segment, measurement or finding: what the writer of results takes without a look."""
    if said := terms.fault(getattr(table, "label", "-")):
        yield (*here, "label"), said
    for field in fields(table):
        code = getattr(table, field.name)
        if isinstance(code, Code) and (found := fault(code, unit=field.name == "unit")):
            yield (*here, field.name), f"its {' '.join(found)}"
        elif isinstance(code, Code) and field.name in _THINGS and (said := terms.fault(code.meaning)):
            yield (*here, field.name), f"its meaning {said}"
    side = getattr(table, "laterality", None)
    if side and (side.value, side.scheme) not in SIDES:
        yield (*here, "laterality"), f"its value must be one of {', '.join(value for value, _ in SIDES)}"


def _findings(manifest: Manifest) -> Faults:
    first = manifest.network.outputs[:1]
    channels = [((one.output,) if one.output else first, one.channel) for one in manifest.findings]
    for at, one in enumerate(manifest.findings):
        yield from _coded(("findings", at), one)
        if one.channel < 0 or channels[at] in channels[:at]:
            yield ("findings", at, "channel"), "must be 0 or more, and a channel of its own"
        if one.output not in ("", *manifest.network.outputs):
            yield ("findings", at, "output"), "must be one of the network's outputs"
        if not 0 < one.threshold < 1:
            yield ("findings", at, "threshold"), "must lie between 0 and 1"
    if manifest.segments and manifest.findings:
        yield ("findings",), "cannot stand beside [[segments]]: a network gives one or the other"


def _maps(manifest: Manifest) -> Faults:
    for at, wanted in enumerate(manifest.maps):
        if wanted.method not in METHODS:
            yield ("maps", at, "method"), f"must be one of {', '.join(METHODS)}"
        if wanted.method in ("grad_cam", "integrated_gradients") and manifest.network.kind != "torchscript":
            yield ("maps", at, "method"), 'needs a network of the kind "torchscript"'
        if wanted.method in ("cam", "grad_cam") and wanted.output not in manifest.network.outputs:
            yield ("maps", at, "output"), "must be one of the network's outputs"
        if not 0 < wanted.patch < 1:
            yield ("maps", at, "patch"), "must lie between 0 and 1"
        if (wanted.method == "probability") != bool(manifest.segments):
            yield ("maps", at, "method"), 'is "probability" beside [[segments]], and only there'
        if manifest.segments:
            yield from _probability(manifest, at)


def _probability(manifest: Manifest, at: int) -> Faults:
    wanted, first = manifest.maps[at], manifest.postprocessing[:1]
    if said := terms.fault(wanted.label):
        yield ("maps", at, "label"), said
    if wanted.channel < 0:
        yield ("maps", at, "channel"), "must be 0 or more"
    if not isinstance(first[0] if first else None, steps.Softmax | steps.Sigmoid):
        yield ("maps", at, "method"), "needs softmax or sigmoid as the first step of [[postprocessing]]"


def _guards(manifest: Manifest) -> Faults:
    kind = _kind(manifest)
    for at, guard in enumerate(manifest.guards):
        if isinstance(guard, steps.NoScreenCapture) and kind != "images":
            yield ("guards", at, "check"), 'is for an input of the kind "images"'
        if isinstance(guard, steps.Detail | steps.Enclosed) and kind != "volume":
            yield ("guards", at, "check"), 'is for an input of the kind "volume"'
        low, high = _several(getattr(guard, "least", 0)), _several(getattr(guard, "most", 1))
        if not isinstance(guard, steps.Likeness) and any(a > b for a, b in zip(low, high, strict=True)):
            yield ("guards", at, "least"), "must not be above most"
        if isinstance(guard, steps.Likeness) and guard.file not in manifest.digests:
            yield ("guards", at, "file"), "is not listed under [digests]"
        if isinstance(guard, steps.SegmentVolume) and not 0 <= guard.segment <= len(manifest.segments):
            yield ("guards", at, "segment"), "must be the number of a segment, or 0 for all"


def _kind(manifest: Manifest) -> str:
    return manifest.inputs[0].kind if manifest.inputs else "volume"


def _several(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _digests(manifest: Manifest) -> Faults:
    for name, digest in manifest.digests.items():
        if not _SHA256.fullmatch(digest):
            yield ("digests", name), "is not a SHA-256 in lower-case hex"
        if Path(name).is_absolute() or ".." in Path(name).parts or name in (MANIFEST, SIGNATURE):
            yield ("digests", name), "must be another file inside the package"
    if manifest.golden:
        yield from _listed(manifest, ("golden", "input"), manifest.golden.input)
        yield from _listed(manifest, ("golden", "expected"), manifest.golden.expected)


def _listed(manifest: Manifest, key: KeyPath, name: str) -> Faults:
    if name not in manifest.digests:
        yield key, "is not listed under [digests]"
