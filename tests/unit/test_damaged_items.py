"""Items that end within a tag, and elements of a VR that nobody knows: damage is told as damage, and hides no other."""

import struct
from pathlib import Path

import pytest

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import is_there, items_of, text_of
from dicom_node.attributes.values import fault
from dicom_node.part10 import head
from domain.errors import UnusableInput

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
UID = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", 4) + b"1.2\0"
# An element without a VR that is known, of undefined length: pydicom looks for items, and finds no tag.
NO_TAG = struct.pack("<HHI", 0x0008, 0x1199, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\x02\x00\x00\x00ab"
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, len(NO_TAG)) + NO_TAG
NESTED = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, len(ITEM)) + ITEM
NO_VR = struct.pack("<HH2sHI", 0x0008, 0x103E, b"EA", 0, 0)


def file(folder: Path, data: bytes) -> Path:
    made = folder / "file.dcm"
    made.write_bytes(head(CT, "1.2", EXPLICIT) + data)
    return made


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_whose_items_end_within_a_tag_is_damaged_and_not_to_be_opened_again(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="cut short or damaged"):
        opened(file(tmp_path, UID + NO_TAG), "a file", ["SOPInstanceUID", 0x0008_1199])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_sequence_whose_items_end_within_a_tag_has_none_and_hides_no_other(tmp_path: Path) -> None:
    dataset = opened(file(tmp_path, UID + NESTED), "a file", ["SOPInstanceUID", "ReferencedSeriesSequence"])
    assert (text_of(dataset, "SOPInstanceUID"), list(items_of(dataset, "ReferencedSeriesSequence"))) == ("1.2", [])


def test_an_element_of_no_known_vr_and_no_value_is_none_and_hides_no_other(tmp_path: Path) -> None:
    dataset = opened(file(tmp_path, UID + NO_VR), "a file", ["SOPInstanceUID", "SeriesDescription"])
    assert (text_of(dataset, "SOPInstanceUID"), text_of(dataset, "SeriesDescription")) == ("1.2", "")
    assert not is_there(dataset, "SeriesDescription")
    assert fault(dataset, "SeriesDescription")
