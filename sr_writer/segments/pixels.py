"""A label volume as the Pixel Data of a segmentation: bits of one segment a frame, or labels of one slice a frame.

Pixels come in pieces that are written one after the other. Nothing as large as the volume is made: what is empty is
one buffer of zeros again and again, and labels that stay labels are the volume's own memory.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_writer.encoding.explicit import UNDEFINED, item, pixel_data_head
from sr_writer.encoding.part10 import Buffer

Labels = NDArray[np.uint8]
# Of one slice: each segment that is in it, with indices of voxels between which it lies.
Extents = dict[int, tuple[int, int]]

_LONGEST_RUN = 128
# One segment of bytes, which begins behind this header of 64 bytes (PS3.5 G.5).
_RLE_HEADER = struct.pack("<16L", 1, 64, *[0] * 14)


@dataclass(frozen=True)
class Bits:
    """A frame of one segment: its number, its slice, and where in the slice its voxels begin and end."""

    number: int
    slice: int
    start: int
    end: int


def extents(mask: Labels) -> list[Extents]:
    """Which segments are in each slice of `mask`, (slices, rows, columns), and where.

    A slice is looked at where its labels change, eight voxels at a time where they divide it, so that an extent may
    have a few voxels of other labels at its ends.
    """
    size = mask[0].size
    words = mask.reshape(len(mask), -1).view(np.uint64 if size % 8 == 0 else np.uint8)
    room = np.empty(size + 1, np.bool_)
    return [_extents(one, room) for one in words]


def _extents(words: NDArray[Any], room: NDArray[np.bool_]) -> Extents:
    edges = _edges(words, room)
    voxels = words[edges[:-1]].view(np.uint8)
    turns = _edges(voxels, room)
    numbers = voxels[turns[:-1]]
    first, last = np.zeros((2, 256), np.intp)
    # Of several values for one index the last one stays.
    first[numbers[::-1]] = edges[turns[-2::-1] // words.itemsize]
    last[numbers] = edges[(turns[1:] - 1) // words.itemsize + 1]
    found = np.flatnonzero(last).tolist()
    return {n: (int(first[n]) * words.itemsize, int(last[n]) * words.itemsize) for n in found if n}


def _edges(values: NDArray[Any], room: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where runs of equal values begin, and where the last one ends; `room` is memory for more than they are."""
    begins = room[: values.size + 1]
    begins[0] = begins[-1] = True
    np.not_equal(values[1:], values[:-1], out=begins[1:-1])
    return begins.nonzero()[0]


def present(mask: Labels) -> frozenset[int]:
    """The labels other than 0 in `mask`."""
    seen = np.zeros(256, np.bool_)
    seen[mask[::2, ::16, ::16]] = True
    # All that there can be is there as a rule; only what a coarse look has missed needs a closer one.
    if not seen[1 : int(mask.max(initial=0)) + 1].all():
        for found in extents(mask):
            seen[list(found)] = True
    return frozenset(np.flatnonzero(seen).tolist()) - {0}


def bits(mask: Labels, frames: Sequence[Bits]) -> Iterator[Buffer]:
    """The whole element for `frames` of a binary segmentation: eight voxels a byte, the first one lowest (PS3.5 8.1.1).

    Frames follow each other without a gap, so where a frame's voxels do not fill its last byte, the next one does.
    """
    size = mask[0].size
    length = _even(-(-len(frames) * size // 8))
    zeros = memoryview(bytes(size // 4 + 2))  # from the first voxel of a frame to the last of the next one
    yield pixel_data_head(length)
    position, before = 0, np.zeros(0, np.uint8)
    for offset, packed in _packed(mask, frames):
        end = offset + packed.size
        if offset < position:
            before[-1] |= packed[0]
            packed = packed[1:]  # noqa: PLW2901
        elif offset > position:
            yield zeros[: offset - position]
        if packed.size:
            yield packed.data
            before = packed
        position = end
    yield zeros[: length - position]


def _packed(mask: Labels, frames: Sequence[Bits]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Of each frame the bytes in which it has voxels, and where they lie in the value."""
    flat = mask.reshape(len(mask), -1)
    room = np.empty(flat.shape[1] + 7, np.bool_)
    for index, frame in enumerate(frames):
        offset, lead = divmod(index * flat.shape[1] + frame.start, 8)
        end = lead + frame.end - frame.start
        room[:lead] = False
        np.equal(flat[frame.slice, frame.start : frame.end], frame.number, out=room[lead:end])
        yield offset, np.packbits(room[:end], bitorder="little")


def labels(mask: Labels, slices: Sequence[int]) -> Iterator[Buffer]:
    """The whole element for a label map of these slices, not compressed."""
    size = len(slices) * mask[0].size
    yield pixel_data_head(_even(size))
    for index in slices:
        yield mask[index].reshape(-1).data
    yield bytes(size % 2)


def run_lengths(mask: Labels, slices: Sequence[int]) -> Iterator[Buffer]:
    """The whole element for a label map of these slices in RLE Lossless (PS3.5 A.4.2 and annex G)."""
    frames = [item(run_length(mask[index])) for index in slices]
    starts = np.cumsum([0, *map(len, frames[:-1])])
    yield pixel_data_head(UNDEFINED)
    yield item(starts.astype("<u4").tobytes())
    yield from frames
    yield struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def run_length(image: Labels) -> bytes:
    """One frame, (rows, columns), as RLE: runs of two to 128 equal bytes, and stretches of bytes that are not equal.

    No run crosses the end of a row (PS3.5 G.3.1).
    """
    values, lengths, begins_row = _runs(image)
    alone = lengths == 1
    order = np.arange(values.size)
    goes_on = alone & ~begins_row
    goes_on[1:] &= alone[:-1]
    first_alone = np.maximum.accumulate(np.where(goes_on, 0, order))
    has_count = ~goes_on | ((order - first_alone) % _LONGEST_RUN == 0)
    counted = np.flatnonzero(has_count)
    counts = np.diff(counted, append=values.size)
    sizes = has_count.astype(np.intp) + 1
    ends = np.cumsum(sizes)
    packed = np.zeros(_even(int(ends[-1])), np.uint8)
    packed[ends[counted] - 2] = np.where(alone[counted], counts - 1, 257 - lengths[counted])
    packed[ends - 1] = values
    return _RLE_HEADER + packed.tobytes()


def _runs(image: Labels) -> tuple[Labels, NDArray[np.intp], NDArray[np.bool_]]:
    """Each run of equal bytes, of 128 at the most: its value, its length, and whether a row begins with it."""
    flat, columns = image.reshape(-1), image.shape[1]
    begins = np.empty(flat.size + 1, np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=begins[1:-1])
    begins[::columns] = True
    edges = np.flatnonzero(begins)
    starts, lengths = edges[:-1], np.diff(edges)
    parts = -(-lengths // _LONGEST_RUN)
    of_run = np.repeat(np.arange(starts.size), parts)
    done = (np.arange(of_run.size) - np.repeat(np.cumsum(parts) - parts, parts)) * _LONGEST_RUN
    starts, left = starts[of_run] + done, lengths[of_run] - done
    return flat[starts], np.minimum(left, _LONGEST_RUN), starts % columns == 0


def _even(size: int) -> int:
    return size + size % 2
