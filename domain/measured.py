"""How measured numbers are compared: never digit by digit.

A header states lengths, places and directions as decimal strings (DS, PS3.5 6.2), each rounded to the last digit that
its writer gave it and then to a binary fraction. 32.2 and 37.2 lie 5.000000000000004 apart, and a stack of 1.25 mm in
tenths of a millimetre has distances of 1.2 and 1.3. So two figures are the same where what they went through explains
their difference, and where no reader of the images could tell them apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import isfinite

# What binary fractions add to any figure, far below the last digit that a header can state.
_BINARY = 1e-9


@dataclass(frozen=True)
class Tolerance:
    """How far two figures of one quantity may lie apart and be the same: `absolute` in its unit, or a share of them."""

    absolute: float
    share: float = 0.0

    def of(self, figure: float) -> float:
        """What may be between `figure` and another that is the same."""
        return max(self.absolute, self.share * abs(figure)) + _BINARY

    def same(self, one: float, other: float) -> bool:
        """Whether the two are the same."""
        return abs(one - other) <= self.of(max(abs(one), abs(other)))

    def above(self, figure: float, limit: float) -> bool:
        """Whether `figure` exceeds `limit` for certain."""
        return figure > limit and not self.same(figure, limit)

    def below(self, figure: float, limit: float) -> bool:
        """Whether `figure` falls short of `limit` for certain."""
        return figure < limit and not self.same(figure, limit)


# mm between slices, against a limit that somebody states. Scanners call 4.98 and 5.01 mm 5 mm.
DISTANCE = Tolerance(0.01, 0.01)
# mm between slices that lie in one place: less than the finest spacing in use, more than rounding between repeats.
PLACE = Tolerance(0.02)
# A direction cosine: what three decimals leave wrong in a length, an angle or a comparison.
COSINE = Tolerance(2e-3)
# The distance of pixels within a slice: 0.05 pixels at the edge of 512.
IN_PLANE = Tolerance(0.0, 1e-4)
# A figure that the node has worked out itself, against a limit.
COMPUTED = Tolerance(0.0, 1e-6)

# Nobody places slices more coarsely than by tenths of a millimetre: whole numbers have lost their zeros.
_COARSEST = 0.1


def unit(*numbers: float) -> float:
    """The step of the last decimal that any of `numbers` was written with: 0.01 for 1.5 and -137.85."""
    exponents = (Decimal(repr(float(number))).normalize().as_tuple().exponent for number in numbers)
    return float(10.0 ** min(0, *(one for one in exponents if isinstance(one, int))))


def depth_error(coordinates: Iterable[float], normal: Sequence[float]) -> float:
    """How far (mm) a slice may lie along `normal` (a unit vector) from where its position says.

    Each of its `coordinates` was rounded to the decimals that they were all written with.
    """
    return min(_COARSEST, unit(*coordinates)) / 2 * sum(map(abs, normal))


def spacing(depths: Sequence[float], error: float = 0.0) -> float | None:
    """The distance (mm) between slices at `depths` along their normal, each off by up to `error`; None below two.

    That of a regular stack is the mean, in which rounding is smallest; of one with `gaps` that of the others; of any
    other the largest.
    """
    if len(depths) < 2:
        return None
    steps = _steps(depths)
    if _regular(steps, error):
        return sum(steps) / len(steps)
    return step(depths) if gaps(depths, error) else max(steps)


def gaps(depths: Sequence[float], error: float = 0.0) -> tuple[tuple[int, int], ...]:
    """Where slices are missing among those at `depths`, each off by up to `error` (mm): how many after which.

    Slices count from 0 in the order of their depth. None are told where the stack is regular, or where its steps are
    uneven in another way: most have to be alike, and every other one a multiple of them.
    """
    steps = _steps(depths)
    usual = sorted(steps)[len(steps) // 2] if steps else 0.0
    if usual <= 0 or not all(map(isfinite, steps)) or _regular(steps, error):
        return ()
    filled = [max(1, round(one / usual)) for one in steps]
    alike = [one for one, count in zip(steps, filled, strict=True) if count == 1]
    mean = sum(alike) / len(alike)
    explained = (abs(one - count * mean) <= _allowed(mean, error) for one, count in zip(steps, filled, strict=True))
    if len(alike) * 3 < len(steps) * 2 or not all(explained):
        return ()
    return tuple((at, count - 1) for at, count in enumerate(filled) if count > 1)


def _steps(depths: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(sorted(depths))]


def _regular(steps: Sequence[float], error: float) -> bool:
    mean = sum(steps) / len(steps)
    return all(abs(one - mean) <= _allowed(mean, error) for one in steps)


def _allowed(mean: float, error: float) -> float:
    """What may be between a step and the mean: each end may be off; beyond a fifth of it, that would hide a gap."""
    return max(DISTANCE.of(mean), min(2 * error, mean / 5)) + _BINARY


def step(depths: Sequence[float]) -> float:
    """The usual distance (mm) between neighbours of a stack in which slices may be missing; 0 below two slices.

    The mean over all, a gap counting as the slices that would fill it.
    """
    ordered = sorted(depths)
    gaps = [after - before for before, after in pairwise(ordered)]
    usual = sorted(gaps)[len(gaps) // 2] if gaps else 0.0
    if not usual:
        return 0.0
    return (ordered[-1] - ordered[0]) / sum(max(1, round(gap / usual)) for gap in gaps)
