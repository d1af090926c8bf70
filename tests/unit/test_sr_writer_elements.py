import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sr_writer.encoding.elements import copied, empty, encoded, merged

NAME, COMMENTS = int(Tag("PatientName")), int(Tag("PatientComments"))
PREGNANCY, OTHER_IDS = int(Tag("PregnancyStatus")), int(Tag("OtherPatientIDsSequence"))


def joined(*parts: dict[int, bytes]) -> bytes:
    return b"".join(merged(*parts))


def received(dataset: Dataset, syntax: str) -> Dataset:
    """The data set as it comes out of a file of this transfer syntax: nothing converted yet."""
    out = io.BytesIO()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "2.25.1"
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    dcmwrite(out, dataset, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    out.seek(0)
    return dcmread(out)


def parsed(data: bytes) -> Dataset:
    return read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True)


@given(value=st.binary(max_size=300), vr=st.sampled_from(["PN", "LO", "SH", "LT", "ST", "DA", "AS", "UN"]))
def test_any_bytes_of_a_value_survive_but_for_one_byte_of_padding(value: bytes, vr: str) -> None:
    source = Dataset()
    source[COMMENTS] = RawDataElement(BaseTag(COMMENTS), vr, len(value), value, 0, False, True)
    written = parsed(joined(copied(source, [COMMENTS]))).get_item(COMMENTS)
    kept = value if vr == "UN" else value.rstrip(b"\0")  # some writers pad text with NULs
    assert (written.value or b"")[: len(kept)] == kept
    assert len(written.value or b"") == len(kept) + len(kept) % 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_numbers_texts_and_nested_items_mean_the_same_from_every_transfer_syntax(syntax: str) -> None:
    source = Dataset()
    source.PatientName = "Doe^Jane"
    source.PregnancyStatus = 0x0102
    item = Dataset()
    item.PatientID, item.TypeOfPatientID = "OTHER-1", "TEXT"
    source.OtherPatientIDsSequence = [item]
    result = parsed(joined(copied(received(source, syntax), [NAME, PREGNANCY, OTHER_IDS])))
    assert result.PatientName == "Doe^Jane"
    assert result.PregnancyStatus == 0x0102
    assert [other.PatientID for other in result.OtherPatientIDsSequence] == ["OTHER-1"]


def test_a_value_that_came_as_unknown_gets_the_vr_of_the_dictionary() -> None:
    source = Dataset()
    source[NAME] = RawDataElement(BaseTag(NAME), "UN", 8, b"Doe^Jane", 0, False, True)
    assert joined(copied(source, [NAME]))[4:6] == b"PN"


def test_a_value_too_long_for_a_short_length_is_written_as_unknown() -> None:
    source = Dataset()
    value = b"x" * 0x10000
    source[COMMENTS] = RawDataElement(BaseTag(COMMENTS), "LT", len(value), value, 0, True, True)
    data = joined(copied(source, [COMMENTS]))
    assert data[4:6] == b"UN"
    assert struct.unpack("<L", data[8:12])[0] == len(value)


def test_elements_are_joined_in_the_order_of_their_tags_and_the_later_part_wins() -> None:
    made, other = Dataset(), Dataset()
    made.Modality, made.PatientName = "SR", "Nobody"
    other.PatientName = "Doe^Jane"
    result = parsed(joined(encoded(made), encoded(other), {COMMENTS: empty(COMMENTS)}))
    assert [element.keyword for element in result] == ["Modality", "PatientName", "PatientComments"]
    assert result.PatientName == "Doe^Jane"
    assert result.PatientComments == ""
