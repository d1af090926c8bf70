"""Data elements as bytes: what a source wrote goes into a result unchanged, whatever its transfer syntax was.

Text is never decoded, so a value that its own character set cannot explain survives as well.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import correct_ambiguous_vr, write_data_element
from pydicom.tag import BaseTag

from dicom_node.attributes.reader import items_of
from dicom_node.attributes.values import raw_value, vr_of

# VRs with a 32 bit length in explicit VR encoding (PS3.5 table 7.1-1).
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
# Bytes of the unit in which a binary VR is byte-ordered; every other VR is a string of bytes.
_UNIT = {
    "AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
    "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip
_PADDED_WITH_NULL = frozenset({"OB", "UI", "UN"})
_ITEM = 0xFFFEE000


def encoded(dataset: Dataset) -> dict[int, bytes]:
    """Each top-level element of `dataset` in Explicit VR Little Endian, by tag. Its text has to be ASCII."""
    dataset = correct_ambiguous_vr(dataset, True)
    return {int(tag): _written(dataset, tag) for tag in dataset.keys()}  # noqa: SIM118  (iterating would convert)


def copied(source: Dataset, tags: Iterable[int]) -> dict[int, bytes]:
    """The elements of `source` with these tags as they were received, in Explicit VR Little Endian, by tag.

    Each has to be valid by itself, or legible (`attributes.values`).
    """
    return {tag: _explicit(source, BaseTag(tag)) for tag in tags}


def read(elements: Mapping[int, bytes]) -> Dataset:
    """The data set of elements that are encoded already."""
    return read_dataset(BytesIO(b"".join(merged(elements))), is_implicit_VR=False, is_little_endian=True)


def merged(*parts: Mapping[int, bytes]) -> list[bytes]:
    """The elements of a data set in the order of their tags; a later part replaces an earlier one's element."""
    elements: dict[int, bytes] = {}
    for part in parts:
        elements.update(part)
    return [elements[tag] for tag in sorted(elements)]


def empty(tag: int) -> bytes:
    """An element without value, in Explicit VR Little Endian."""
    return _element(tag, dictionary_VR(tag), b"")


def sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """A sequence of items whose elements are encoded already, in the order of their tags."""
    return _element(tag, "SQ", b"".join(map(_framed, items)))


def _written(dataset: Dataset, tag: BaseTag) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian = True
    out.is_implicit_VR = False
    write_data_element(out, dataset[tag])
    return out.getvalue()


def _explicit(dataset: Dataset, tag: BaseTag) -> bytes:
    raw = dataset.get_item(tag, keep_deferred=True)
    vr = vr_of(dataset, tag) or "UN"
    if vr == "SQ":
        return _element(tag, "SQ", b"".join(map(_item, items_of(dataset, tag))))
    if not isinstance(raw, RawDataElement):
        return _written(dataset, tag)
    value = raw_value(dataset, tag)
    if not raw.is_little_endian and _UNIT.get(vr, 1) > 1:
        value = b"".join(_units_reversed(value, _UNIT[vr]))
    return _element(tag, vr, value)


def _item(item: Dataset) -> bytes:
    return _framed(b"".join(_explicit(item, tag) for tag in sorted(item.keys())))


def _framed(content: bytes) -> bytes:
    return struct.pack("<HHL", _ITEM >> 16, _ITEM & 0xFFFF, len(content)) + content


def _units_reversed(value: bytes, size: int) -> Iterator[bytes]:
    return (value[start : start + size][::-1] for start in range(0, len(value), size))


def _element(tag: int, vr: str, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr in _PADDED_WITH_NULL else b" "
    # A value too long for a 16 bit length is written as UN (PS3.5 section 6.2.2 note 5).
    vr = "UN" if vr not in _LONG and len(value) > 0xFFFE else vr
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode("ascii"))
    length = struct.pack("<HL", 0, len(value)) if vr in _LONG else struct.pack("<H", len(value))
    return head + length + value
