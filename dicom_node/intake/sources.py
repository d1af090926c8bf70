"""A data set that is walked through as often as is needed, at hand or in pieces that are given anew each time.

All walks over it together take no more than `elements.MOST_STEPS`.
"""

from collections.abc import Collection, Iterator

from dicom_node import elements
from dicom_node.elements import Course, Element
from dicom_node.intake import inside
from dicom_node.streamed import Pieces, Streamed, TooLong
from dicom_node.value_representations import Data

_PIECE = 1 << 20
# An element has eight bytes at least, and is met three times at most: what takes more has sequences that overlap.
_FREE_STEPS, _BYTES_OF_A_STEP = 1 << 18, 2


class Held:
    """The data set that `data` has from `begins` on; nothing behind `last` has to be there."""

    def __init__(self, data: Data, transfer_syntax: str, begins: int, last: int) -> None:
        self.data: Data | Streamed = data
        self._given = data, transfer_syntax, begins
        self._last = last
        self._steps = elements.steps(_FREE_STEPS + (len(data) - begins) // _BYTES_OF_A_STEP)

    def walk(self) -> Iterator[Element]:
        """Begins a walk over it."""
        data, transfer_syntax, begins = self._given
        return elements.walk(data, transfer_syntax, self._last, (), begins, course=Course(self._steps))

    def inside(self, offsets: Collection[int]) -> Iterator[Element]:
        """Begins a walk over what the sequences hold that are looked into, which stand at `offsets`."""
        return inside.found(*self._given, offsets, self._steps)


class InPieces:
    """The one that `pieces` give; `data` is of the walk that was begun last.

    `steps` are what all walks may take, where that is less than elsewhere. With `needed`, a walk ends behind these tags
    and `last`, with the first that is higher.
    """

    data: Data | Streamed

    def __init__(
        self,
        pieces: Pieces,
        transfer_syntax: str,
        last: int,
        needed: Collection[int] = (),
        steps: Iterator[int] | None = None,
    ) -> None:
        self._pieces, self._syntax, self._last, self._needed = pieces, transfer_syntax, last, needed
        self._steps = steps or elements.steps()

    def walk(self) -> Iterator[Element]:
        """As Held."""
        begun = self._begun()
        walk = begun.walk(self._last)
        return self._head(walk) if self._needed else _to_the_end(walk, begun)

    def inside(self, offsets: Collection[int]) -> Iterator[Element]:
        """As Held."""
        return _as_far_as(max(offsets), self._begun().walk(-1, inside.SEQUENCES))

    def _begun(self) -> Streamed:
        self.data = data = Streamed(self._pieces(), self._syntax, self._steps)
        return data

    def _head(self, walk: Iterator[Element]) -> Iterator[Element]:
        missing = set(self._needed)
        for element in walk:
            yield element
            missing.discard(element[1])
            if not (missing or element[0]) and element[1] > self._last:
                return


def _as_far_as(last: int, walk: Iterator[Element]) -> Iterator[Element]:
    """The walk, to where the element ends that stands at `last`: the rest would only be inflated once more."""
    for element in walk:
        if not element[0] and element[1] not in inside.SEQUENCES and element[2] > last:
            return
        yield element


def _to_the_end(walk: Iterator[Element], data: Streamed) -> Iterator[Element]:
    """The walk; where it is given up for its length, whether it was cut short can be told by its end all the same."""
    try:
        yield from walk
    except TooLong:
        data.leave()
        raise


def pieces(data: Data, begins: int) -> Iterator[bytes]:
    """The data set that `data` has from `begins` on, as pieces."""
    return (data[at : at + _PIECE] for at in range(begins, len(data), _PIECE))
