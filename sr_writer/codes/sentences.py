"""The findings in words for people: what pages, plain reports and captions say, the same in each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from domain.findings import FindingProbability, Findings, Measurement, Region
from sr_writer.codes.wording import warning
from sr_writer.content import Content

Colour = tuple[int, int, int]

_UNITS = {"[hnsf'U]": "HU", "1": "", "{ratio}": ""}


@dataclass(frozen=True)
class Line:
    """One finding: its name, what is said of it, and the colour that it has in pictures, where it has one."""

    label: str
    said: str
    colour: Colour | None = None


def lines(content: Content) -> tuple[Line, ...]:
    """Every segment, region and likelihood; of the likelihoods, those that are reported first."""
    return (*_segments(content.findings, content.present), *_regions(content), *_likelihoods(content))


def heads(findings: Findings) -> tuple[str, ...]:
    """What stands above every page: the warning, then which model has spoken."""
    model = findings.model
    return warning(model), f"{model.title} ({model.name} {model.version}, {model.manufacturer})"


def quantity(one: Measurement) -> str:
    """`Volume 2535 ml`; a mean, a maximum or the like in brackets behind its name."""
    derived = f" ({one.derivation.meaning.lower()})" if one.derivation else ""
    value = f"{one.value:.4g}" if math.isfinite(one.value) else "could not be measured"
    unit = _UNITS.get(one.unit.value, one.unit.value) if math.isfinite(one.value) else ""
    return f"{one.name.meaning}{derived} {value} {unit}".strip()


def _segments(findings: Findings, present: frozenset[int]) -> Iterator[Line]:
    for one in findings.segments:
        said = ", ".join(map(quantity, one.measurements)) if one.number in present else "no voxel was marked"
        yield Line(one.label, said, one.colour)


def _regions(content: Content) -> Iterator[Line]:
    for one in content.findings.regions:
        parts = [_place(one, content), *map(quantity, one.measurements)]
        parts += [f"probability {100 * one.probability:.1f} %"] if one.probability is not None else []
        yield Line(one.label, ", ".join(filter(None, parts)), one.colour)


def _likelihoods(content: Content) -> Iterator[Line]:
    found = content.findings.likelihoods
    for one in sorted(found, key=lambda one: (not one.present, one.frame or 0, -one.probability)):
        yield Line(one.label, _likely(one, content))


def _likely(one: FindingProbability, content: Content) -> str:
    verdict = "reported" if one.present else "not reported"
    place = _place(one, content)
    where = f"{place}: " if place else ""
    return f"{where}{100 * one.probability:.1f} %, {verdict} (from {100 * one.threshold:.3g} % on)"


def _place(one: Region | FindingProbability, content: Content) -> str:
    """The image that it is of, where there are several."""
    return str(content.names(one.frame)) if one.frame is not None and len(content.source.frames) > 1 else ""
