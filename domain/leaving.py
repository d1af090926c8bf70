"""What may leave, and by which way out: one function and one table, for everything that goes beyond the node's rooms.

Deny by default: a field, an attribute or a slot that is not on the list of its way does not leave, whatever it holds.
What a value that is on a list may be, its own room judges: words and codes of facts `summary.allowed`, attributes of an
export `dicom_node.deidentification`, words of settings `config.masking`, pixels `inference_worker.burned_in`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from domain.exported_attributes import ATTRIBUTES

T = TypeVar("T")


class WayOut(StrEnum):
    """Where something goes that the node sends, writes or hands over."""

    MODEL = "model"  # attributes of images that a model package's process makes its input of
    LANGUAGE_MODEL = "language model"  # what a fact says, by the slots of docs/language-models.md
    LOG = "log"  # fields beside the fixed text of a line
    EXPORT = "export"  # attributes of a de-identified object


_PIXELS = """
    ImageType SOPClassUID SOPInstanceUID Modality SeriesInstanceUID FrameOfReferenceUID InstanceNumber
    ImagePositionPatient ImageOrientationPatient PixelSpacing SamplesPerPixel PhotometricInterpretation
    NumberOfFrames Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation RescaleIntercept
    RescaleSlope RescaleType ModalityLUTSequence SharedFunctionalGroupsSequence
    PerFrameFunctionalGroupsSequence ExtendedOffsetTable ExtendedOffsetTableLengths PixelData SeriesNumber
    WindowCenter WindowWidth VOILUTFunction VOILUTSequence ImagerPixelSpacing BurnedInAnnotation
"""
_LOG = """
    address asked_for association away_s bytes calling category child count dead_letter destination error first
    floor_bytes folder frames free_bytes group job kind library lines method model models ms objects outcome
    place port provider reason receiver record refused request route row rows seconds settings source status
    stored study summary tries version was_at words
"""

#: The lists. Names, ids, birth dates, accession numbers and request texts of patients are on none.
ALLOWED: Mapping[WayOut, frozenset[str]] = {
    WayOut.MODEL: frozenset(_PIXELS.split()),
    WayOut.LANGUAGE_MODEL: frozenset(("finding", "place", "amount", "change", "score", "count")),
    WayOut.LOG: frozenset(_LOG.split()),
    WayOut.EXPORT: ATTRIBUTES,
}


def may_leave(way: WayOut, name: str) -> bool:
    """Whether what has this name may go this way."""
    return name in ALLOWED[way]


def leaving(way: WayOut, fields: Mapping[str, T]) -> dict[str, T]:
    """Of `fields` those that may go this way."""
    return {name: value for name, value in fields.items() if may_leave(way, name)}


def names_leaving(way: WayOut, names: Iterable[str]) -> list[str]:
    """Of `names` those that may go this way, in their order."""
    return [name for name in names if may_leave(way, name)]
