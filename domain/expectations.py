"""What was said is to come of a study or a series, and what that comes to once so much is there. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Expectation:
    """What somebody says is to come, of a study, or of the series that it stands with.

    `source` is who, as it stands in a reason: "the sender says", "ARCHIVE says", "MPPS". `instances` and `series` are
    how many, None where that was not said. `present` is how many are here of the instances that it names one by one,
    None where it names none. `varies` says that the number was another one before: it may follow what was sent.
    `ended` says that what it names is all that it will: it is not what was there at that moment.
    """

    source: str
    instances: int | None = None
    series: int | None = None
    present: int | None = None
    varies: bool = False
    ended: bool = True

    def arrived(self, came: int) -> int:
        """How many are there of those that it expects, where `came` are in all."""
        return came if self.present is None else self.present

    def lacks(self, came: int) -> int:
        """How many of its instances are missing, where `came` are there."""
        return max(0, (self.instances or 0) - self.arrived(came))

    def counted(self, came: int) -> bool:
        """Whether it gave a number, always the same, and just as many came."""
        return self.present is None and self.instances == came and not self.varies

    def named_all(self) -> bool:
        """Whether it named instances, and all of them are there."""
        return bool(self.instances) and self.present == self.instances

    def contradicted(self, came: int) -> bool:
        """Whether more came than it said, so that it says nothing any more."""
        return self.present is None and self.instances is not None and came > self.instances


def images(number: int) -> str:
    """So many images, as a reason says it."""
    return f"{number:,} image" if number == 1 else f"{number:,} images"


def lacking(expected: Sequence[Expectation], came: int) -> str:
    """What is missing, by who expects the most: "120 of 130 images came (MPPS), 10 are missing"; empty if nothing."""
    worst = max(expected, key=lambda one: one.lacks(came), default=None)
    if worst is None or not (missing := worst.lacks(came)):
        return ""
    return _lacking(worst.arrived(came), missing, worst.source)


def lacking_of_series(series: Sequence[tuple[Sequence[Expectation], int]]) -> str:
    """As `lacking`, of several series together, each with what was expected of it and how many came."""
    worst = [(max(expected, key=lambda one: one.lacks(came)), came) for expected, came in series if expected]
    short = [(one, came) for one, came in worst if one.lacks(came)]
    if not short:
        return ""
    sources = " and ".join(dict.fromkeys(one.source for one, _ in short))
    arrived, missing = sum(one.arrived(came) for one, came in short), sum(one.lacks(came) for one, came in short)
    return _lacking(arrived, missing, sources, " of a series" if len(short) == 1 else f" of {len(short)} series")


def lacking_series(expected: Sequence[Expectation], here: int) -> str:
    """As `lacking`, where the number of series was said and `here` are there."""
    worst = max(expected, key=lambda one: one.series or 0, default=None)
    if worst is None or not worst.series or worst.series <= here:
        return ""
    return f"{here} of {worst.series} series came ({worst.source})"


def contradiction(expected: Sequence[Expectation], came: int) -> str:
    """Who said less than came, with a comma before it; empty where nobody did."""
    void = next((one for one in expected if one.contradicted(came)), None)
    return f", more than the {void.instances:,} that were expected ({void.source})" if void else ""


def _lacking(arrived: int, missing: int, source: str, where: str = "") -> str:
    are = "1 is missing" if missing == 1 else f"{missing:,} are missing"
    return f"{arrived:,} of {images(arrived + missing)}{where} came ({source}), {are}"
