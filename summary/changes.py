"""How what was measured differs from an earlier result, as far as voxels can tell two measurements apart.

The border of what is measured is known to about half a voxel on either side. So two lengths are told apart from the
sum of both voxels' sides on; two areas and volumes from the sum of what a rim of half a voxel holds around a disc or a
ball of that size, which of all shapes have the least.
"""

import math
from collections.abc import Callable, Mapping

from domain import words
from domain.findings import Measurement
from domain.impressions import Change, Interval
from domain.words import Resolution

_IN_MM = {"mm2": 1.0, "cm2": 100.0, "mm3": 1.0, "cm3": 1000.0, "ml": 1000.0}  # mm2, or mm3


def change(
    now: Measurement, before: Measurement, fine: Resolution | None, earlier: Resolution | None, interval: Interval
) -> Change | None:
    """The difference of two measurements of one thing; None where nothing was there or says how far they are apart."""
    known = _BLUR.get(now.unit.value)
    if known is None or fine is None or earlier is None or now.value == before.value == 0:
        return None
    difference, said = _difference(now, before, fine, earlier)
    told_apart = abs(now.value - before.value) > known(now, fine) + known(before, earlier)
    return Change(now.name, difference, now.unit, said if told_apart and difference else "", interval)


def _difference(now: Measurement, before: Measurement, fine: Resolution, earlier: Resolution) -> tuple[float, str]:
    """That of the figures that are said: a reader may subtract them."""
    texts = words.figures(now, fine), words.figures(before, earlier)
    # A whole number may be known to tenths: 18 of 18.0.
    decimals = min((len(one.partition(".")[2]) for one in texts if "." in one), default=0)
    difference = round(float(texts[0]) - float(texts[1]), decimals)
    sign = "-" if difference < 0 else "+"
    unit = "" if now.unit.value == "1" else f" {now.unit.value}"
    return difference, f"{sign}{abs(difference):.{decimals}f}{unit}"


def _length(_: Measurement, resolution: Resolution) -> float:
    return resolution.step


def _area(one: Measurement, resolution: Resolution) -> float:
    unit = _IN_MM[one.unit.value]
    around = math.sqrt(4 * math.pi * max(one.value, 0.0) * unit)
    return around * resolution.step / 2 / unit


def _volume(one: Measurement, resolution: Resolution) -> float:
    unit = _IN_MM[one.unit.value]
    surface = math.cbrt(36 * math.pi * (max(one.value, 0.0) * unit) ** 2)
    return surface * math.cbrt(resolution.volume) / 2 / unit


def _counted(_: Measurement, __: Resolution) -> float:
    return 0.0


# How much of a measurement's value is uncertain, in its unit.
_BLUR: Mapping[str, Callable[[Measurement, Resolution], float]] = {
    "1": _counted,
    "mm": _length,
    "mm2": _area,
    "cm2": _area,
    "mm3": _volume,
    "cm3": _volume,
    "ml": _volume,
}
