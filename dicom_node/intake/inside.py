"""What stands in the sequences that somebody reads: each attribute once in an item, and as long as it is counted.

What stands in others is copied or left, and read by nobody here.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_description

from dicom_node import elements
from dicom_node.elements import ITEM, Course, Element, Path
from dicom_node.intake import contents
from dicom_node.intake.repeated import Met, said
from dicom_node.streamed import Streamed
from dicom_node.value_representations import Data
from domain.errors import UnusableInput

# Those that the worker, the pages and the reports take values from: functional groups, tables of values, the drug of a
# PET, and what identifies.
_READ = frozenset(
    (
        *(0x5200_9229, 0x5200_9230, 0x0020_9111, 0x0020_9113, 0x0020_9116, 0x0028_9110, 0x0028_9145, 0x0028_9132),
        *(0x0028_3000, 0x0028_3010, 0x0054_0016, 0x0010_1002, 0x0008_1110, 0x0008_1120, 0x0008_0051),
    )
)
SEQUENCES = _READ | contents.SEQUENCES
_MOST_READ = 1 << 16  # bytes of a count


@dataclass(slots=True)
class _Item:
    met: Met
    values: dict[int, bytes] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)


def found(
    data: Data, transfer_syntax: str, begins: int, offsets: Iterable[int], steps: Iterator[int]
) -> Iterator[Element]:
    """What the sequences hold that stand at `offsets` in the data set that `data` has from `begins` on, and they."""
    explicit = elements.beginning(data, begins)[1]
    come = 0
    for at in sorted(offsets):
        if at < come:
            continue  # it followed the one before
        course = Course(steps)
        with suppress(UnusableInput):  # who reads it has told
            for element in elements.walk(data, transfer_syntax, -1, SEQUENCES, at, explicit, True, course):
                if not element[0]:
                    if element[1] not in SEQUENCES:
                        break
                    come = element[2]
                yield element


def judged(walk: Iterator[Element], data: Data | Streamed, big: bool) -> tuple[str, str]:
    """What stands twice with different values in an item or the data set itself, and what is shorter than counted."""
    items: dict[Path, _Item] = {(): _Item(Met(data))}
    short = ""
    with suppress(UnusableInput):
        for path, tag, start, end in walk:
            if path and path[-1] not in SEQUENCES:
                continue
            if tag == ITEM:
                short = short or _shortfall(path, items.get(path), big)
                items[path] = _Item(Met(data))
            elif (item := items.get(path)) and (path or tag in SEQUENCES):
                if not item.met.same(tag, start, end):
                    return said(tag, f" in an item of {dictionary_description(path[-1])}" if path else ""), ""
                if tag in contents.VALUES:
                    item.lengths[tag] = end - start
                elif tag in contents.COUNTS and end - start <= _MOST_READ:
                    item.values[tag] = data[start:end]
    return "", next(filter(None, (short, *(_shortfall(path, one, big) for path, one in items.items()))), "")


def _shortfall(path: Path, item: _Item | None, big: bool) -> str:
    return contents.shortfall(path, item.values, item.lengths, big) if item and item.lengths else ""
