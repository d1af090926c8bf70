"""What findings come to in words for people: no more figures than the voxels carry, and no figure against a verdict.

A code's meaning is what machines agree on ("Attenuation Coefficient"); what stands here is what a reader says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from domain.findings import FindingProbability, Measurement

# What a percentage of a model is, wherever one is shown.
SCORE = (
    "A score (Certainty of Finding in reports) is the model's own figure for a finding, from 0 to 100 %: it puts what "
    "it has looked at in an order, and is not the probability that the patient has the finding."
)
# What a score of a whole image, or of a series, leaves open.
OF_A_WHOLE = (
    "A finding with a score and no place is of the whole image or series: where in it, and on which side, is not said."
)
_NAMES = {
    "Attenuation Coefficient": "density",
    "Long Axis": "long axis",
    "Short Axis": "short axis",
    "Volume": "volume",
    "Area": "area",
    "Diameter": "diameter",
    "Quantity": "number",
}
_UNITS = {"[hnsf'U]": "HU", "1": "", "{ratio}": "", "{pixels}": "pixels"}
_MOST_FIGURES, _MOST_DECIMALS = 3, 6
# mm: a border is known to about a voxel, and nobody reads tenths from voxels that are larger.
_TENTHS = 0.5


@dataclass(frozen=True)
class Resolution:
    """The size of a voxel (mm): `step` its shortest side in the image's plane, `area` (mm2) and `volume` (mm3)."""

    step: float
    area: float
    volume: float

    @classmethod
    def of(cls, voxel: Sequence[float]) -> "Resolution":
        """Of voxels that measure so many mm from slice to slice, row to row and column to column."""
        depth, rows, columns = voxel
        return cls(min(rows, columns), rows * columns, depth * rows * columns)


def quantity(one: Measurement, resolution: Resolution | None = None) -> str:
    """`mean density -812 HU`, `long axis 34 mm (largest of 3 parts)`."""
    return f"{named(one)} {amount(one, resolution)}"


def amount(one: Measurement, resolution: Resolution | None = None) -> str:
    """`-812 HU`, `34 mm (largest of 3 parts)`, `SUVbw 6.0 g/ml`."""
    return _told(one, figures(one, resolution))


def _unit(one: Measurement) -> tuple[str, str]:
    """The unit, and the kind of value that an annotation of it names: `g/ml` and `SUVbw` of g/ml{SUVbw} (UCUM 2.3)."""
    value = one.unit.value
    if value in _UNITS:
        return _UNITS[value], ""
    plain, _, kind = value.partition("{")
    return (plain, kind.rstrip("}")) if plain else (value, "")


def stated(one: Measurement) -> str:
    """`-812 HU`: a number that a report holds in the figures that it was given there."""
    return _told(one, f"{one.value:.12g}")


def _told(one: Measurement, value: str) -> str:
    unit, kind = _unit(one) if math.isfinite(one.value) else ("", "")
    said = kind if kind not in one.name.meaning else ""
    return " ".join(part for part in (said, value, unit, _of(one)) if part)


def named(one: Measurement) -> str:
    """What was measured, in a reader's words."""
    name = _NAMES.get(one.name.meaning, one.name.meaning)
    return f"{one.derivation.meaning.lower()} {name}" if one.derivation else name


def figures(one: Measurement, resolution: Resolution | None = None) -> str:
    """The value, with as many figures as voxels of this size carry; three at the most. A difference has its sign."""
    said = _figures(one, resolution)
    return f"+{said}" if one.signed and math.isfinite(one.value) and float(said) > 0 else said


def _figures(one: Measurement, resolution: Resolution | None) -> str:
    if not math.isfinite(one.value):
        return "could not be measured"
    unit = one.unit.value
    if unit == "mm":
        return _fixed(one.value, 0 if resolution is None or resolution.step >= _TENTHS else 1)
    if _unit(one)[1].startswith("SUV"):
        return _fixed(one.value, 1)
    if unit == "[hnsf'U]" or (unit == "1" and one.value % 1 == 0):  # what has been counted is known whole
        return _fixed(one.value, 0)
    return rounded(one.value, _carried(_cells(one.value, unit, resolution)))


def number(one: Measurement, resolution: Resolution | None = None) -> float:
    """The value as `figures` says it, whole where it is said so; it has to be finite."""
    return _number(figures(one, resolution))


def _number(said: str) -> float:
    return float(said) if "." in said else int(said)


def _cells(value: float, unit: str, resolution: Resolution | None) -> float | None:
    """How many voxels, or pixels of an area, a value sums up."""
    if resolution is None:
        return None
    cell = {"ml": resolution.volume / 1000, "mm3": resolution.volume, "mm2": resolution.area}.get(unit)
    return abs(value) / cell if cell else None


def rounded(value: float, count: int) -> str:
    """`value` to so many figures, never with an exponent; a whole number that is no longer than that stays whole."""
    if value == 0:
        return "0"
    if value % 1 == 0 and abs(value) < 10**count:
        return f"{value:.0f}"
    places = count - 1 - math.floor(math.log10(abs(value)))
    return _fixed(round(value, places), max(0, places))


def _fixed(value: float, decimals: int) -> str:
    return f"{round(value, decimals):z.{decimals}f}"


def _carried(cells: float | None) -> int:
    """Figures of a sum over so many voxels, whose border is uncertain: about one for every power of a hundred."""
    if cells is None:
        return _MOST_FIGURES
    return max(1, min(_MOST_FIGURES, round(math.log10(max(cells, 1.0)) / 2) + 1))


def _of(one: Measurement) -> str:
    """Which of several separate parts was measured."""
    if one.parts < 2:
        return ""
    return f"(largest of {one.parts} parts)" if one.part == 1 else f"(part {one.part} of {one.parts} by size)"


def percentage(share: float, decimals: int = 0) -> str:
    """`14 %`; no model knows that something is impossible or certain, so none is said to."""
    said = f"{100 * share:.{decimals}f}"
    least = 10.0**-decimals
    if float(said) == 0:
        return f"below {least:.{decimals}f} %"
    if float(said) == 100:
        return f"above {100 - least:.{decimals}f} %"
    return f"{said} %"


def percent(share: float, decimals: int = 0) -> float:
    """The number of `percentage`: where that says "below" or "above" a number, this one."""
    least = 10.0**-decimals
    return _number(_fixed(min(max(100 * share, least), 100 - least), decimals))


def certainty(one: FindingProbability) -> float:
    """The score in percent as a number: with the decimals that it takes to bear the verdict out, never 0 or 100."""
    decimals = _decimals(one)
    while decimals < _MOST_DECIMALS and (percent(one.probability, decimals) >= 100 * one.threshold) != one.present:
        decimals += 1
    return percent(one.probability, decimals)


def score(one: FindingProbability) -> str:
    """`score 13.62 %, not reported (from 13.63 % on)`: with the decimals that it takes to bear the verdict out."""
    decimals = _decimals(one)
    verdict = "reported" if one.present else "not reported"
    return f"score {percentage(one.probability, decimals)}, {verdict} (from {_stated(one.threshold, decimals)} on)"


def _decimals(one: FindingProbability) -> int:
    decimals = 0
    while not one.present and decimals < _MOST_DECIMALS and _alike(one, decimals):
        decimals += 1
    return decimals


def _alike(one: FindingProbability, decimals: int) -> bool:
    """Whether, rounded, the score has come to the threshold, or both are said to be below or above the same."""
    score, threshold = (float(f"{100 * share:.{decimals}f}") for share in (one.probability, one.threshold))
    return score >= threshold


def _stated(threshold: float, decimals: int) -> str:
    """The threshold, with a decimal more where it is below one percent; it is a limit, so it is no "below"."""
    while float(f"{100 * threshold:.{decimals}f}") in (0.0, 100.0) and 0 < threshold < 1 and decimals < _MOST_DECIMALS:
        decimals += 1
    return f"{100 * threshold:.{decimals}f} %"
