"""Deflated data sets (PS3.5 A.5) as what they inflate to: a head of it, or piece by piece to the end."""

import zlib
from collections.abc import Iterator

from dicom_node import elements
from dicom_node.elements import OutOfData, Unsound
from domain.errors import UnusableInput

# Bytes that deflate makes of one at the most (RFC 1951: 258 of two bits).
MOST_OF_ONE = 1032
# As much as an instance may have that is not deflated: two megabytes are enough to make it.
MOST = 2 << 30
_PIECE = 1 << 20
# What walks over it may take: so many steps, and more for each byte of it that was sent. Functional groups, the most
# alike of what is sent, deflate to a byte for two or three steps, and are walked through up to four times.
_FREE_STEPS, _STEPS_OF_ONE = 1 << 18, 4


class TooLarge(Unsound):
    """It inflates to more than is ever looked through."""

    def __init__(self) -> None:
        super().__init__(f"it inflates to more than {MOST >> 20} MiB; have it sent without being deflated")


def steps(size: int) -> Iterator[int]:
    """Of a deflated data set of `size` bytes: a few thousand may inflate to a million elements."""
    return elements.steps(_FREE_STEPS + _STEPS_OF_ONE * size)


def head(data: bytes, most: int) -> bytes:
    """The first `most` bytes of it, or what there is of them; raises UnusableInput."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    except zlib.error as error:
        raise UnusableInput(f"not a deflated data set: {error}") from error


def inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """All of it, piece by piece; raises OutOfData where it has no end, UnusableInput where it is none, TooLarge."""
    stream, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while not stream.eof:
            given = stream.unconsumed_tail or next(pieces, b"")
            if made := stream.decompress(given, _PIECE):
                size += len(made)
                if size > MOST:
                    raise TooLarge
                yield made
            elif not given:
                raise OutOfData("the deflated data set has no end")
    except zlib.error as error:
        if size:
            raise OutOfData(f"the deflated data set is damaged: {error}") from error
        raise UnusableInput(f"not a deflated data set: {error}") from error
