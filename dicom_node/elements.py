"""Data sets as bytes: their elements in file order (PS3.5 section 7), without building a data set.

The one walker of the node. It decodes no value, keeps its own stack instead of calling itself, and reads on where the
next element can still be told: a VR that it does not know, tags out of order, padding or nothing where a delimiter is
due, a second file meta before the data set. Where it cannot, it names the element.
"""

import mmap
import struct
import zlib
from collections.abc import Collection, Iterator

from domain.errors import UnusableInput

DEFLATED = "1.2.840.10008.1.2.1.99"
# Bytes that deflate makes of one at the most (RFC 1951: 258 of two bits).
MOST_INFLATED = 1032
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

# Bytes that are at hand, or those of a file that need not all be read.
Data = bytes | mmap.mmap
Path = tuple[int, ...]
# The sequences that lead to it, its tag, and where its value begins and ends.
Element = tuple[Path, int, int, int]

ITEM = 0xFFFE_E000
_ITEM_END, _SEQUENCE_END = 0xFFFE_E00D, 0xFFFE_E0DD
_UNDEFINED = 0xFFFF_FFFF
_HIGHEST = 0xFFFF_FFFF
# VRs whose length takes two bytes; those of table 7.1-1 and all that will ever be added take four (PS3.5 7.1.2).
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_PIXELS = (0x7FE0_0010, 0x7FE0_0008, 0x7FE0_0009)
# Sequences nest a handful deep in real data; beyond this a file is built to exhaust a parser.
_DEEPEST = 32
# An end that no data set reaches: of sequences and items of undefined length, which their delimiters end.
_OPEN = 1 << 62
_PADDING = bytes(8)
_HEAD = 8
_PIECE = 1 << 20
_META = b"\x02\x00"
_META_MOST = 64

_EXPLICIT = {order: struct.Struct(f"{order}HH2sH") for order in "<>"}
_IMPLICIT = {order: struct.Struct(f"{order}HHI") for order in "<>"}
_LENGTH = {order: struct.Struct(f"{order}I") for order in "<>"}


class NoFileMeta(UnusableInput):
    """The bytes given are none of a Part 10 file."""


class OutOfData(UnusableInput):
    """The bytes given end within an element, or before a sequence does."""


def walk(
    data: Data,
    transfer_syntax: str,
    last: int = _HIGHEST,
    into: Collection[int] = frozenset(),
    begins: int = 0,
    explicit: bool | None = None,
    openings: bool = False,
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
    return _Walk(data, order, last, into, openings).elements(at, explicit)


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


def inflated(data: bytes, most: int) -> bytes:
    """The first `most` bytes of a deflated data set (PS3.5 A.5), or what there is of them; raises UnusableInput."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    except zlib.error as error:
        raise UnusableInput(f"not a deflated data set: {error}") from error


def inflated_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A deflated data set piece by piece; raises OutOfData where it has no end, UnusableInput where it is none."""
    stream, begun = zlib.decompressobj(-zlib.MAX_WBITS), False
    try:
        while not stream.eof:
            given = stream.unconsumed_tail or next(pieces, b"")
            if made := stream.decompress(given, _PIECE):
                begun = True
                yield made
            elif not given:
                raise OutOfData("the deflated data set has no end")
    except zlib.error as error:
        if begun:
            raise OutOfData(f"the deflated data set is damaged: {error}") from error
        raise UnusableInput(f"not a deflated data set: {error}") from error


def tag_name(tag: int) -> str:
    """A tag as the standard writes it: (0020,000D)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


# A data set or item, whose content is elements, or a sequence of items: the sequences that lead to it, its end, whether
# it holds items, and how its elements are encoded (byte order; with VRs or without).
_Level = tuple[Path, int, bool, str, bool]


class _Walk:
    """One walk over `data`."""

    def __init__(self, data: Data, order: str, last: int, into: Collection[int], openings: bool) -> None:
        self._data = data
        self._last = last
        self._into = into
        self._openings = openings
        self._order = order
        self._levels: list[_Level] = []  # what encloses the present one, the outermost first

    def elements(self, at: int, explicit: bool) -> Iterator[Element]:  # noqa: C901, PLR0912 - one hot loop
        """As `walk`. A call for each element would double what an instance costs; what builds levels is called."""
        data, size, last, into, levels = self._data, len(self._data), self._last, self._into, self._levels
        short, undefined = _SHORT, _UNDEFINED
        level: _Level = (), size, False, self._order, explicit
        tag = 0
        try:
            while True:
                path, end, items, order, explicit = level
                unpack = (_EXPLICIT if explicit else _IMPLICIT)[order].unpack_from
                while at < end:
                    before = tag
                    if explicit:
                        group, number, vr, length = unpack(data, at)
                    else:
                        group, number, length, vr = *unpack(data, at), b""
                    tag, start = group << 16 | number, at + 8
                    if group == 0xFFFE or (explicit and vr not in short):
                        length, start = _length(data, at, tag, vr, order)
                    if (
                        items
                        or group == 0xFFFE
                        or length == _UNDEFINED
                        or not (tag or length)
                        or (tag in into and length)
                    ):
                        break
                    at = start + length
                    if at > size and tag <= last:
                        raise OutOfData(f"the data set ends within {tag_name(tag)}")
                    yield path, tag, start, at
                else:
                    if not levels:
                        return
                    level = levels.pop()
                    continue
                if items and tag == ITEM:
                    if path[-1] in _PIXELS and length != undefined:
                        yield path, ITEM, start, start + length
                    wanted = path[-1] in into
                    if wanted:
                        yield path, ITEM, start, start
                    if wanted or length == undefined:
                        levels.append(level)
                        level = path, _OPEN if length == undefined else start + length, False, order, explicit
                        at = start
                    else:
                        at = start + length
                elif group == 0xFFFE or not (tag or length):
                    level, at = self._delimited(level, tag), start
                elif items:
                    # An element where an item or the end is due: it belongs to what encloses the sequence.
                    level, tag = levels.pop(), before
                else:
                    if (ends := self._ends(tag, start, length)) is not None:
                        yield path, tag, start, ends
                    level, at = self._sequence(level, tag, vr, start, length), start
        except struct.error:
            if not levels and not any(data[at : at + _HEAD]):
                return  # padding of a few bytes, as behind a value of odd length
            raise OutOfData(f"the data set ends within what follows {tag_name(tag)}") from None

    def _ends(self, tag: int, start: int, length: int) -> int | None:
        """Where a sequence ends that is given before what it holds; None for one that is not."""
        if tag in _PIXELS and tag > self._last:
            return len(self._data)
        return (0 if length == _UNDEFINED else start + length) if self._openings else None

    def _delimited(self, level: _Level, tag: int) -> _Level:
        """The level behind a delimiter, or behind zeroes where one is due.

        That of a sequence ends an item that lacks its own too; a stray one of the data set itself ends nothing.
        """
        items = level[2]
        if tag == ITEM:
            raise UnusableInput("not a data set: it holds an item outside of a sequence")
        if tag == _ITEM_END and items:
            return level
        for _ in range(min(2 if tag == _SEQUENCE_END and not items else 1, len(self._levels))):
            level = self._levels.pop()
        return level

    def _sequence(self, level: _Level, tag: int, vr: bytes, start: int, length: int) -> _Level:
        """The level of a sequence's items."""
        path, _, _, order, explicit = level
        if len(self._levels) >= _DEEPEST:
            raise UnusableInput(f"sequences nest too deep at {tag_name(tag)}")
        self._levels.append(level)
        if vr == b"UN":  # its items are implicit VR little endian, whatever surrounds them (PS3.5 6.2.2)
            order, explicit = "<", False
        return (*path, tag), (_OPEN if length == _UNDEFINED else start + length), True, order, explicit


def _length(data: Data, at: int, tag: int, vr: bytes, order: str) -> tuple[int, int]:
    """Length and start of a value that is no short one: of an item or delimiter, a long VR, or one that is none."""
    if tag >> 16 == 0xFFFE:
        return _LENGTH[order].unpack_from(data, at + 4)[0], at + 8
    if vr in _LONG:
        return _LENGTH[order].unpack_from(data, at + 8)[0], at + 12
    return (0, at + 8) if data[at : at + 8] == _PADDING else _odd_vr(data, at, tag, vr, order)


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
        if vr not in _LONG:
            return number, at + 8, at + 8 + length
        return number, at + 12, at + 12 + _LENGTH["<"].unpack_from(data, at + 8)[0]
    except struct.error:
        raise OutOfData("its file meta is damaged: it has no end") from None


def _odd_vr(data: Data, at: int, tag: int, vr: bytes, order: str) -> tuple[int, int]:
    """Length and start of the value of an element whose VR is none of PS3.5 6.2: the reading that an element follows.

    Two capitals are a VR of the future, which has the long form, or a slip in the short one; anything else is a VR left
    blank, or an implicit element among explicit ones.
    """
    short = struct.unpack_from(f"{order}H", data, at + 6)[0], at + 8
    capitals = vr.isalpha() and vr.isupper()
    other = (at + 12, at + 8) if capitals else (at + 8, at + 4)
    long = _LENGTH[order].unpack_from(data, other[1])[0], other[0]
    readings = [one for one in ((long, short) if capitals else (short, long)) if one[0] != _UNDEFINED]
    for follows in (_a_known_element_follows, _an_element_follows):
        for length, start in readings:
            if follows(data, start + length, tag, order):
                return length, start
    raise UnusableInput(f"{tag_name(tag)} has no value representation that is known, and its length cannot be told")


def _a_known_element_follows(data: Data, at: int, tag: int, order: str) -> bool:
    known = data[at + 4 : at + 6] in _SHORT | _LONG
    return at == len(data) or (known and _an_element_follows(data, at, tag, order))


def _an_element_follows(data: Data, at: int, tag: int, order: str) -> bool:
    if at + 8 > len(data):
        return at == len(data)
    group, number = struct.unpack_from(f"{order}HH", data, at)
    return bool((group << 16 | number) > tag)
