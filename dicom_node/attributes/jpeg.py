"""JPEG for pydicom's decoders by libjpeg-turbo: PS3.5 8.2.1, processes 1, 2 and 4, 14, and 14 with selection value 1.

Of what pydicom finds by itself, one is under GPL-3.0, GDCM ends the process for many a frame that is damaged, and
Pillow reads 8 bits alone. imagecodecs reads them all, refuses what is damaged, and is three to six times faster than
the first.
"""

import struct

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

    Raises ValueError or RuntimeError where the frame is damaged, or has another size than its header states.
    """
    stated = runner.rows, runner.columns, runner.samples_per_pixel
    if (found := _size(frame)) != stated:
        raise ValueError(f"a JPEG frame of {found} rows, columns and samples where {stated} are stated")
    # One colour space in and out: what the photometric interpretation says is left to whoever shows it.
    space = JPEG8.CS.GRAYSCALE if runner.samples_per_pixel == 1 else JPEG8.CS.YCbCr
    values = jpeg8_decode(frame, colorspace=space, outcolorspace=space)
    # A frame of 8 bits may stand where 16 are allocated.
    runner.set_option("bits_allocated", 8 * values.itemsize)
    runner.set_option("planar_configuration", 0)
    return bytes(values.tobytes())


def _size(frame: bytes) -> tuple[int, int, int]:
    """Rows, columns and samples by the frame's own header (ITU-T T.81 B.2.2), before anything is allocated for them."""
    at = 2
    while at + 10 <= len(frame):
        if frame[at] != 0xFF:
            break
        marker = frame[at + 1]
        if marker in _START_OF_FRAME:
            rows, columns, samples = struct.unpack_from(">HHB", frame, at + 5)
            return rows, columns, samples
        at += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + struct.unpack_from(">H", frame, at + 2)[0]
    raise ValueError("a JPEG frame without a header")
