"""How the slices of a series lie in the patient, as far as the index knows: whether they can ever make a volume.

Coordinates are the patient's (LPS, mm; PS3.3 C.7.6.2.1.1). What is decided here keeps a series from being chosen, so
it is laxer than the reader of volumes, which sees every attribute and has the last word. Standard library only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import dist, isfinite, sqrt
from statistics import median

from domain import measured
from domain.measured import PLACE

Vector = tuple[float, float, float]

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
class Gap:
    """Where `missing` slices are missing: `mm` wide, between the images at two indices of what was laid out."""

    mm: float
    missing: int
    between: tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """How slices lie: `orientation` is "axial", "coronal" or "sagittal", whichever is nearest, "" where it is unknown.

    `spacing_mm` is that of neighbours (`domain.measured.spacing`), None where it cannot be told. `faults` are the
    reasons why the slices can never be a volume; `missing` is how many seem to be missing from one, `gap` the widest
    place where some are.
    """

    orientation: str = ""
    spacing_mm: float | None = None
    faults: tuple[str, ...] = ()
    missing: int = 0
    gap: Gap | None = None


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
    order = sorted(range(len(planes)), key=lambda at: _along(planes[at].position, normal))
    ordered = [planes[at] for at in order]
    depths = [_along(plane.position, normal) for plane in ordered]
    steps = [after - before for before, after in pairwise(depths)]
    error = measured.depth_error(chain.from_iterable(plane.position for plane in planes), normal)
    faults = (*_crowded(steps, len(planes)), *_leaning(ordered, depths))
    orientation, spacing = nearest_axis(planes[0].orientation), _spacing(depths, error)
    if faults:
        return Layout(orientation, spacing, faults)
    return Layout(orientation, spacing, (), _missing(steps), _widest(depths, order, error))


def _spacing(depths: Sequence[float], error: float) -> float | None:
    spacing = measured.spacing(depths, error)
    return spacing if spacing is not None and isfinite(spacing) and spacing >= PLACE.absolute else None


def _widest(depths: Sequence[float], order: Sequence[int], error: float) -> Gap | None:
    """The first of the widest gaps between slices at `depths`, which are images at these indices."""
    found = measured.gaps(depths, error)
    if not found:
        return None
    at, missing = max(found, key=lambda gap: gap[1])
    return Gap(depths[at + 1] - depths[at], missing, (order[at], order[at + 1]))


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
    shared = sum(gap < PLACE.absolute for gap in gaps)
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
