"""Explicit VR Little Endian (PS3.5 section 7.1.2) by hand, for what an object holds thousands of.

    sequence("PlanePositionSequence", element("ImagePositionPatient", "-25.5", "-28.5", "7.5"))

is the element with one item, both of defined length. Text is ASCII: what has to be a name of something in DICOM.
"""

import struct
from functools import cache

from pydicom.datadict import dictionary_VR, tag_for_keyword

from domain.errors import UnusableInput

# VRs with a 32 bit length (PS3.5 table 7.1-1), and those that are padded with a null (section 6.2).
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_PADDED_WITH_NULL = frozenset({"OB", "UI", "UN"})
_NUMBERS = {"UL": "L", "US": "H"}
UNDEFINED = 0xFFFFFFFF


def element(keyword: str, *values: object) -> bytes:
    """The element with these values, numbers or text as its VR has them; raises UnusableInput for other text."""
    numbers = _NUMBERS.get(_head(keyword)[1])
    if numbers:
        return raw(keyword, struct.pack(f"<{len(values)}{numbers}", *values))
    text = "\\".join(map(str, values))
    if not text.isascii():
        raise UnusableInput(f"{keyword} of a source is not a value that DICOM can hold")
    return raw(keyword, text.encode("ascii"))


def sequence(keyword: str, *items: bytes) -> bytes:
    """The sequence of `items`, each the encoded elements of one in the order of their tags."""
    return raw(keyword, b"".join(map(item, items)))


def raw(keyword: str, value: bytes) -> bytes:
    """The element with a value that is encoded already; of even length, if it was not."""
    head, vr, length = _head(keyword)
    value += (b"\0" if vr in _PADDED_WITH_NULL else b" ") * (len(value) % 2)
    return head + struct.pack(length, len(value)) + value


def item(content: bytes) -> bytes:
    """An item of a sequence or of encapsulated pixels (PS3.5 section 7.5, A.4); `content` is of even length."""
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def pixel_data_head(length: int) -> bytes:
    """What comes before the value of Pixel Data of `length` bytes, or of UNDEFINED length where it is encapsulated."""
    head, _, width = _head("PixelData")
    return head + struct.pack(width, length)


@cache
def _head(keyword: str) -> tuple[bytes, str, str]:
    """The bytes of the element before its length, its VR, and how the length is packed."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    vr = dictionary_VR(tag)[:2]  # "OB or OW" is OB: bytes, and bits in bytes, have no order
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode("ascii"))
    return (head + b"\0\0", vr, "<L") if vr in _LONG else (head, vr, "<H")
