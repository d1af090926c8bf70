"""Whether anything seems to be missing between the images of a series that came. A pure function.

No gap is no proof that all came: nobody can see that the last slices are missing. It is evidence beside what is known
of the sender (domain.completeness).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domain.layout import Plane, lay_out

_UNNUMBERED = "images of a series have no number"
_SINGLE = "a single slice tells nothing of its series"


@dataclass(frozen=True)
class Placed:
    """An instance: its Instance Number and where its single frame lies, each None where it does not say.

    `scout` says that it is a localizer, and lies across the others.
    """

    number: int | None
    plane: Plane | None = None
    scout: bool = False


def gap(images: Sequence[Placed]) -> str:
    """What seems to be missing of the series that has these images, or why that cannot be told; empty if nothing."""
    return _of_numbers([one.number for one in images]) or _of_planes(images)


def _of_numbers(numbers: Sequence[int | None]) -> str:
    """Image numbers begin with 1, or 0, where all are there (PS3.3 C.7.6.1 leaves them to the modality)."""
    known = {one for one in numbers if one is not None}
    if len(numbers) > sum(one is not None for one in numbers) or not known:
        return _UNNUMBERED
    first, last = min(known), max(known)
    if first not in (0, 1):
        return f"the first image of a series has number {first}"
    missing = last - first + 1 - len(known)
    if missing:
        return (
            f"{missing:,} of the image numbers {first} to {last} of a series {'is' if missing == 1 else 'are'} missing"
        )
    return ""


def _of_planes(images: Sequence[Placed]) -> str:
    """Of phases, echoes and repeats each position has equally many, and one of each makes the stack."""
    slices = [one.plane for one in images if one.plane and not one.scout]
    if len(slices) == 1:
        return _SINGLE
    repeats = Counter(tuple(one.position) for one in slices)
    if len(set(repeats.values())) > 1:
        return "the positions of a series have not equally many images"
    stack = list({tuple(one.position): one for one in slices}.values())
    if len(stack) < 2:
        return ""  # radiographs, scouts, images of many frames, and repeats of one slice have their numbers alone
    layout = lay_out(stack)
    if layout.faults:
        return f"whether slices of a series are missing cannot be told: {layout.faults[0]}"
    return f"of the slices of a series {layout.missing:,} seem to be missing" if layout.missing else ""
