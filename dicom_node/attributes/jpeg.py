"""JPEG for pydicom's decoders by libjpeg-turbo: PS3.5 8.2.1, processes 1, 2 and 4, 14, and 14 with selection value 1.

Of what pydicom finds by itself, one is under GPL-3.0, GDCM ends the process for many a frame that is damaged, and
Pillow reads 8 bits alone. imagecodecs reads them all, and is the fastest. What a damaged frame lacks it makes up and
says nothing, so that each frame is decoded twice, the second time with other bytes at its end: the difference says
whether the first reading came to the end of what is there with its very last pixels.
"""

import re
import struct
from typing import NamedTuple

from imagecodecs import JPEG8, jpeg8_decode
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

_NAME = "imagecodecs"
_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
# What pydicom asks of a plug-in: the packages that each transfer syntax needs.
DECODER_DEPENDENCIES = dict.fromkeys(_SYNTAXES, ("imagecodecs",))

# Markers without a length, and those that begin a frame (ITU-T T.81 table B.1): 0xC4, 0xC8 and 0xCC begin none.
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS, _START_OF_SCAN = 0xC3, 0xDA
_INTERVAL, _SCAN = 0xDD, b"\xff\xda"
_RESTART = re.compile(b"\xff[\xd0-\xd7]")
_END = b"\xff\xd9"
# Behind the last pixel nothing of these is read; 0xFF does not occur in them.
_BEHIND = b"\x55\xaa" * 8
# So many coded bytes may be left over: some encoders end on a whole word.
_LEFT_OVER = 8
# A coded sample has a bit at least: so many lie in those bytes, and in one more that may not be parted from the last.
_LAST_SAMPLES = 8 * (_LEFT_OVER + 2)
_CONTRADICTION = "a JPEG frame of {} bits a sample where Bits Stored is {}"


class _Head(NamedTuple):
    """What a frame says of itself (ITU-T T.81 B.2.2), and where what is coded begins."""

    marker: int
    precision: int
    size: tuple[int, int, int]
    coded: int
    restarts: int | None  # how many restart markers there have to be, where that can be told


def is_available(uid: str) -> bool:
    """Whether frames of this transfer syntax are decoded here; pydicom asks it of each of its plug-ins."""
    return uid in DECODER_DEPENDENCIES


def register() -> None:
    """Have pydicom decode JPEG by this and by nothing else that is installed; a second time changes nothing."""
    for uid in _SYNTAXES:
        decoder = get_decoder(uid)
        if decoder.available_plugins != (_NAME,):
            for other in decoder.available_plugins:
                decoder.remove_plugin(other)
            decoder.add_plugin(_NAME, (__name__, "decode_frame"))


def decode_frame(frame: bytes, runner: DecodeRunner) -> bytes:
    """The stored values of one frame in native order, colour by pixel and as it was coded.

    Raises ValueError or RuntimeError where the frame is damaged, or is of another size or precision than is stated.
    A lossy frame whose bytes make up more pixels than there are, and one that is damaged in any but its last scan or
    between two restart markers, is not known as damaged; nor is a change of few bits that leaves the number of pixels.
    """
    head = _head(frame)
    stated = runner.rows, runner.columns, runner.samples_per_pixel
    if head.size != stated:
        raise ValueError(f"a JPEG frame of {head.size} rows, columns and samples where {stated} are stated")
    if head.precision < runner.bits_stored:
        raise ValueError(_CONTRADICTION.format(head.precision, runner.bits_stored))
    end = frame.rfind(_END, head.coded)
    if end < 0:
        raise ValueError("a JPEG frame without its end (ITU-T T.81 B.2.1)")
    if head.restarts is not None:
        _prove_restarts(frame[head.coded : end], head.restarts)
    values, width = _values(frame, runner.samples_per_pixel)
    _prove_whole(frame[:end], head, values, width)
    # A frame of 8 bits may stand where 16 are allocated.
    runner.set_option("bits_allocated", 8 * width)
    runner.set_option("planar_configuration", 0)
    return values


def contradiction(error: BaseException | None) -> str:
    """What pydicom's `error` says of a sound frame that contradicts its header (PS3.5 8.2.1); empty if nothing."""
    said = re.search(_CONTRADICTION.format("[0-9]+", "[0-9]+"), str(error))
    return said[0] if said else ""


def _values(frame: bytes, samples: int) -> tuple[bytes, int]:
    """The values of all samples, and how many bytes each has."""
    # One colour space in and out: what the photometric interpretation says is left to whoever shows it.
    space = JPEG8.CS.GRAYSCALE if samples == 1 else JPEG8.CS.YCbCr
    values = jpeg8_decode(frame, colorspace=space, outcolorspace=space)
    return bytes(values.tobytes()), int(values.itemsize)


def _prove_whole(coded: bytes, head: _Head, values: bytes, width: int) -> None:
    """Raise ValueError where `values`, of `width` bytes each, do not end where `coded` does, a frame up to its end.

    What is behind the last pixel changes none; what is read where pixels lack, does. Of a lossless frame the last bytes
    are changed too, which its last samples show and no others: before them too little was there, and where nothing
    shows it, too much.
    """
    coded = coded.rstrip(b"\xff")  # fill bytes (B.1.1.2); among coded ones 0xFF never stands alone
    samples = head.size[2]
    lossless = head.marker == _LOSSLESS
    at = max(len(coded) - _LEFT_OVER, head.coded) if lossless else len(coded)
    at -= lossless and coded[at - 1] == 0xFF  # never between the two of which a coded 0xFF is made
    changed = bytes(byte ^ 0x55 for byte in coded[at:]).replace(b"\xff", b"\x7f")
    other, _ = _values(coded[:at] + changed + _BEHIND + _END, samples)
    last = max(len(values) - _LAST_SAMPLES * samples * width, 0) if lossless else len(values)
    if other[:last] != values[:last]:
        raise ValueError("a JPEG frame that ends before its last pixel")
    # Of a single value, a table may hold a single code, which no change makes another.
    if lossless and other == values and values != values[:width] * (len(values) // width):
        raise ValueError("a JPEG frame that goes on behind its last pixel")


def _prove_restarts(coded: bytes, wanted: int) -> None:
    """Raise ValueError where restart markers are missing, too many, or not one after the other (E.1.4)."""
    found = [marker[0][1] & 7 for marker in _RESTART.finditer(coded)]
    # One before the end as well is superfluous and harmless.
    if len(found) not in (wanted, wanted + 1) or any(number != k % 8 for k, number in enumerate(found)):
        raise ValueError(f"a JPEG frame of {len(found)} restart markers, or out of turn, where {wanted} have to be")


def _head(frame: bytes) -> _Head:
    """The frame's own header, before anything is allocated for what it states."""
    at, found, interval, units = 2, None, 0, 0
    while at + 10 <= len(frame):
        if frame[at] != 0xFF:
            break
        marker = frame[at + 1]
        if marker == _START_OF_SCAN and found:
            at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
            alone = _SCAN not in frame[at:]
            return found._replace(coded=at, restarts=-(-units // interval) - 1 if interval and alone else None)
        if marker in _START_OF_FRAME:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
            found = _Head(marker, precision, (rows, columns, samples), 0, None)
            units = _units(found, frame[at + 11 : at + 10 + 3 * samples : 3])
        elif marker == _INTERVAL:
            interval = struct.unpack_from(">H", frame, at + 4)[0]
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + struct.unpack_from(">H", frame, at + 2)[0]
    raise ValueError("a JPEG frame without a header")


def _units(head: _Head, factors: bytes) -> int:
    """How many minimum coded units a single scan has whose components have these sampling factors (A.2)."""
    rows, columns, samples = head.size
    across, down = (max(one >> 4 for one in factors), max(one & 15 for one in factors)) if samples > 1 else (1, 1)
    side = 1 if head.marker == _LOSSLESS else 8
    return -(-rows // max(down * side, 1)) * -(-columns // max(across * side, 1))
