"""Data sets as bytes: their elements in file order (PS3.5 section 7), without building a data set.

The one walker of the node. It decodes no value, keeps its own stack instead of calling itself, and reads on where the
next element can still be told: a VR that it does not know, tags out of order, padding or nothing where a delimiter is
due, a second file meta before the data set. Where it cannot, it names the element. All walks over one data set share so
many steps, since an empty element is sent faster than it is told.
"""

import struct
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice

from dicom_node import value_representations
from dicom_node.value_representations import LONG, SHORT, UNDEFINED, Data
from domain.errors import Permanent, UnusableInput

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

Path = tuple[int, ...]
# The sequences that lead to it, its tag, and where its value begins and ends.
Element = tuple[Path, int, int, int]

ITEM = 0xFFFE_E000
_ITEM_END, _SEQUENCE_END = 0xFFFE_E00D, 0xFFFE_E0DD
# Elements, items, fragments and delimiters of one data set, each time that it is walked through: functional groups of a
# hundred thousand frames, and fragments of a slide of a million tiles, are within it.
MOST_STEPS = 1 << 23
_TO_TRY_OUT = 8
_HIGHEST = 0xFFFF_FFFF
_PIXELS = (0x7FE0_0010, 0x7FE0_0008, 0x7FE0_0009)
# Sequences nest a handful deep in real data; beyond this a file is built to exhaust a parser.
_DEEPEST = 32
# An end that no data set reaches: of sequences and items of undefined length, which their delimiters end.
_OPEN = 1 << 62
_PADDING = bytes(8)
_HEAD = 8
_META = b"\x02\x00"
_META_MOST = 64

_DELIMITERS = {"<": b"\xfe\xff", ">": b"\xff\xfe"}
_EXPLICIT = {order: struct.Struct(f"{order}HH2sH") for order in "<>"}
_IMPLICIT = {order: struct.Struct(f"{order}HHI") for order in "<>"}
_LENGTH = {order: struct.Struct(f"{order}I") for order in "<>"}


class NoFileMeta(UnusableInput):
    """The bytes given are none of a Part 10 file."""


class OutOfData(UnusableInput):
    """The bytes given end within an element, or before a sequence does."""


class Remainder(OutOfData):
    """Behind the last element fewer bytes are left than the head of another has."""


class Unsound(Permanent):
    """Nobody shall go on with the elements that were given before."""


class Doubtful(Unsound):
    """Which sequence one of them belongs to cannot be told."""


class TooManyElements(Unsound):
    """There are more than are walked through."""

    def __init__(self) -> None:
        super().__init__("it has more elements than are read, with items and delimiters")


def steps(most: int | None = None) -> Iterator[int]:
    """What all walks over one data set may take together: `most`, where that is less than any may take."""
    return iter(range(MOST_STEPS if most is None else min(most, MOST_STEPS)))


@dataclass(slots=True)
class Course:
    """What is known where a walk ends, and the next over the same data set goes on: how many `steps` are left to take,
    and, in `doubt`, which sequence may have gone on behind what was taken for its end.
    """

    steps: Iterator[int] = field(default_factory=steps)
    doubt: str = ""


def walk(
    data: Data,
    transfer_syntax: str,
    last: int = _HIGHEST,
    into: Collection[int] = frozenset(),
    begins: int = 0,
    explicit: bool | None = None,
    openings: bool = False,
    course: Course | None = None,
) -> Iterator[Element]:
    """Every element of the data set that `data` has from `begins` on; nested ones of sequences of undefined length too.

    Sequences whose tag is in `into` are always walked through, and give an ITEM for each of their items, as compressed
    pixels do for each of their fragments, the offset table first. An element above `last` is given even where `data`
    ends within its value. Inflate a deflated data set first. `explicit` is whether elements have a VR, where that is
    known, as in the middle of a data set. With `openings` each sequence that is walked through is given too, before
    what it holds; one of undefined length ends at 0. Raises OutOfData where `data` ends too early, UnusableInput where
    the next element cannot be told.
    """
    order = ">" if transfer_syntax == EXPLICIT_BIG else "<"
    at = begins
    if explicit is None:
        at, explicit = beginning(data, begins)
    return _Walk(data, order, last, into, openings, course or Course()).elements(at, explicit)


def beginning(data: Data, begins: int = 0) -> tuple[int, bool]:
    """Where the first element of a data set is that may begin with a file meta, and whether it has a VR.

    Senders exist whose data set is implicit whatever they agreed on; the bytes decide, as in every reader.
    """
    at = _behind_meta(data, begins)
    vr = data[at + 4 : at + 6]
    return at, vr.isalpha() and vr.isupper()


def file_meta(data: bytes) -> tuple[dict[int, bytes], int]:
    """The elements of group 0002 of a Part 10 file (PS3.10 7.1) by element number, and where its data set begins.

    `data` is the file or its beginning. Raises OutOfData where that is too short, NoFileMeta where it is none.
    """
    if data[128:132] != b"DICM":
        raise NoFileMeta("it is not a DICOM Part 10 file")
    found: dict[int, bytes] = {}
    at = 132
    while data[at : at + 2] == _META:
        number, start, end = _meta_element(data, at)
        if end > len(data):
            raise OutOfData("its file meta is damaged: it has no end")
        found[number], at = data[start:end], end
    return found, at


def tag_name(tag: int) -> str:
    """A tag as the standard writes it: (0020,000D)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


# A data set or item, whose content is elements, or a sequence of items: the sequences that lead to it, its end, whether
# it holds items, and how its elements are encoded (byte order; with VRs or without).
_Level = tuple[Path, int, bool, str, bool]


class _Walk:
    """One walk over `data`."""

    def __init__(
        self, data: Data, order: str, last: int, into: Collection[int], openings: bool, course: Course
    ) -> None:
        self._data = data
        self._last = last
        self._into = into
        self._openings = openings
        self._order = order
        self._levels: list[_Level] = []  # what encloses the present one, the outermost first
        self._course = course

    def elements(self, at: int, explicit: bool) -> Iterator[Element]:  # noqa: C901, PLR0912 - one hot loop
        """As `walk`. A call for each element would double what an instance costs; what builds levels is called."""
        data, size, last, into, levels = self._data, len(self._data), self._last, self._into, self._levels
        short, undefined, steps = SHORT, UNDEFINED, self._course.steps
        level: _Level = (), size, False, self._order, explicit
        tag = 0
        try:
            while True:
                path, end, items, order, explicit = level
                unpack = (_EXPLICIT if explicit else _IMPLICIT)[order].unpack_from
                for _ in steps:
                    if at >= end:
                        break
                    before = tag
                    if explicit:
                        group, number, vr, length = unpack(data, at)
                    else:
                        group, number, length, vr = *unpack(data, at), b""
                    tag, start = group << 16 | number, at + 8
                    if group == 0xFFFE or (explicit and vr not in short):
                        length, start = _length(data, at, tag, vr, order, steps)
                    if (
                        items
                        or group == 0xFFFE
                        or length == undefined
                        or not (tag or length)
                        or (tag in into and length)
                    ):
                        break
                    at = start + length
                    if at > size and tag <= last:
                        raise OutOfData(f"the data set ends within {tag_name(tag)}")
                    yield path, tag, start, at
                else:
                    raise TooManyElements
                if at >= end:
                    if not levels:
                        return
                    level = levels.pop()
                    continue
                if items and tag == ITEM:
                    if path[-1] in _PIXELS and length != undefined:
                        yield path, ITEM, start, start + length
                    if path[-1] in into:
                        yield path, ITEM, start, start
                    level, at = self._item(level, start, length)
                elif group == 0xFFFE or not (tag or length):
                    level, at = self._delimited(level, tag, start), start
                elif items:
                    # An element where an item or the end is due: it belongs to what encloses the sequence, or is none
                    # where that has a length.
                    level, tag, at = levels.pop(), before, at if end == _OPEN else end
                else:
                    if (ends := self._ends(tag, start, length)) is not None:
                        yield path, tag, start, ends
                    level, at = self._sequence(level, tag, vr, start, length), start
        except struct.error:
            if not levels and not any(data[at : at + _HEAD]):
                return  # padding of a few bytes, as behind a value of odd length
            kind = OutOfData if levels or len(data) - at >= _HEAD else Remainder
            raise kind(f"the data set ends within what follows {tag_name(tag)}") from None

    def _ends(self, tag: int, start: int, length: int) -> int | None:
        """Where a sequence ends that is given before what it holds; None for one that is not."""
        if tag in _PIXELS and tag > self._last:
            return len(self._data)
        return (0 if length == UNDEFINED else start + length) if self._openings else None

    def _delimited(self, level: _Level, tag: int, start: int) -> _Level:
        """The level behind a delimiter, or behind zeroes where one is due; what follows stands at `start`.

        That of a sequence ends an item that lacks its own too. A stray one ends nothing: in the data set itself, or
        where the length says how far it goes.
        """
        _, end, items, order, _ = level
        if tag == ITEM:
            raise UnusableInput("not a data set: it holds an item outside of a sequence")
        if tag == _ITEM_END and items:
            return level
        if end != _OPEN:
            if tag and self._course.doubt:
                raise Doubtful(f"what belongs to {self._course.doubt} cannot be told by its delimiters")
            return level
        sequence_too = tag == _SEQUENCE_END and not items and self._levels[-1][1] == _OPEN
        if sequence_too or (not tag and self._goes_on(start, items, order)):
            self._course.doubt = self._course.doubt or tag_name(level[0][-1])
        for _ in range(2 if sequence_too else 1):
            level = self._levels.pop()
        return level

    def _goes_on(self, at: int, items: bool, order: str) -> bool:
        """Whether zeroes before `at` may be padding, and no delimiter, of a sequence of items or of an item.

        Behind the end of an item is another or a delimiter, behind that of a sequence is an element.
        """
        following = self._data[at : at + _HEAD]
        if len(following) < _HEAD:
            return False
        return following == _PADDING or (following[:2] == _DELIMITERS[order]) == items

    def _item(self, level: _Level, start: int, length: int) -> tuple[_Level, int]:
        """The level of an item's elements and where they begin, or what is behind one that is not walked through."""
        path, _, _, order, explicit = level
        if length != UNDEFINED and path[-1] not in self._into:
            return level, start + length
        self._levels.append(level)
        return (path, _OPEN if length == UNDEFINED else start + length, False, order, explicit), start

    def _sequence(self, level: _Level, tag: int, vr: bytes, start: int, length: int) -> _Level:
        """The level of a sequence's items."""
        path, _, _, order, explicit = level
        if len(self._levels) >= _DEEPEST:
            raise UnusableInput(f"sequences nest too deep at {tag_name(tag)}")
        self._levels.append(level)
        if vr == b"UN":  # its items are implicit VR little endian, whatever surrounds them (PS3.5 6.2.2)
            order, explicit = "<", False
        return (*path, tag), (_OPEN if length == UNDEFINED else start + length), True, order, explicit


def _length(data: Data, at: int, tag: int, vr: bytes, order: str, steps: Iterator[int]) -> tuple[int, int]:
    """Length and start of a value that is no short one: of an item or delimiter, a long VR, or one that is none.

    What has to be tried out takes as long as a number of `steps`, and takes these.
    """
    if tag >> 16 == 0xFFFE:
        return _LENGTH[order].unpack_from(data, at + 4)[0], at + 8
    if vr in LONG:
        return _LENGTH[order].unpack_from(data, at + 8)[0], at + 12
    if data[at : at + _HEAD] == _PADDING:
        return 0, at + _HEAD
    deque(islice(steps, _TO_TRY_OUT), 0)
    if told := value_representations.odd(data, at, tag, vr, order):
        return told
    raise UnusableInput(f"{tag_name(tag)} has no value representation that is known, and its length cannot be told")


def _behind_meta(data: Data, at: int) -> int:
    """Where the data set begins: group 0002 does not belong to it (PS3.5 7.1), and some senders put it there."""
    for _ in range(_META_MOST):
        if data[at : at + 2] != _META or not data[at + 4 : at + 6].isupper():
            break
        _, _, at = _meta_element(data, at)
    return at


def _meta_element(data: Data, at: int) -> tuple[int, int, int]:
    """Number, start and end of a file meta element, which is explicit VR little endian (PS3.10 7.1)."""
    try:
        _, number, vr, length = _EXPLICIT["<"].unpack_from(data, at)
        if vr not in LONG:
            return number, at + 8, at + 8 + length
        return number, at + 12, at + 12 + _LENGTH["<"].unpack_from(data, at + 8)[0]
    except struct.error:
        raise OutOfData("its file meta is damaged: it has no end") from None
