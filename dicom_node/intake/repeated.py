"""Attributes that stand twice in a data set with different values: each does once at the most (PS3.5 7.1)."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from pydicom.datadict import dictionary_description, dictionary_has_tag, repeater_has_tag

from dicom_node.elements import Element, tag_name
from dicom_node.streamed import Streamed
from dicom_node.value_representations import Data
from domain.errors import UnusableInput

# Longer values are compared where they stand.
_SHORT = 4096
_PIECE = 1 << 20
_PIXELS = 0x7FE0_0010  # behind them are signatures and padding, which no reader takes for a value

_Span = tuple[int, int]


class Met:
    """The attributes of the standard that were met in `data`, or in one item of it, and their first values.

    What is private is read by nobody here, and copied as it stands.
    """

    def __init__(self, data: Data | Streamed) -> None:
        self._data = data
        self._values: dict[int, bytes | _Span] = {}

    def same(self, tag: int, start: int, end: int) -> bool:
        """Whether an attribute has the value that it had before, where it was met before; `end` 0 is not known."""
        if tag > _PIXELS or not _is_known(tag):
            return True
        value = self._data[start:end] if 0 <= end - start <= _SHORT else (start, end)
        return _same(self._values.setdefault(tag, value), value, self._data)


@lru_cache(maxsize=1 << 17)
def _is_known(tag: int) -> bool:
    """Whether the standard has the attribute; what is private is asked after by nobody, however much of it there is."""
    if tag >> 16 & 1:
        return False
    return dictionary_has_tag(tag) or _repeats(tag >> 24, tag & 0xFFFF)


@lru_cache(maxsize=1 << 17)
def _repeats(high: int, element: int) -> bool:
    """Whether a repeating group, of those that begin so, has the element: pydicom looks through all of its patterns."""
    return bool(repeater_has_tag(high << 24 | element))


def repeated(walk: Iterator[Element], data: Data | Streamed) -> int:
    """The first attribute of the standard that stands twice with different values; 0 where none does.

    Readers differ in which of the two they take.
    """
    met = Met(data)
    with suppress(UnusableInput):  # who reads it has told
        for path, tag, start, end in walk:
            if not path and not met.same(tag, start, end):
                return tag
    return 0


def said(tag: int, where: str = "") -> str:
    """That it does, in words."""
    return f"{dictionary_description(tag)} {tag_name(tag)} is there twice{where}, with different values"


def _same(first: bytes | _Span, second: bytes | _Span, data: Data | Streamed) -> bool:
    if first is second:
        return True
    if isinstance(first, bytes) or isinstance(second, bytes) or isinstance(data, Streamed):
        return first == second
    (one, end), (other, other_end) = first, second
    if not (end and other_end):
        return one == other
    length = end - one
    return length == other_end - other and all(
        data[one + at : min(one + at + _PIECE, end)] == data[other + at : min(other + at + _PIECE, other_end)]
        for at in range(0, length, _PIECE)
    )
