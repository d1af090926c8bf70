"""A model package in words: what a person asks before it may run."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass

from domain.preferences import Preferences
from domain.routing import Conditions
from models.drafts import CARD
from models.manifest import Input
from models.registry import Package
from models.steps import Check, Step

_CARD_LINES = 12


def intended_use(one: Input) -> Iterator[str]:
    """A sentence for each condition that a series must meet to be read as this input."""
    wanted = one.conditions
    yield "volumes (slices that make one)" if one.kind == "volume" else "images, each by itself"
    yield from _either("modality", wanted.modality)
    yield from _either("SOP class", wanted.sop_class)
    yield from _either("body part", wanted.body_part)
    yield from _either("view", wanted.view)
    yield from _either("photometric interpretation", wanted.photometric)
    yield from _either("requested procedure", wanted.procedure_code)
    yield from _either("sent by", wanted.calling_ae)
    yield from _ranges(wanted)
    yield from _texts(wanted)
    if one.missing_slices:
        yield f"up to {one.missing_slices} single missing slices are interpolated"
    yield from _preferred(one.prefer)


def _preferred(prefer: Preferences) -> Iterator[str]:
    """What of several series that would do decides first, in the order in which it does."""
    if not prefer.original:
        yield "derived images count as original ones do"
    if prefer.contrast is not None:
        yield "preferred: a contrast agent is named" if prefer.contrast else "preferred: no contrast agent is named"
    for what, values in (
        ("series description matches", prefer.series_description),
        ("kernel matches", prefer.kernel),
        ("orientation is", prefer.orientation),
    ):
        if values:
            yield f"preferred: {what} {', then '.join(map(repr, values))}"
    if prefer.thickness_mm is not None:
        yield f"preferred: slices about {prefer.thickness_mm:g} mm thick"


def steps(package: Package) -> Iterator[tuple[str, str, str]]:
    """Where, what and how of every step and guard, in the order in which they are carried out."""
    manifest = package.manifest
    for guard in manifest.guards:
        yield "guard", guard.word, _parameters(guard)
    for before in manifest.preprocessing:
        yield "before", before.word, _parameters(before)
    network = manifest.network
    shape = " x ".join(str(size or "any") for size in network.shape)
    yield (
        "network",
        network.file,
        f"{network.kind}, reads {network.input} ({shape}), gives {', '.join(network.outputs)}",
    )
    for after in manifest.postprocessing:
        yield "after", after.word, _parameters(after)


def outputs(package: Package) -> Iterator[tuple[str, str, str]]:
    """Kind, label and code of everything that the model may say."""
    manifest = package.manifest
    for segment in manifest.segments:
        side = f"{segment.laterality.meaning.lower()} " if segment.laterality else ""
        yield "segment", segment.label, f"{side}{segment.type.meaning} ({segment.type.scheme} {segment.type.value})"
    for lesions in manifest.lesions:
        shapes = " and ".join(lesions.shapes)
        bounds = (
            f"{axis.replace('_', ' ')} {least:g} to {most:g} mm" for axis, (least, most) in lesions.bounds.items()
        )
        ratio = [f"short axis at least {lesions.least_ratio:g} of the long"] if lesions.least_ratio else []
        sizes = ", ".join((f"each part of segment {lesions.segment} by itself", *bounds, *ratio))
        yield "lesions", lesions.label, f"{sizes}: {shapes}"
    for wanted in manifest.measurements:
        yield (
            "measurement",
            " ".join(filter(None, (wanted.what, wanted.compare))),
            f"{wanted.name.meaning} in {wanted.unit.value}",
        )
    for finding in manifest.findings:
        code = f"{finding.code.meaning} ({finding.code.scheme} {finding.code.value})"
        yield "finding", finding.label, f"{code}, reported from {finding.threshold:g} on"
    for explanation in manifest.maps:
        yield "map", explanation.method, explanation.output


def card(package: Package) -> list[str]:
    """The first lines of the card, without what is blank."""
    if CARD not in package.digests:
        return []
    lines = [line for line in package.read(CARD).decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[:_CARD_LINES]


def facts(package: Package) -> dict[str, object]:
    """The package as JSON has it."""
    return {**vars(package.identity), "licence": package.manifest.identity.licence, "folder": str(package.folder)}


def whole(package: Package) -> Mapping[str, object]:
    """Everything that `show` tells, as JSON has it."""
    manifest = package.manifest
    named = {
        "inputs": [{**asdict(one), "in_words": list(intended_use(one))} for one in manifest.inputs],
        "guards": [_named(one) for one in manifest.guards],
        "preprocessing": [_named(one) for one in manifest.preprocessing],
        "network": asdict(manifest.network),
        "postprocessing": [_named(one) for one in manifest.postprocessing],
    }
    said = ("segments", "lesions", "measurements", "findings", "maps")
    return {**facts(package), **named, **{name: [asdict(one) for one in getattr(manifest, name)] for name in said}}


def _named(one: Step | Check) -> dict[str, object]:
    return {one.key: one.word, **_values(one)}


def _values(one: Step | Check) -> dict[str, object]:
    assert is_dataclass(one)
    return {field.name: getattr(one, field.name) for field in fields(one)}


def _parameters(one: Step | Check) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in _values(one).items() if value != ())


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_plain, value))})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _either(what: str, values: tuple[str, ...]) -> Iterator[str]:
    if values:
        yield f"{what} {' or '.join(value or 'not stated' for value in values)}"


def _ranges(wanted: Conditions) -> Iterator[str]:
    for what, low, high, unit in (
        ("slices", wanted.min_slices, wanted.max_slices, ""),
        ("distance between slices", wanted.min_spacing_mm, wanted.max_spacing_mm, " mm"),
        ("age", wanted.min_age, wanted.max_age, " years"),
    ):
        if low is not None and high is not None:
            yield f"{what} from {low:g} to {high:g}{unit}"
        elif low is not None:
            yield f"{what} at least {low:g}{unit}"
        elif high is not None:
            yield f"{what} at most {high:g}{unit}"


def _texts(wanted: Conditions) -> Iterator[str]:
    for what, pattern in (
        ("series description matches", wanted.series_description),
        ("series description does not match", wanted.not_series_description),
        ("study description matches", wanted.study_description),
        ("requested procedure's description matches", wanted.procedure_description),
        ("reason for the request matches", wanted.procedure_reason),
    ):
        if pattern is not None:
            yield f"{what} {pattern!r}"
    if wanted.not_image_type:
        yield f"image type is not {' or '.join(wanted.not_image_type)}"
    if wanted.contrast is not None:
        yield "a contrast agent is named" if wanted.contrast else "no contrast agent is named"
    if wanted.burned_in is False:
        yield "no text burned into the pixels"
