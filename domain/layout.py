"""How the slices of a series lie in the patient, as far as the index knows: whether they can ever make a volume.

Coordinates are the patient's (LPS, mm; PS3.3 C.7.6.2.1.1). What is decided here keeps a series from being chosen, so
it is laxer than the reader of volumes, which sees every attribute and has the last word. Standard library only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import dist, isfinite, sqrt
from statistics import median

Vector = tuple[float, float, float]

# Closer than the finest spacing in use, wider than the rounding of decimal strings (mm).
_SAME_PLACE = 0.02
# A gap is one where the distance is this many times the usual one.
_GAP = 1.5
# Direction cosines that differ by more than this are another orientation; a tenth of a degree is rounding.
_TURNED = 0.02
# The stack may lean by this share of its length, beside rounding (mm): more is a tilted gantry.
_LEAN, _LEAN_MM = 0.02, 0.3
_AXES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class Plane:
    """Where one image lies: Image Position (Patient) in mm, and the six direction cosines of a row and a column."""

    position: Sequence[float]
    orientation: Sequence[float]


@dataclass(frozen=True)
class Layout:
    """How slices lie: `orientation` is "axial", "coronal" or "sagittal", whichever is nearest, "" where it is unknown.

    `spacing_mm` is the largest distance between neighbours, None where it cannot be told. `faults` are the reasons why
    the slices can never be a volume; `missing` is how many seem to be missing from one.
    """

    orientation: str = ""
    spacing_mm: float | None = None
    faults: tuple[str, ...] = ()
    missing: int = 0


def lay_out(planes: Sequence[Plane]) -> Layout:
    """The layout of single-frame images that all state where they lie."""
    if not planes:
        return Layout()
    normal = _normal(planes[0].orientation)
    if normal is None:
        return Layout(faults=("the orientation of its images is no pair of directions",))
    turned = sum(_turned(plane.orientation, planes[0].orientation) for plane in planes)
    if turned:
        return Layout(faults=(f"its images are not parallel: {turned} of {len(planes)} are turned against the others",))
    ordered = sorted(planes, key=lambda plane: _along(plane.position, normal))
    depths = [_along(plane.position, normal) for plane in ordered]
    gaps = [after - before for before, after in pairwise(depths)]
    faults = (*_crowded(gaps, len(planes)), *_leaning(ordered, depths))
    largest = max(gaps, default=0.0)
    spacing = largest if largest >= _SAME_PLACE and isfinite(largest) else None
    return Layout(nearest_axis(planes[0].orientation), spacing, faults, 0 if faults else _missing(gaps))


def nearest_axis(orientation: Sequence[float]) -> str:
    """The plane that images of these direction cosines are nearest to; "" where they are no directions."""
    normal = _normal(orientation)
    if normal is None:
        return ""
    sizes = [abs(part) for part in normal]
    return _AXES[sizes.index(max(sizes))]


def _normal(orientation: Sequence[float]) -> Vector | None:
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = sqrt(sum(part * part for part in normal))
    if not length or not isfinite(length):
        return None
    return normal[0] / length, normal[1] / length, normal[2] / length


def _along(position: Sequence[float], normal: Vector) -> float:
    return sum(p * n for p, n in zip(position, normal, strict=True))


def _turned(orientation: Sequence[float], first: Sequence[float]) -> bool:
    return any(abs(one - other) > _TURNED for one, other in zip(orientation, first, strict=True))


def _crowded(gaps: Sequence[float], images: int) -> tuple[str, ...]:
    shared = sum(gap < _SAME_PLACE for gap in gaps)
    return (crowding(images, images - shared),) if shared else ()


def crowding(images: int, places: int) -> str:
    """Why images at fewer places than there are images make no volume: which of them are one cannot be told."""
    where = "one position" if places == 1 else f"{places} positions"
    return f"its {images} images lie at {where}: phases, echoes, b-values (4-D) or duplicates"


def _leaning(ordered: Sequence[Plane], depths: Sequence[float]) -> tuple[str, ...]:
    """Each slice is shifted against the one before, as by a tilted gantry."""
    length, whole = depths[-1] - depths[0], dist(ordered[0].position, ordered[-1].position)
    sideways = sqrt(max(whole**2 - length**2, 0.0))
    if sideways <= _LEAN * length + _LEAN_MM:
        return ()
    return ("its slices are tilted against their stack (gantry tilt)",)


def _missing(gaps: Sequence[float]) -> int:
    usual = median(gaps) if gaps else 0.0
    return sum(round(gap / usual) - 1 or 1 for gap in gaps if gap > _GAP * usual) if usual else 0
