"""Whether a data set came whole: what it states of itself against what there is of it (PS3.5 7.1, 8.1.1 and A.4).

A sender whose disk was full, or whose copy broke off, sends what it has and is told success: only the bytes tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydicom import uid

from dicom_node.elements import EXPLICIT_BIG, tag_name

SOP_CLASS = 0x0008_0016
SAMPLES, PHOTOMETRIC, FRAMES = 0x0028_0002, 0x0028_0004, 0x0028_0008
ROWS, COLUMNS, BITS = 0x0028_0010, 0x0028_0011, 0x0028_0100
TAGS = (SAMPLES, ROWS, COLUMNS, BITS)
PIXELS = 0x7FE0_0010
# Pixel Data, and those of floats (PS3.3 C.7.6.24, C.7.6.25).
KINDS_OF_PIXELS = frozenset({PIXELS, 0x7FE0_0008, 0x7FE0_0009})
_NATIVE = frozenset(f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2"))
# In these each frame has a fragment of its own, or several (PS3.5 A.4); in a video, one may hold them all.
_A_FRAGMENT_A_FRAME = frozenset(
    f"1.2.840.10008.1.2.{end}"
    for end in ("1.98", "5", *(f"4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 110, 111, 112, 201, 202, 203)))
)
# How much of three samples a pixel has where colours are kept for every second one alone (PS3.3 C.7.6.3.1.2).
_SIXTHS = {b"YBR_FULL_422": 4, b"YBR_PARTIAL_422": 4, b"YBR_PARTIAL_420": 3}
_NO_PIXELS = "it is an image without Pixel Data"
# Classes of which each instance has pixels.
_IMAGES = frozenset(one.encode() for one in (
    uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage,
    uid.MRImageStorage, uid.EnhancedMRImageStorage, uid.LegacyConvertedEnhancedMRImageStorage,
    uid.PositronEmissionTomographyImageStorage, uid.EnhancedPETImageStorage, uid.LegacyConvertedEnhancedPETImageStorage,
    uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing, uid.DigitalMammographyXRayImageStorageForPresentation,
    uid.DigitalMammographyXRayImageStorageForProcessing, uid.SecondaryCaptureImageStorage,
))  # fmt: skip


@dataclass(slots=True)
class Extent:
    """How far a walk over a data set came: its last element and where that ends, and the pixels that it met.

    `broke_off` says where the bytes ended too early, empty where they did not. `pixels` is the length of Pixel Data,
    None where there is none; `has_pixels` is whether there are pixels of any kind. `fragments` counts those of
    compressed ones that hold anything, and their offset table. `ascending` is whether each tag is higher than the one
    before (PS3.5 7.1); `unseen` is whether more follows than is ever looked at.
    """

    last: int = 0
    end: int = 0
    pixels: int | None = None
    fragments: int = 0
    has_pixels: bool = False
    broke_off: str = ""
    ascending: bool = True
    unseen: bool = False


def shortage(extent: Extent, size: int, found: Mapping[int, bytes], frames: int, transfer_syntax: str) -> str:
    """What a data set of `size` bytes lacks, empty where it is whole; `found` are its elements, `frames` their number.

    What it does not state is not missed.
    """
    if extent.broke_off:
        return extent.broke_off
    if extent.end > size:
        return f"the data set ends within {tag_name(extent.last)}"
    if extent.fragments:
        return _of_fragments(extent.fragments - 1, frames) if transfer_syntax in _A_FRAGMENT_A_FRAME else ""
    if contradiction(extent, transfer_syntax):
        return ""  # how long they are says nothing then
    wanted = _wanted(found, frames, transfer_syntax)
    if extent.pixels is None:
        # In other syntaxes, such as JPIP, pixels may be somewhere else.
        here = transfer_syntax in _NATIVE or transfer_syntax in _A_FRAGMENT_A_FRAME
        image = (wanted and PHOTOMETRIC in found) or found.get(SOP_CLASS, b"").strip(b"\0 ") in _IMAGES
        return _NO_PIXELS if image and here and not extent.has_pixels else ""
    return f"its Pixel Data has {extent.pixels} bytes of {wanted}" if extent.pixels < wanted else ""


def contradiction(extent: Extent, transfer_syntax: str) -> str:
    """How whole pixels are against the transfer syntax that was agreed on (PS3.5 A.4); empty where they are not."""
    if transfer_syntax in _NATIVE and extent.fragments:
        return "its Pixel Data is in fragments, as its transfer syntax has none"
    if transfer_syntax in _A_FRAGMENT_A_FRAME and extent.pixels is not None and not extent.fragments:
        return "its Pixel Data is not in fragments, as its transfer syntax has it"
    return ""


def _of_fragments(fragments: int, frames: int) -> str:
    return f"its Pixel Data has {fragments} fragments for {frames} frames" if fragments < frames else ""


def _wanted(found: Mapping[int, bytes], frames: int, transfer_syntax: str) -> int:
    """How many bytes of pixels that are not compressed make so many frames; 0 where it does not say."""
    order: Literal["big", "little"] = "big" if transfer_syntax == EXPLICIT_BIG else "little"
    samples, rows, columns, bits = (int.from_bytes(found.get(tag, b"")[:2], order) for tag in TAGS)
    sixths = _SIXTHS.get(found.get(PHOTOMETRIC, b"").strip(b"\0 "), 6) if samples == 3 else 6
    return -(-frames * rows * columns * bits * samples * sixths // 48)
