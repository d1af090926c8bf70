"""JPEG-LS, JPEG 2000 and RLE for pydicom's decoders, each frame looked at before, or as, it is decoded.

What a damaged frame lacks, decoders make up in silence, and where one refuses, pydicom asks the next, which may not. So
what a frame says of its own shape, parts and end is held against what is there, by few of its bytes, and one decoder is
asked. JPEG has a module of its own (`jpeg`).
"""

import struct
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from typing import cast

from imagecodecs import packbits_decode
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

_NAME = "looked at"
_JPEG_LS = (JPEGLSLossless, JPEGLSNearLossless)
_JPEG_2000 = (JPEG2000, JPEG2000Lossless, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
_DECODE = "_decode_frame"  # what pydicom registers of its own modules
_LIBRARIES: dict[UID, str] = {
    **dict.fromkeys(_JPEG_LS, "pydicom.pixels.decoders.pyjpegls"),
    **dict.fromkeys(_JPEG_2000, "pydicom.pixels.decoders.pylibjpeg"),
}
# What pydicom asks of a plug-in: the packages that each transfer syntax needs.
DECODER_DEPENDENCIES = dict.fromkeys((*_LIBRARIES, RLELossless), ("imagecodecs",))

_END = b"\xff\xd9"  # of JPEG-LS and of JPEG 2000
_PADDING = b"\0\xff"
_RLE_HEAD, _MOST_SEGMENTS = 64, 15


def is_available(uid: str) -> bool:
    """Whether frames of this transfer syntax are decoded here; pydicom asks it of each of its plug-ins."""
    return uid in DECODER_DEPENDENCIES


def register() -> None:
    """Have pydicom decode these by this and by nothing else that is installed; a second time changes nothing."""
    for uid in DECODER_DEPENDENCIES:
        decoder = get_decoder(uid)
        if decoder.available_plugins != (_NAME,):
            for other in decoder.available_plugins:
                decoder.remove_plugin(other)
            decoder.add_plugin(_NAME, (__name__, "decode_frame"))


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytearray:
    """The stored values of one frame, as the library for its transfer syntax gives them.

    Raises ValueError or RuntimeError where the frame is damaged, or of another size than is stated. A change within
    what is coded that leaves its parts and their ends as they were is not known as damage.
    """
    syntax = runner.transfer_syntax
    if syntax == RLELossless:
        return _by_segments(frame, runner)
    look = _look_at_jpeg_ls if syntax in _JPEG_LS else _look_at_jpeg_2000
    look(frame, runner)
    decode = cast(Callable[[bytes, DecodeRunner], bytearray], getattr(import_module(_LIBRARIES[syntax]), _DECODE))
    return decode(frame, runner)


def _look_at_jpeg_ls(frame: bytes, runner: DecodeRunner) -> None:
    """ITU-T T.87 C.1, C.2: in what is coded no marker occurs, so that the first is where it ends."""
    size, coded = None, 0
    for marker, start, end in _segments(frame, 2):
        if marker == 0xF7:
            size = struct.unpack_from(">HHB", frame, start + 1)
        elif marker == 0xDA:
            coded = end
            break
    _hold_size("JPEG-LS", size, runner)
    last = frame.find(_END, coded) if coded else -1
    if last < 0 or frame[last + 2 :].strip(_PADDING):
        raise ValueError("a JPEG-LS frame that does not end where it says")


def _look_at_jpeg_2000(frame: bytes, runner: DecodeRunner) -> None:
    """ITU-T T.800 A.4, A.5.1: every tile has its parts, one behind the other, and behind the last is the end."""
    begins = frame.find(b"\xff\x4f\xff\x51")  # behind the boxes of a file, where it has any
    if begins < 0:
        raise ValueError("a JPEG 2000 frame without a header")
    right, bottom, left, top, *tile, samples = struct.unpack_from(">8IH", frame, begins + 8)
    _hold_size("JPEG 2000", (bottom - top, right - left, samples), runner)
    width, height, first, upper = tile
    tiles = -(-(right - first) // max(width, 1)) * -(-(bottom - upper) // max(height, 1))
    parts, stated, at = dict[int, int](), dict[int, int](), _behind_main_header(frame, begins + 2)
    while frame[at : at + 2] == b"\xff\x90":
        number, length, part, count = struct.unpack_from(">HIBB", frame, at + 4)
        if part != parts.setdefault(number, 0) or not (length == 0 or length >= 14):
            raise ValueError("a JPEG 2000 frame of which a part of a tile is missing")
        parts[number] += 1
        stated[number] = count or stated.get(number, 0)
        at = at + length if length else frame.rfind(_END)
    # Writers exist that state fewer parts than they write.
    if len(parts) != tiles or any(parts[number] < count for number, count in stated.items()):
        raise ValueError(f"a JPEG 2000 frame that has {len(parts)} of {tiles} tiles, or not all of their parts")
    if at < 0 or frame[at : at + 2] != _END or frame[at + 2 :].strip(_PADDING):
        raise ValueError("a JPEG 2000 frame that does not end where it says")


def _behind_main_header(frame: bytes, at: int) -> int:
    return next((start - 4 for marker, start, _ in _segments(frame, at) if marker == 0x90), -1)


def _by_segments(frame: bytes, runner: DecodeRunner) -> bytearray:
    """PS3.5 G.2 to G.5: a segment for each byte of a sample, the highest first, each with a byte for each pixel.

    Of the libraries that read RLE, one ends the process for many a damaged frame.
    """
    width, pixels = runner.bits_allocated // 8, runner.rows * runner.columns
    segments = _rle_segments(frame, runner.samples_per_pixel * width)
    values = bytearray(runner.samples_per_pixel * pixels * width)
    for number, segment in enumerate(segments):
        made = packbits_decode(segment)
        # What is behind the last pixel is padding, which G.3.1 allows a byte of.
        if len(made) < pixels or any(made[pixels:]):
            raise ValueError(f"an RLE segment of {len(made)} bytes for {pixels} pixels")
        begins = number // width * pixels * width
        values[begins + width - 1 - number % width : begins + pixels * width : width] = made[:pixels]
    runner.set_option("planar_configuration", 1)
    return values


def _rle_segments(frame: bytes, wanted: int) -> list[bytes]:
    if len(frame) < _RLE_HEAD:
        raise ValueError("an RLE frame without a header")
    count, *offsets = struct.unpack_from(f"<{_MOST_SEGMENTS + 1}I", frame)
    if count != wanted or count > _MOST_SEGMENTS:
        raise ValueError(f"an RLE frame of {count} segments where {wanted} are wanted")
    ends = (*offsets[:count], len(frame))
    if ends[0] != _RLE_HEAD or any(one >= other for one, other in pairwise(ends)):
        raise ValueError("an RLE frame whose segments are not one behind the other")
    return [frame[start:end] for start, end in pairwise(ends)]


def _segments(frame: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """The marker segments from `at` on: marker, and where what follows its length begins and ends (T.81 B.1.1.4)."""
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        if frame[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + struct.unpack_from(">H", frame, at + 2)[0]
        yield frame[at + 1], at + 4, end
        at = end


def _hold_size(name: str, size: tuple[int, int, int] | None, runner: DecodeRunner) -> None:
    stated = runner.rows, runner.columns, runner.samples_per_pixel
    if size != stated:
        raise ValueError(f"a {name} frame of {size} rows, columns and samples where {stated} are stated")
