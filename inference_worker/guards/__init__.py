"""The checks by which a package refuses input that its model was not made for, and output that cannot be.

What each checks: models/steps.py. A refusal says what is wrong in a radiographer's words, the figures, and the check.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import TypeAlias, assert_never

from domain.errors import NotSuitable
from domain.measured import COMPUTED
from inference_worker.guards import measures
from inference_worker.guards.likeness import correlation, template
from inference_worker.guards.measures import Source
from models.steps import (
    Check,
    Detail,
    Enclosed,
    Extent,
    Guard,
    Likeness,
    NoScreenCapture,
    QuantileBetween,
    SegmentVolume,
    ValueShare,
)

__all__ = ["refuse_input", "refuse_output", "template"]

Read: TypeAlias = Callable[[str], bytes]

_DIRECTIONS = ("from feet to head", "from front to back", "from right to left")
_STRANGE = "does not look like what the model was made for"


def refuse_input(guards: Sequence[Guard], source: Source, read: Read) -> None:
    """Raise NotSuitable for the first of `guards` that `source` breaks; those of the output are passed over.

    `read` gives a file of the package. Raises ConfigurationError where a guard's file is no template for such a source,
    or where the guard is for volumes alone, or for pictures alone.
    """
    for guard in guards:
        _refuse(guard, source, read)


def refuse_output(guards: Sequence[Guard], volumes_ml: Mapping[int, float]) -> None:
    """Raise NotSuitable where a segment's volume (`volumes_ml`, by its number) is none that it can have."""
    for guard in guards:
        if isinstance(guard, SegmentVolume):
            whole = guard.segment == 0
            found = sum(volumes_ml.values()) if whole else volumes_ml.get(guard.segment, 0.0)
            what = "all segments together have" if whole else f"segment {guard.segment} has"
            said = f"the images may not be what the model was made for, its result is implausible: {what}"
            _between(guard, said, found, (guard.least, guard.most), " ml")


def _refuse(guard: Guard, source: Source, read: Read) -> None:
    it = measures.called(source)
    match guard:
        case ValueShare(above, least, most):
            said = f"the {it} {_STRANGE}: the share of its values above {above:g} is"
            _between(guard, said, measures.share_above(source, above), (least, most))
        case QuantileBetween(quantile, least, most):
            said = f"the {it} {_STRANGE}: quantile {quantile:g} of its values is"
            _between(guard, said, measures.quantile(source, quantile), (least, most))
        case NoScreenCapture(most):
            said = f"the {it} looks like a screen capture: the share of neighbouring pixels in letters and lines is"
            _between(guard, said, measures.strokes(source), (0, most))
        case Likeness(file, least, of):
            said = f"the {it} does not look like {of}: likeness"
            _between(guard, said, correlation(source, file, read(file)), (least, 1.01))
        case Detail(least, most):
            said = f"the {it} has not the structure of a living body, a phantom perhaps: detail"
            _between(guard, said, measures.detail(source), (least, most))
        case Enclosed(below, least, most):
            hu = " HU" if below < 0 else ""  # no other unit of a volume puts air below zero
            said = f"the {it} {_STRANGE}: what lies below {below:g}{hu} inside the body has"
            _between(guard, said, measures.enclosed(source, below), (least, most), " ml")
        case Extent():
            _refuse_extent(guard, source)
        case SegmentVolume():  # of the output
            pass
        case _:
            assert_never(guard)


def _refuse_extent(guard: Extent, source: Source) -> None:
    lengths = measures.extent(source)
    for way, mm, least, most in zip(_DIRECTIONS, lengths, guard.least, guard.most, strict=True):
        if mm is not None:
            _between(guard, f"the {measures.called(source)} measures {way}", mm, (least, most), " mm")


def _between(guard: Check, said: str, found: float, limits: tuple[float, float], unit: str = "") -> None:
    """Raise unless `found` lies between `limits`; what is not a number does not."""
    least, most = limits
    over, under = COMPUTED.above(found, most), COMPUTED.below(found, least)
    if over or under or isnan(found):
        wanted = f"at most {_figure(most)}{unit} is accepted" if over else f"at least {_figure(least)}{unit} is wanted"
        raise NotSuitable(f"{said} {_figure(found)}{unit}, {wanted} (check {guard.word})")


def _figure(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:z.3g}"
