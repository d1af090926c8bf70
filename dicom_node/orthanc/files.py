"""Part 10 files that are taken apart on their way: file meta, then the data set piece by piece, none of it kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from dicom_node import elements, outside
from dicom_node.elements import OutOfData
from domain.errors import UnusableInput

# Bytes of a file meta: a few UIDs, but private information may be added to it (PS3.10 7.1).
_USUAL_META, _LARGEST_META = 4 << 10, 1 << 20


@dataclass(frozen=True)
class Opened:
    """What a file's meta says, as words that may be anything, and the pieces of its data set."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    implementation: str
    pieces: Iterator[bytes]


def opened(pieces: Iterator[bytes]) -> Opened:
    """The file that `pieces` give from its beginning; raises UnusableInput where it is none."""
    start, enough = bytearray(), _USUAL_META
    while _grown(start, pieces, enough) and enough < _LARGEST_META:
        try:
            meta, begins = elements.file_meta(bytes(start))
        except OutOfData:
            begins = enough
        if begins < enough:  # a meta that ends where these bytes do may go on behind them
            break
        enough *= 2
    meta, begins = elements.file_meta(bytes(start))
    return _opened(meta, chain((bytes(start[begins:]),), pieces))


def _grown(start: bytearray, pieces: Iterator[bytes], enough: int) -> bool:
    """Whether `start` has come to hold so many bytes; False where the file ends before."""
    while len(start) < enough and (piece := next(pieces, None)) is not None:
        start += piece
    return len(start) >= enough


def _opened(meta: dict[int, bytes], pieces: Iterator[bytes]) -> Opened:
    try:
        sop_class, sop_instance, syntax = (outside.ascii_words(meta[number]) for number in (0x02, 0x03, 0x10))
    except KeyError as error:
        raise UnusableInput("its file meta lacks the SOP class, the SOP instance or the transfer syntax") from error
    return Opened(sop_class, sop_instance, syntax, outside.ascii_words(meta.get(0x12, b"")), pieces)


def are_same(ours: Iterator[bytes], theirs: Iterator[bytes]) -> bool:
    """Whether both give the same bytes, however they are cut into pieces."""
    left, right = b"", b""
    while True:
        left, right = left or next(_filled(ours), b""), right or next(_filled(theirs), b"")
        common = min(len(left), len(right))
        if not common:
            return not left and not right
        if left[:common] != right[:common]:
            return False
        left, right = left[common:], right[common:]


def _filled(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return (piece for piece in pieces if piece)
