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

    That of a regular stack is the mean, in which rounding is smallest; of any other the largest, which tells of a gap.
    """
    if len(depths) < 2:
        return None
    ordered = sorted(depths)
    gaps = [after - before for before, after in pairwise(ordered)]
    mean = (ordered[-1] - ordered[0]) / len(gaps)
    # Each end of a distance may be off; beyond a fifth of it, that would hide a gap in a short stack.
    allowed = max(DISTANCE.of(mean), min(2 * error, mean / 5))
    return mean if all(abs(gap - mean) <= allowed + _BINARY for gap in gaps) else max(gaps)


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
