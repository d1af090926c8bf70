"""In the sequences that somebody reads, and in overlays, an attribute that stands twice is read by neither."""

import struct
import zlib

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom_node.elements import DEFLATED, EXPLICIT_BIG
from dicom_node.intake.faults import Fault
from dicom_node.intake.header import UnreadableHeader, read_header
from tests.support.phantoms import Phantom

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
SYNTAXES = [EXPLICIT, IMPLICIT, EXPLICIT_BIG, DEFLATED]
POSITION, ORIENTATION, RESCALE = 0x0020_9113, 0x0020_9116, 0x0028_9145
SHARED, PER_FRAME = 0x5200_9229, 0x5200_9230
PIXELS = 0x7FE0_0010
UNDEFINED = 0xFFFF_FFFF


def written(dataset: Dataset, syntax: str) -> bytes:
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = syntax == IMPLICIT, syntax != EXPLICIT_BIG
    write_dataset(file, dataset)
    return file.getvalue()


def values(syntax: str, **given: object) -> bytes:
    made = Dataset()
    for keyword, value in given.items():
        setattr(made, keyword, value)
    return written(made, syntax)


def sequence(tag: int, syntax: str, *items: bytes, open_ended: bool = False) -> bytes:
    """A sequence of items with these bytes, whatever they say."""
    order = ">" if syntax == EXPLICIT_BIG else "<"

    def delimiter(number: int, length: int) -> bytes:
        return struct.pack(f"{order}HHI", 0xFFFE, number, length)

    if open_ended:
        content = b"".join(delimiter(0xE000, UNDEFINED) + one + delimiter(0xE00D, 0) for one in items)
        content += delimiter(0xE0DD, 0)
    else:
        content = b"".join(delimiter(0xE000, len(one)) + one for one in items)
    length = UNDEFINED if open_ended else len(content)
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    return head + (b"" if syntax == IMPLICIT else b"SQ\0\0") + struct.pack(f"{order}I", length) + content


def image(syntax: str, *groups: bytes) -> bytes:
    """An image of two frames, before whose pixels `groups` stand."""
    dataset = Phantom(size=(8, 8), slices=2, study="inside").enhanced()
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        delattr(dataset, keyword)
    pixels = Dataset()
    pixels["PixelData"] = dataset["PixelData"]
    del dataset.PixelData
    made = written(dataset, syntax) + b"".join(groups) + written(pixels, syntax)
    if syntax != DEFLATED:
        return made
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(made) + deflate.flush()


def refusal(data: bytes, syntax: str) -> str:
    with pytest.raises(UnreadableHeader) as raised:
        read_header(data, syntax, whole=True)
    assert raised.value.fault is Fault.CONTRADICTION
    return str(raised.value)


def position(syntax: str, *places: float) -> bytes:
    return b"".join(values(syntax, ImagePositionPatient=[0, 0, place]) for place in places)


@pytest.mark.parametrize("open_ended", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_attribute_that_stands_twice_in_a_functional_group_is_read_by_neither(syntax: str, open_ended: bool) -> None:
    def groups(*places: float) -> bytes:
        frames = (sequence(POSITION, syntax, position(syntax, *one), open_ended=open_ended) for one in ((0.0,), places))
        return sequence(PER_FRAME, syntax, *frames, open_ended=open_ended)

    assert refusal(image(syntax, groups(5, 7)), syntax) == (
        "Image Position (Patient) (0020,0032) is there twice in an item of Plane Position Sequence, "
        "with different values"
    )
    for places in ((5,), (5, 5)):
        assert read_header(image(syntax, groups(*places)), syntax, whole=True).frames == 2


@pytest.mark.parametrize("open_ended", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_sequence_that_stands_twice_is_read_by_neither_wherever_it_stands(syntax: str, open_ended: bool) -> None:
    one, other = (
        sequence(RESCALE, syntax, values(syntax, RescaleSlope=slope, RescaleIntercept=0), open_ended=open_ended)
        for slope in (1, 2)
    )
    inside = sequence(SHARED, syntax, one + other, open_ended=open_ended)
    assert refusal(image(syntax, inside), syntax).startswith(
        "Pixel Value Transformation Sequence (0028,9145) is there twice in an item of Shared Functional Groups Sequence"
    )
    outside = [sequence(SHARED, syntax, content, open_ended=open_ended) for content in (one, other)]
    said = refusal(image(syntax, *outside), syntax)
    assert said == "Shared Functional Groups Sequence (5200,9229) is there twice, with different values"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_stands_twice_in_a_table_of_values_or_among_drugs_is_read_by_neither(syntax: str) -> None:
    table = values(syntax, LUTExplanation="one") + values(syntax, LUTExplanation="two")
    drug = values(syntax, RadionuclideTotalDose=1) + values(syntax, RadionuclideTotalDose=2)
    for tag, content, said in (
        (0x0028_3010, table, "LUT Explanation (0028,3003) is there twice in an item of VOI LUT Sequence"),
        (0x0054_0016, drug, "Radionuclide Total Dose (0018,1074) is there twice in an item of Radiopharm"),
    ):
        assert said in refusal(image(syntax, sequence(tag, syntax, content)), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_several_items_frames_and_sequences_each_have_a_value_of_their_own(syntax: str) -> None:
    for open_ended in (False, True):
        frames = [
            sequence(POSITION, syntax, position(syntax, place), open_ended=open_ended)
            + sequence(ORIENTATION, syntax, values(syntax, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]))
            for place in (0.0, 3.0)
        ]
        shared = sequence(SHARED, syntax, sequence(RESCALE, syntax, values(syntax, RescaleSlope=1)))
        whole = image(syntax, shared, sequence(PER_FRAME, syntax, *frames, open_ended=open_ended))
        assert read_header(whole, syntax, whole=True).frames == 2


def test_what_is_no_sequence_under_the_tag_of_one_is_no_reason_to_set_an_image_aside() -> None:
    text = struct.pack("<HH2sH", 0x0054, 0x0016, b"LO", 8) + b"no items"
    odd = sequence(0x0054_0016, EXPLICIT, b"\xff" * 40)
    for one in (text, odd):
        assert read_header(image(EXPLICIT, one), EXPLICIT, whole=True).frames == 2


@pytest.mark.parametrize("group", [0x6000, 0x6002, 0x601E])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_overlay_that_states_its_rows_twice_is_read_by_neither(syntax: str, group: int) -> None:
    def rows(*numbers: int) -> bytes:
        made = []
        for number in numbers:
            overlay = Dataset()
            overlay.add_new(group << 16 | 0x0010, "US", number)
            made.append(written(overlay, syntax))
        return b"".join(made)

    assert refusal(image(syntax, rows(8, 4)), syntax) == (
        f"Overlay Rows ({group:04X},0010) is there twice, with different values"
    )
    assert read_header(image(syntax, rows(8, 8)), syntax, whole=True).frames == 2
