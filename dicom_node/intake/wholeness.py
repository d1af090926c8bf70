"""Whether a data set came whole: what it states of itself against what there is of it (PS3.5 7.1, 8.1.1 and A.4).

A sender whose disk was full, or whose copy broke off, sends what it has and is told success: only the bytes tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dicom_node.elements import EXPLICIT_BIG, tag_name
from dicom_node.intake import contents
from dicom_node.intake.contents import COLUMNS, KINDS_OF_PIXELS, NAMES_OF_PIXELS, PIXELS, ROWS, SOP_CLASS

SAMPLES, PHOTOMETRIC, BITS = 0x0028_0002, 0x0028_0004, 0x0028_0100
TAGS = (SAMPLES, ROWS, COLUMNS, BITS)
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


@dataclass(slots=True)
class Extent:
    """How far a walk over a data set came: its last element and where that ends, and the pixels that it met.

    `broke_off` says where the bytes ended too early, empty where they did not. `pixels` is the length of Pixel Data of
    any kind, None where there is none, and `kind` its tag. `parts` are those of contents.PARTS that it met, `values`
    what counts anything and `lengths` of what is counted in bytes; `inside` is where it met sequences that are looked
    into, and `short` what one of them lacks. `fragments` counts those of compressed pixels that hold anything, and
    their offset table. `ascending` is whether each tag is higher than the one before (PS3.5 7.1); `unseen` is whether
    more follows than is ever looked at.
    """

    last: int = 0
    end: int = 0
    pixels: int | None = None
    kind: int = 0
    parts: set[int] = field(default_factory=set)
    values: dict[int, bytes] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)
    inside: set[int] = field(default_factory=set)
    short: str = ""
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
    if said := _lacking(extent, found, transfer_syntax) or _uncounted(extent, found, transfer_syntax):
        return said
    if extent.fragments:
        return _of_fragments(extent.fragments - 1, frames) if transfer_syntax in _A_FRAGMENT_A_FRAME else ""
    if extent.pixels is None or contradiction(extent, transfer_syntax):
        return ""  # how long they are says nothing then
    wanted = _wanted(found, frames, transfer_syntax)
    return f"its {NAMES_OF_PIXELS[extent.kind]} has {extent.pixels} bytes of {wanted}" if extent.pixels < wanted else ""


def _uncounted(extent: Extent, found: Mapping[int, bytes], transfer_syntax: str) -> str:
    """What is shorter than it is counted to be, in a sequence or in the data set itself."""
    counts = {**found, **extent.values} if extent.lengths else {}
    return extent.short or contents.shortfall((), counts, extent.lengths, transfer_syntax == EXPLICIT_BIG)


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
    name = NAMES_OF_PIXELS[extent.kind]
    return f"its {name} has {extent.pixels} bytes and its header tells of {wanted} ({frames} frames)"


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
    # In other syntaxes, such as JPIP, pixels may be somewhere else.
    pixels = transfer_syntax in _NATIVE or transfer_syntax in _A_FRAGMENT_A_FRAME
    sop_class = found.get(SOP_CLASS, b"").strip(b"\0 ")
    for one in contents.of_class(sop_class):
        if (pixels or one.tags is not KINDS_OF_PIXELS) and not one.tags & extent.parts:
            return one.said
    described = pixels and contents.has_what_it_describes(sop_class) and PHOTOMETRIC in found
    described = described and _wanted(found, 1, transfer_syntax) > 0
    return "it is an image without Pixel Data" if described and not KINDS_OF_PIXELS & extent.parts else ""


def _wanted(found: Mapping[int, bytes], frames: int, transfer_syntax: str, sampled: bool = True) -> int:
    """How many bytes of pixels that are not compressed make so many frames; 0 where it does not say.

    Unless `sampled`, with all colours of each pixel, as some writers leave them under a name that says otherwise.
    """
    order: Literal["big", "little"] = "big" if transfer_syntax == EXPLICIT_BIG else "little"
    samples, rows, columns, bits = (int.from_bytes(found.get(tag, b"")[:2], order) for tag in TAGS)
    fewer = sampled and samples == 3
    sixths = _SIXTHS.get(found.get(PHOTOMETRIC, b"").strip(b"\0 "), 6) if fewer else 6
    return -(-frames * rows * columns * bits * samples * sixths // 48)
