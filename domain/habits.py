"""How a sender sends: what its studies showed, as far as completeness needs it. Pure functions.

Nothing in DICOM says that an association brings all of a study, and many senders use several: one for each image, one
for each series, some in parallel. What a sender did is the best guess at what it does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

#: So many studies of a sender have to be seen before it is known how it sends.
KNOWN = 5
#: With each study that shows none as long, what is kept of an earlier pause is so much of it: habits change.
FADES = 0.9

Caller = tuple[str, str]  # AE title and address


@dataclass(frozen=True)
class Span:
    """The first and the last moment at which an association of a caller brought something of a study.

    Both are by the clock of the host that received it.
    """

    caller: Caller
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Habit:
    """What `studies` that were seen for the first time showed of a caller, and the longest `pause` (s) of all seen."""

    studies: int = 0
    pause: float = 0.0


def habits(seen: Iterable[tuple[Iterable[Span], bool]], most: float) -> Mapping[Caller, Habit]:
    """What studies show of their callers: of each its associations, and whether it was not complete before."""
    found: dict[Caller, Habit] = {}
    for spans, new in seen:
        for caller, pause in pauses(spans, most).items():
            known = found.get(caller, Habit())
            found[caller] = Habit(known.studies + new, max(known.pause, pause))
    return found


def pauses(spans: Iterable[Span], most: float) -> Mapping[Caller, float]:
    """The longest time (s) between two associations by which a caller brought one study; 0 where there was none.

    What lies further apart than `most` was no pause: no wait would have bridged it, and what came then came late.
    """
    ordered = sorted(spans, key=lambda one: (one.caller, one.first, one.last))
    return {caller: _longest(of_one, most) for caller, of_one in groupby(ordered, key=lambda one: one.caller)}


def _longest(spans: Iterable[Span], most: float) -> float:
    longest, until = 0.0, None
    for one in spans:
        if until is not None and longest < (between := (one.first - until).total_seconds()) <= most:
            longest = between
        until = one.last if until is None else max(until, one.last)
    return longest
