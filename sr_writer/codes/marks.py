"""Letters for what is marked: the same beside a lesion, below its picture and in the table of findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from domain.findings import Region, Segment
from sr_writer.content import Content

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Mark:
    """What a letter stands for."""

    letter: str
    label: str
    colour: Colour


def letters() -> Iterator[str]:
    """A, B, ... Z, AA, AB, ..."""
    for number in count():
        yield (chr(64 + number // 26) if number >= 26 else "") + chr(65 + number % 26)


def marks(content: Content) -> dict[Segment | Region, Mark]:
    """A letter for each segment that has a voxel and each finding that is pointed at, in their order.

    A segment whose parts are pointed at one by one has none: each of them has its own.
    """
    pointed = content.findings.pointed
    parts = {one.finding for one in pointed}
    segments = [one for one in content.findings.segments if one.number in content.present and one.type not in parts]
    marked: list[Segment | Region] = [*segments, *pointed]
    return {
        one: Mark(letter, one.label, one.colour) for one, letter in zip(dict.fromkeys(marked), letters(), strict=False)
    }
