"""Whether a data set came whole: what it states of itself against what there is of it (PS3.5 7.1, 8.1.1 and A.4).

A sender whose disk was full, or whose copy broke off, sends what it has and is told success: only the bytes tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydicom import uid

from dicom_node.elements import EXPLICIT_BIG, tag_name
from dicom_node.listener.syntaxes import storage_sop_classes

SOP_CLASS = 0x0008_0016
SAMPLES, PHOTOMETRIC, FRAMES = 0x0028_0002, 0x0028_0004, 0x0028_0008
ROWS, COLUMNS, BITS = 0x0028_0010, 0x0028_0011, 0x0028_0100
TAGS = (SAMPLES, ROWS, COLUMNS, BITS)
PIXELS = 0x7FE0_0010
# Pixel Data, and those of floats (PS3.3 C.7.6.24, C.7.6.25).
_KINDS = {PIXELS: "Pixel Data", 0x7FE0_0008: "Float Pixel Data", 0x7FE0_0009: "Double Float Pixel Data"}
KINDS_OF_PIXELS = frozenset(_KINDS)
# So many bytes behind the pixels are padding, however small a frame is.
_PADDING = 256
_NATIVE = frozenset(f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2"))
# In these each frame has a fragment of its own, or several (PS3.5 A.4); in a video, one may hold them all.
_A_FRAGMENT_A_FRAME = frozenset(
    f"1.2.840.10008.1.2.{end}"
    for end in ("1.98", "5", *(f"4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 110, 111, 112, 201, 202, 203)))
)
# How much of three samples a pixel has where colours are kept for every second one alone (PS3.3 C.7.6.3.1.2).
_SIXTHS = {b"YBR_FULL_422": 4, b"YBR_PARTIAL_422": 4, b"YBR_PARTIAL_420": 3}
# What an instance is without where its class asks for it (PS3.3 C.24.2, C.17.3, C.10.9).
_DOCUMENT, _CONTENT, _WAVEFORM = 0x0042_0011, 0x0040_A730, 0x5400_0100
# Each instance of a class that is named an image has pixels (PS3.6 table A-1, PS3.3 A.1.4), and so do those of these.
_OTHER_IMAGES = (
    uid.SegmentationStorage, "1.2.840.10008.5.1.4.1.1.66.7", uid.ParametricMapStorage, uid.EnhancedUSVolumeStorage,
    uid.OphthalmicThicknessMapStorage, uid.CornealTopographyMapStorage,
)  # fmt: skip
_NAMES = {one: uid.UID(one).name for one in storage_sop_classes()}


def _classes(word: str, *others: str) -> frozenset[bytes]:
    return frozenset(one.encode() for one in (*others, *(one for one, name in _NAMES.items() if word in name)))


_LACKING = (
    (KINDS_OF_PIXELS, _classes(" Image Storage", *_OTHER_IMAGES), "it is an image without Pixel Data"),
    (frozenset({_DOCUMENT}), _classes("Encapsulated "), "it is a document without Encapsulated Document"),
    (
        frozenset({_CONTENT}),
        _classes(" SR Storage", uid.KeyObjectSelectionDocumentStorage, uid.ProcedureLogStorage),
        "it is a structured report without Content Sequence",
    ),
    (frozenset({_WAVEFORM}), _classes(" Waveform Storage"), "it is a waveform without Waveform Sequence"),
)
PARTS = frozenset[int]().union(*(tags for tags, _, _ in _LACKING))


@dataclass(slots=True)
class Extent:
    """How far a walk over a data set came: its last element and where that ends, and the pixels that it met.

    `broke_off` says where the bytes ended too early, empty where they did not. `pixels` is the length of Pixel Data of
    any kind, None where there is none, and `kind` its tag. `parts` are those of PARTS that it met. `fragments` counts
    those of compressed pixels that hold anything, and their offset table. `ascending` is whether each tag is higher
    than the one before (PS3.5 7.1); `unseen` is whether more follows than is ever looked at.
    """

    last: int = 0
    end: int = 0
    pixels: int | None = None
    kind: int = 0
    parts: set[int] = field(default_factory=set)
    fragments: int = 0
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
    if said := _lacking(extent, found, transfer_syntax):
        return said
    if extent.fragments:
        return _of_fragments(extent.fragments - 1, frames) if transfer_syntax in _A_FRAGMENT_A_FRAME else ""
    if extent.pixels is None or contradiction(extent, transfer_syntax):
        return ""  # how long they are says nothing then
    wanted = _wanted(found, frames, transfer_syntax)
    return f"its {_KINDS[extent.kind]} has {extent.pixels} bytes of {wanted}" if extent.pixels < wanted else ""


def surplus(extent: Extent, found: Mapping[int, bytes], frames: int, transfer_syntax: str) -> str:
    """How much longer native pixels are than `frames` of them; empty where less than a frame is over, which is padding.

    Scanners leave more of that than the one byte that PS3.5 8.1.1 lets them.
    """
    if transfer_syntax not in _NATIVE or extent.pixels is None or extent.fragments:
        return ""
    wanted = _wanted(found, frames, transfer_syntax, sampled=False)
    over = extent.pixels - wanted
    if not wanted or over < max(-(-wanted // frames), _PADDING):
        return ""
    return f"its {_KINDS[extent.kind]} has {extent.pixels} bytes and its header tells of {wanted} ({frames} frames)"


def contradiction(extent: Extent, transfer_syntax: str) -> str:
    """How whole pixels are against the transfer syntax that was agreed on (PS3.5 A.4); empty where they are not."""
    if transfer_syntax in _NATIVE and extent.fragments:
        return "its Pixel Data is in fragments, as its transfer syntax has none"
    if transfer_syntax in _A_FRAGMENT_A_FRAME and extent.kind == PIXELS and not extent.fragments:
        return "its Pixel Data is not in fragments, as its transfer syntax has it"
    return ""


def _of_fragments(fragments: int, frames: int) -> str:
    return f"its Pixel Data has {fragments} fragments for {frames} frames" if fragments < frames else ""


def _lacking(extent: Extent, found: Mapping[int, bytes], transfer_syntax: str) -> str:
    sop_class = found.get(SOP_CLASS, b"").strip(b"\0 ")
    for tags, classes, said in _LACKING:
        wanted = sop_class in classes
        if tags is KINDS_OF_PIXELS:  # of other classes, what describes pixels has them
            # In other syntaxes, such as JPIP, pixels may be somewhere else.
            here = transfer_syntax in _NATIVE or transfer_syntax in _A_FRAGMENT_A_FRAME
            wanted = here and (wanted or (PHOTOMETRIC in found and _wanted(found, 1, transfer_syntax) > 0))
        if wanted and not tags & extent.parts:
            return said
    return ""


def _wanted(found: Mapping[int, bytes], frames: int, transfer_syntax: str, sampled: bool = True) -> int:
    """How many bytes of pixels that are not compressed make so many frames; 0 where it does not say.

    Unless `sampled`, with all colours of each pixel, as some writers leave them under a name that says otherwise.
    """
    order: Literal["big", "little"] = "big" if transfer_syntax == EXPLICIT_BIG else "little"
    samples, rows, columns, bits = (int.from_bytes(found.get(tag, b"")[:2], order) for tag in TAGS)
    fewer = sampled and samples == 3
    sixths = _SIXTHS.get(found.get(PHOTOMETRIC, b"").strip(b"\0 "), 6) if fewer else 6
    return -(-frames * rows * columns * bits * samples * sixths // 48)
