"""What findings hold, one thing after another, in words that are allowed: what each of them says is decided here.

| of findings | says |
|---|---|
| a segment of what everybody has (CID 7150: anatomy, tissue) | measured |
| another segment with a voxel | present; its parts instead where they are pointed at one by one |
| another segment without a voxel | absent |
| another segment of which nothing says whether it has one | nothing, and is counted |
| a region that is no second one of the same finding | present |
| a score from its threshold on, in one image of several at the least | present |
| a score below it | absent |
| a score that is no number from 0 to 1 | nothing, and is counted |
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from domain import sides
from domain.anatomy import is_anatomy, is_of_everybody
from domain.findings import Code, FindingProbability, Findings, Measurement, Region, Segment
from domain.impressions import Caution, Part, Presence, ScoreBand
from domain.vocabulary import Vocabulary
from summary import allowed

# What tells by itself whether a segment has a voxel (domain/words.py says how they are called).
_EXTENT_UNITS = frozenset({"ml", "mm3", "cm3", "l", "mm2", "cm2"})
_QUANTITY = ("246205007", "SCT")
_LENGTHS, _VOLUMES = {"mm": 1.0, "cm": 10.0}, {"mm3": 1.0, "cm3": 1e3, "ml": 1e3, "l": 1e6}
_DIAMETER, _MEAN = ("81827009", "SCT"), "373098007"
# Beyond these nothing in a body is, whatever the unit, and no reader takes in the figure.
_LEAST, _MOST = 1e-6, 1e9
_ORDER = (Presence.PRESENT, Presence.ABSENT, Presence.MEASURED)


@dataclass(frozen=True)
class Found:
    """One thing of findings: where in them it is, and what is said of it.

    `measurements` are finite, their names and units allowed; `whole` are those of the whole of it, of a segment also
    where it has no voxel and nothing of them is said.
    """

    part: Part
    index: int
    finding: Code
    label: str
    presence: Presence
    site: Code | None = None
    laterality: Code | None = None
    measurements: tuple[Measurement, ...] = ()
    whole: tuple[Measurement, ...] = ()
    probability: float | None = None
    cautions: tuple[Caution, ...] = ()

    @property
    def where(self) -> object:
        """Where in findings it is."""
        return self.part, self.index

    @property
    def alike(self) -> object:
        """What those have in common that may be told together."""
        return self.part, self.finding, self.label

    @property
    def place(self) -> object:
        """Where it lies."""
        return self.site, self.laterality

    @property
    def first(self) -> tuple[object, ...]:
        """The order of what is alike: the largest, then the likeliest; of scores what is present first."""
        score = -(self.probability or 0.0)
        if self.part is Part.LIKELIHOOD:
            return _ORDER.index(self.presence), score, self.index
        return *(-one for one in self._size), score, self.index

    @property
    def rank(self) -> tuple[object, ...]:
        """The order of all facts: present, likeliest, largest first; then as the package lists them."""
        of = _ORDER.index(self.presence)
        if self.presence is not Presence.PRESENT:
            return of, 0, 0.0, 0.0, self.index, self.label
        bands = list(ScoreBand)
        band = len(bands) if self.probability is None else bands.index(allowed.band(self.probability))
        return of, -band, *(-one for one in self._size), self.index, self.label

    @property
    def _size(self) -> tuple[float, float]:
        """Length in mm, the mean diameter where there is one, and volume in mm3; 0 of what was not measured."""
        lengths = [(_is_mean_diameter(one), _times(one, _LENGTHS)) for one in self.measurements]
        volumes = [_times(one, _VOLUMES) for one in self.measurements]
        return max(lengths, default=(False, 0.0))[1], max(volumes, default=0.0)


def _times(one: Measurement, units: Mapping[str, float]) -> float:
    return one.value * units.get(one.unit.value, 0.0)


def _is_mean_diameter(one: Measurement) -> bool:
    mean = one.derivation is not None and one.derivation.value == _MEAN
    return mean and (one.name.value, one.name.scheme) == _DIAMETER


def found(findings: Findings, vocabulary: Vocabulary) -> Iterator[Found | None]:
    """Each thing that findings say something of; None for one of which nothing can be said."""
    yield from _segments(findings, vocabulary)
    for index, one in enumerate(findings.regions):
        if not one.of:
            yield _region(one, index, vocabulary)
    for index, likely in enumerate(findings.likelihoods):
        yield _likelihood(likely, index, vocabulary)


def _segments(findings: Findings, vocabulary: Vocabulary) -> Iterator[Found | None]:
    pointed = {one.finding for one in findings.pointed}
    for index, one in enumerate(findings.segments):
        presence = _presence(one)
        if presence is Presence.PRESENT and one.type in pointed:
            continue
        yield _segment(one, index, presence, vocabulary) if presence else None


def _presence(segment: Segment) -> Presence | None:
    if is_of_everybody(segment.category):
        return Presence.MEASURED
    extents = [one.value for one in segment.measurements if _is_extent(one) and math.isfinite(one.value)]
    if extents:
        return Presence.PRESENT if max(extents) > 0 else Presence.ABSENT
    return Presence.PRESENT if segment.measurements else None


def _is_extent(one: Measurement) -> bool:
    return one.unit.value in _EXTENT_UNITS or (one.name.value, one.name.scheme) == _QUANTITY


def _segment(one: Segment, index: int, presence: Presence, vocabulary: Vocabulary) -> Found:
    finding = allowed.finding(one.type, vocabulary)
    measured = _measured(one.measurements, vocabulary)
    return Found(
        Part.SEGMENT,
        index,
        finding,
        allowed.text(one.label, vocabulary, finding.meaning),
        presence,
        finding if is_anatomy(one.category) else None,
        allowed.laterality(one.laterality),
        () if presence is Presence.ABSENT else measured,
        tuple(measurement for measurement in measured if not measurement.part),
    )


def _region(one: Region, index: int, vocabulary: Vocabulary) -> Found | None:
    probability = one.probability
    if probability is not None and not 0 <= probability <= 1:
        return None
    finding, unsided = allowed.finding(one.finding, vocabulary), sides.is_unsided(one)
    measured = _measured(one.measurements, vocabulary)
    return Found(
        Part.REGION,
        index,
        finding,
        allowed.text(one.label, vocabulary, finding.meaning),
        Presence.PRESENT,
        allowed.code(one.site, vocabulary),
        allowed.laterality(one.laterality),
        measured,
        tuple(measurement for measurement in measured if not measurement.part),
        probability=probability,
        cautions=(Caution.SIDE_UNKNOWN,) if unsided else (),
    )


def _likelihood(one: FindingProbability, index: int, vocabulary: Vocabulary) -> Found | None:
    if not 0 <= one.probability <= 1 or math.isnan(one.threshold):
        return None
    finding = allowed.finding(one.finding, vocabulary)
    label = allowed.text(one.label, vocabulary, finding.meaning)
    presence = Presence.PRESENT if one.present else Presence.ABSENT
    return Found(Part.LIKELIHOOD, index, finding, label, presence, probability=one.probability)


def _measured(measurements: tuple[Measurement, ...], vocabulary: Vocabulary) -> tuple[Measurement, ...]:
    """The finite ones whose name and unit are allowed, in the words that are."""
    return tuple(made for one in measurements if (made := _measurement(one, vocabulary)) is not None)


def _measurement(one: Measurement, vocabulary: Vocabulary) -> Measurement | None:
    name, unit = allowed.code(one.name, vocabulary), allowed.unit(one.unit)
    derivation = allowed.derivation(one.derivation)
    if name is None or unit is None or (derivation is None) != (one.derivation is None):
        return None
    measurable = one.value == 0 or _LEAST <= abs(one.value) < _MOST  # what is no number is neither
    return replace(one, name=name, unit=unit, derivation=derivation) if measurable else None
