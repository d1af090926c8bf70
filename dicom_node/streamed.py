"""A data set that comes in pieces, walked through without being held: a long value is passed over."""

from collections.abc import Callable, Collection, Generator, Iterator

from dicom_node import deflated, elements
from dicom_node.elements import DEFLATED, Course, Element, OutOfData, tag_name
from domain.errors import UnusableInput

Pieces = Callable[[], Iterator[bytes]]
# A longer value of stated length is passed over; no attribute that the node files by has a thousandth of it.
_LONG = 1 << 20
# So much of each value, and all of a sequence of no stated length, counts as header; and how long that may be: it is
# held, and what is deflated may be made to inflate to a thousand times its size.
_COUNTED = 4096
_MOST_READ, _MOST_READ_INFLATED = 32 << 20, 4 << 20
_NO_LENGTH = b"\xff\xff\xff\xff"
_PIXELS = 0x7FE0_0010

# A tag, and where its value begins and ends.
_Value = tuple[int, int, int]


class TooLong(UnusableInput):
    """More would have to be held than any header is worth."""


class Streamed:
    """One walk over the data set in `transfer_syntax` whose bytes `pieces` give once; it takes from `steps`.

    A value is there, as the slice from its start to its end, until the walk goes on; one that was passed over is not,
    and asking for it raises TooLong; OutOfData where the data set ends within it.
    """

    def __init__(self, pieces: Iterator[bytes], transfer_syntax: str, steps: Iterator[int] | None = None) -> None:
        self._pieces = deflated.inflated(pieces) if transfer_syntax == DEFLATED else pieces
        self._syntax = transfer_syntax
        self._most = _MOST_READ_INFLATED if transfer_syntax == DEFLATED else _MOST_READ
        self._window = b""
        self._begins = 0  # where in the data set the window does
        self._done = 0  # how much of the window was walked through, to the end of an element of the data set itself
        self._read = 0  # bytes of header before what was done
        self._tag = 0
        self._steps = steps or elements.steps()
        self._doubt = ""  # of what was done
        self._into: Collection[int] = frozenset()
        self._fault: UnusableInput | None = None  # in the window, which may only be too short
        self._broken: UnusableInput | None = None  # of the pieces
        self._is_last = False

    def __len__(self) -> int:
        """How much of the data set has come."""
        return self._begins + len(self._window)

    def __getitem__(self, part: slice) -> bytes:
        start, end = part.start - self._begins, part.stop - self._begins
        if start >= 0 and end > len(self._window) and end - start <= _LONG:  # more was asked for, and none came
            raise self._broken or OutOfData(f"the data set ends within {tag_name(self._tag)}")
        if start < 0 or end > len(self._window):
            raise TooLong(f"{tag_name(self._tag)} is longer than {_LONG >> 20} MiB")
        return self._window[start:end]

    def walk(self, last: int, into: Collection[int] = frozenset()) -> Iterator[Element]:
        """As `elements.walk`, with openings where it goes `into` anything; raises TooLong too.

        What was given of a sequence that does not end in what is at hand is given once more.
        """
        self._into = into
        self._fill()
        self._done, explicit = elements.beginning(self._window)
        while True:
            beyond = yield from self._in_window(explicit)
            if self._is_last:
                return
            if beyond and (beyond[2] - beyond[1] > _LONG or not self._fill()):
                yield from self._passed_over(*beyond, last)
            elif not beyond and not self._fill():
                break
        if fault := self._broken or self._fault:
            raise fault

    def leave(self) -> None:
        """Let what is left come, unseen; raises OutOfData where it has no end."""
        while self._next():
            pass
        if self._broken:
            raise self._broken

    def _in_window(self, explicit: bool) -> Generator[Element, None, _Value | None]:
        """The elements in the window; that of the data set itself which ends behind it."""
        window, begins, self._fault = self._window, self._begins, None
        course = Course(self._steps, self._doubt)
        try:
            for path, tag, start, end in elements.walk(
                window, self._syntax, -1, self._into, self._done, explicit, bool(self._into), course
            ):
                self._tag = tag
                if not path and end > len(window):
                    return tag, begins + start, begins + end
                yield path, tag, begins + start, begins + end if end else 0
                if not path and end:
                    # Behind every header, and no part of an uncompressed data set.
                    self._is_last |= tag == _PIXELS and window[start - 4 : start] == _NO_LENGTH
                    self._read += min(end - self._done, _COUNTED)
                    self._done, self._doubt = end, course.doubt
        except UnusableInput as error:
            said = f"the data set ends within what follows {tag_name(self._tag)}"
            self._fault = type(error)(said) if isinstance(error, OutOfData) else error
        return None

    def _passed_over(self, tag: int, start: int, end: int, last: int) -> Iterator[Element]:
        if tag > last:
            yield (), tag, start, end
        self._read += _COUNTED
        while len(self) < end and (piece := self._next()):
            self._begins, self._window = len(self), piece
        here, self._done = end <= len(self), 0
        self._begins, self._window = (end, self._window[end - self._begins :]) if here else (len(self), b"")
        if tag <= last:
            if not here:
                raise self._broken or OutOfData(f"the data set ends within {tag_name(tag)}")
            yield (), tag, start, end

    def _fill(self) -> bool:
        """Whether more came behind what is left to be walked through: as much again, where nothing could be."""
        rest = self._window[self._done :]
        self._begins, self._done = self._begins + self._done, 0
        taken, missing = [rest], max(_LONG, len(rest))
        while missing > 0 and (piece := self._next()):
            taken.append(piece)
            missing -= len(piece)
        self._window = b"".join(taken)
        if len(taken) > 1 and self._read + len(rest) > self._most:
            raise TooLong(f"its header is longer than {self._most >> 20} MiB")
        return len(taken) > 1

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except UnusableInput as error:
            self._broken = error
            return b""
