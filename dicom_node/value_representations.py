"""Value representations (PS3.5 6.2): how long a value of each may be, and what can be told of one that no table has."""

import mmap
import struct

# Bytes that are at hand, or those of a file that need not all be read.
Data = bytes | mmap.mmap

UNDEFINED = 0xFFFF_FFFF
# VRs whose length takes two bytes; those of table 7.1-1 and all that will ever be added take four (PS3.5 7.1.2).
SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


def odd(data: Data, at: int, tag: int, vr: bytes, order: str) -> tuple[int, int] | None:
    """Length and start of the value of an element whose VR is none of them: the reading that an element follows.

    Two capitals are a VR of the future, which has the long form, or a slip in the short one; anything else is a VR left
    blank, or an implicit element among explicit ones.
    """
    short = struct.unpack_from(f"{order}H", data, at + 6)[0], at + 8
    capitals = vr.isalpha() and vr.isupper()
    other = (at + 12, at + 8) if capitals else (at + 8, at + 4)
    long = struct.unpack_from(f"{order}I", data, other[1])[0], other[0]
    readings = [one for one in ((long, short) if capitals else (short, long)) if one[0] != UNDEFINED]
    for follows in (_a_known_element_follows, _an_element_follows):
        for length, start in readings:
            if follows(data, start + length, tag, order):
                return length, start
    return None


def _a_known_element_follows(data: Data, at: int, tag: int, order: str) -> bool:
    known = data[at + 4 : at + 6] in SHORT | LONG
    return at == len(data) or (known and _an_element_follows(data, at, tag, order))


def _an_element_follows(data: Data, at: int, tag: int, order: str) -> bool:
    if at + 8 > len(data):
        return at == len(data)
    group, number = struct.unpack_from(f"{order}HH", data, at)
    return bool((group << 16 | number) > tag)
