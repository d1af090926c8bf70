"""What is not whole is told from what is, wherever it ends, in every encoding; what only looks odd is whole."""

import struct
import zlib

import pytest
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom_node import deflated as deflating
from dicom_node import elements, streamed
from dicom_node.elements import DEFLATED, EXPLICIT_BIG
from dicom_node.intake import repeated
from dicom_node.intake.faults import Fault
from dicom_node.intake.header import Uids, UnreadableHeader, read_header, read_pieces
from dicom_node.streamed import Pieces
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
JPEG_LS, MPEG = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.102"
SIDE = 16
PIXELS = SIDE * SIDE * 2
SQ_END, ITEM_END = b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xfe\xff\x0d\xe0\0\0\0\0"
ITEM_OPEN = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
INNER = b"\x08\x00\x50\x11UI\x04\x001.9\0"


def image(**values: object) -> Dataset:
    dataset = Phantom(size=(SIDE, SIDE), slices=3, study="whole").datasets()[0]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def written(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = syntax == IMPLICIT, syntax != EXPLICIT_BIG
    write_dataset(file, dataset)
    return file.getvalue()


def compressed(frames: int, fragments: int) -> bytes:
    dataset = image(NumberOfFrames=frames)
    del dataset.PixelData
    value = encapsulate([bytes(20)] * fragments, has_bot=False)
    return written(dataset) + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + value + SQ_END


def of_class(sop_class: str, **values: object) -> bytes:
    """An instance that ends before group 0028, with what `values` have behind it."""
    head = written(image(SOPClassUID=sop_class)).partition(b"\x28\x00\x02\x00")[0]
    behind = Dataset()
    for keyword, value in values.items():
        setattr(behind, keyword, value)
    return head + written(behind)


def floats(keyword: str, bits: int, length: int) -> bytes:
    dataset = image(SOPClassUID=uid.ParametricMapStorage, BitsAllocated=bits)
    del dataset.PixelData
    setattr(dataset, keyword, bytes(length))
    return written(dataset)


def deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def in_pieces(data: bytes, length: int) -> Pieces:
    return lambda: (data[at : at + length] for at in range(0, len(data), length))


def behind(vr: bytes, content: bytes) -> bytes:
    """A whole image, then a private element of undefined length."""
    return written(image()) + b"\xf1\x7f\x10\x10" + vr + b"\0\0\xff\xff\xff\xff" + content


WHOLE = {
    "native": (written(image()), EXPLICIT),
    "implicit": (written(image(), IMPLICIT), IMPLICIT),
    "big endian": (written(image(), EXPLICIT_BIG), EXPLICIT_BIG),
    "deflated": (deflated(written(image())), DEFLATED),
    "deflated, padded": (deflated(written(image())) + b"\0", DEFLATED),
    "more pixels than asked for": (written(image(PixelData=bytes(PIXELS + 2))), EXPLICIT),
    "a pad within the pixels": (written(image(PixelData=bytes(PIXELS + 128))), EXPLICIT),
    "all colours under a name that says otherwise": (
        written(
            image(
                SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422", BitsAllocated=8, NumberOfFrames=4,
                PixelData=bytes(SIDE * SIDE * 3 * 4),
            )
        ),
        EXPLICIT,
    ),
    "floats": (floats("FloatPixelData", 32, SIDE * SIDE * 4), EXPLICIT),
    "double floats": (floats("DoubleFloatPixelData", 64, SIDE * SIDE * 8), EXPLICIT),
    "a document": (of_class(uid.EncapsulatedPDFStorage, EncapsulatedDocument=b"%PDF"), EXPLICIT),
    "a report": (of_class(uid.Comprehensive3DSRStorage, ContentSequence=[Dataset()]), EXPLICIT),
    "a waveform": (of_class(uid.TwelveLeadECGWaveformStorage, WaveformSequence=[Dataset()]), EXPLICIT),
    "a report of undefined length": (
        of_class(uid.EnhancedSRStorage)
        + b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff" + ITEM_OPEN + INNER + ITEM_END + SQ_END,
        EXPLICIT,
    ),
    "a dose without a grid": (of_class(uid.RTDoseStorage, DoseSummationType="PLAN"), EXPLICIT),
    "a pad of few bytes": (written(image()) + b"\0", EXPLICIT),
    "a stray byte": (written(image()) + b"\n", EXPLICIT),
    "stray bytes": (written(image()) + b"abcdefg", EXPLICIT),
    "stray bytes, implicit": (written(image(), IMPLICIT) + b"\1\2\3", IMPLICIT),
    "stray bytes, big endian": (written(image(), EXPLICIT_BIG) + b"\1\2\3", EXPLICIT_BIG),
    "stray bytes, deflated": (deflated(written(image()) + b"abc"), DEFLATED),
    "stray bytes behind fragments": (compressed(1, 1) + b"abc", JPEG_LS),
    "stray bytes behind floats": (floats("FloatPixelData", 32, SIDE * SIDE * 4) + b"abc", EXPLICIT),
    "a pad of a block": (written(image()) + bytes(2048), EXPLICIT),
    "trailing padding": (written(image()) + b"\xfc\xff\xfc\xffOB\0\0\x10\0\0\0" + bytes(16), EXPLICIT),
    "what is odd behind the pixels": (written(image()) + b"\xfe\xff\x00\xe0\x04\0\0\0abcd", EXPLICIT),
    "colours for every second pixel": (
        written(
            image(
                SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422", BitsAllocated=8,
                PixelData=bytes(SIDE * SIDE * 2),
            )
        ),
        EXPLICIT,
    ),
    "bits": (written(image(BitsAllocated=1, PixelData=bytes(SIDE * SIDE // 8))), EXPLICIT),
    "a fragment a frame": (compressed(3, 3), JPEG_LS),
    "several fragments a frame": (compressed(1, 4), JPEG_LS),
    "a video in one fragment": (compressed(300, 1), MPEG),
    "a sequence with its end": (behind(b"SQ", ITEM_OPEN + INNER + ITEM_END + SQ_END), EXPLICIT),
    "a sequence whose item has no end": (behind(b"SQ", ITEM_OPEN + INNER + SQ_END), EXPLICIT),
    "what is no image": (
        written(image()).partition(b"\x28\x00\x02\x00")[0].replace(b"1.1.2\0", b"1.66\0\0"), EXPLICIT
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_is_filed_however_odd_it_looks(name: str) -> None:
    data, syntax = WHOLE[name]
    assert read_header(data, syntax, whole=True) == read_header(data, syntax)


CUT: dict[str, tuple[bytes, str, str]] = {
    "native pixels that end early": (written(image())[:-100], EXPLICIT, r"ends within \(7FE0,0010\)"),
    "implicit pixels that end early": (written(image(), IMPLICIT)[:-1], IMPLICIT, r"ends within \(7FE0,0010\)"),
    "big endian pixels that end early": (written(image(), EXPLICIT_BIG)[:-1], EXPLICIT_BIG, "ends within"),
    "pixels shorter than rows and columns": (written(image(PixelData=bytes(PIXELS - 2))), EXPLICIT, "510 bytes of 512"),
    "pixels of big endian shorter": (written(image(PixelData=b"\0\0"), EXPLICIT_BIG), EXPLICIT_BIG, "2 bytes of 512"),
    "pixels of no bytes": (written(image(PixelData=b"")), EXPLICIT, "0 bytes of 512"),
    "no pixels": (written(image()).partition(b"\xe0\x7f\x10\x00")[0], EXPLICIT, "an image without Pixel Data"),
    "floats that end early": (floats("FloatPixelData", 32, 80), EXPLICIT, "its Float Pixel Data has 80 bytes of 1024"),
    "double floats that end early": (
        floats("DoubleFloatPixelData", 64, 1024), EXPLICIT, "its Double Float Pixel Data has 1024 bytes of 2048"
    ),
    "pixels under another tag": (written(image()).replace(b"\xe0\x7f\x10\0", b"\xe1\x7f\x10\0"), EXPLICIT, "without"),
    "within the pixels' own head": (written(image())[: -PIXELS - 5], EXPLICIT, "ends within what follows"),
    "stray bytes behind too few pixels": (written(image(PixelData=bytes(PIXELS - 2))) + b"abc", EXPLICIT, "510 bytes"),
    "stray bytes in an item": (behind(b"SQ", ITEM_OPEN + INNER + b"abc"), EXPLICIT, "ends within what follows"),
    "stray bytes where the pixels are due": (
        written(image()).partition(b"\xe0\x7f\x10\0")[0] + b"\xe0\x7f\x10", EXPLICIT, "ends within what follows"
    ),
    "frames beyond every byte": (written(image(NumberOfFrames=2_000_000_000)), EXPLICIT, "512 bytes of 1024000000000"),
    "deflated pixels that end early": (deflated(written(image())[:-100]), DEFLATED, r"ends within \(7FE0,0010\)"),
    "a deflated stream without its end": (deflated(written(image()))[:-2], DEFLATED, "no end|ends within"),
    "a fragment that ends early": (compressed(1, 1)[:-12], JPEG_LS, "ends within"),
    "fragments without their end": (compressed(1, 1)[:-8], JPEG_LS, r"ends within what follows \(FFFE,E000\)"),
    "fewer fragments than frames": (compressed(9, 3), JPEG_LS, "3 fragments for 9 frames"),
    "a fragment of nothing": (compressed(1, 1).replace(b"\x14\0\0\0" + bytes(20), bytes(4)), JPEG_LS, "0 fragments"),
    "no fragments": (compressed(1, 0), JPEG_LS, "0 fragments for 1 frames"),
    "an UN without an end": (behind(b"UN", ITEM_OPEN + b"\x08\0\0\x01\4\0\0\0X-17"), EXPLICIT, "ends within"),
    "a sequence without an end": (behind(b"SQ", ITEM_OPEN + INNER + ITEM_END), EXPLICIT, "ends within"),
    "an item without an end": (behind(b"SQ", ITEM_OPEN + INNER), EXPLICIT, "ends within"),
    "an item longer than all": (behind(b"SQ", b"\xfe\xff\x00\xe0\0\1\0\0" + INNER), EXPLICIT, "ends within"),
    "a deep item without an end": (
        behind(b"SQ", (ITEM_OPEN + b"\x08\x00\x11\x11SQ\0\0\xff\xff\xff\xff") * 5 + ITEM_OPEN + INNER + SQ_END),
        EXPLICIT,
        "ends within",
    ),
    "a private element that ends early": (
        written(image()) + b"\xf1\x7f\x10\x10OB\0\0\x10\0\0\0" + bytes(3), EXPLICIT, r"ends within \(7FF1,1010\)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_what_comes_in_pieces_of_any_size_is_read_as_what_is_held(name: str) -> None:
    data, syntax = WHOLE[name]
    for length in (1, 7, 1000):
        assert read_pieces(in_pieces(data, length), syntax, whole=True) == read_header(data, syntax, whole=True)


@pytest.mark.parametrize("name", CUT)
def test_what_is_cut_short_anywhere_is_not_filed_and_says_which_image_and_what_to_do(name: str) -> None:
    data, syntax, said = CUT[name]
    with pytest.raises(UnreadableHeader, match=said) as raised:
        read_header(data, syntax, whole=True)
    assert raised.value.fault is Fault.CUT_SHORT
    assert str(raised.value).startswith("image 1 is cut short: ")
    assert str(raised.value).endswith("; have it sent again")
    assert raised.value.uids == Uids(*(str(image()[key].value) for key in _UIDS))
    if syntax != JPEG_LS:  # nothing that must come in pieces is in fragments
        with pytest.raises(UnreadableHeader, match=said):
            read_pieces(in_pieces(data, 100), syntax, whole=True)


LONG = 5 << 20  # bytes; more than is ever held of what is inflated
BEFORE = {
    "(0009,1010)": b"\x10\x00\x10\x00PN",
    "(0021,1010)": b"\x28\x00\x02\x00US",
    "(0029,1010)": b"\xe0\x7f\x10\x00",
}


def with_private(tag: str, value: bytes, stated: int | None = None) -> bytes:
    """A whole image with a private value where its tag belongs, of stated or other length."""
    group, number = (int(one, 16) for one in tag.strip("()").split(","))
    head = struct.pack("<HH2sHI", group, number, b"OB", 0, len(value) if stated is None else stated)
    return written(image()).replace(BEFORE[tag], head + value + BEFORE[tag], 1)


@pytest.fixture
def short_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_MOST_READ_INFLATED", 1 << 20)


@pytest.mark.parametrize("tag", BEFORE)
def test_a_long_value_anywhere_before_the_pixels_is_passed_over_and_no_reason_to_set_an_image_aside(tag: str) -> None:
    data, plain = with_private(tag, bytes(LONG)), read_header(written(image()), EXPLICIT, whole=True)
    assert read_header(deflated(data), DEFLATED, whole=True) == plain
    assert read_pieces(in_pieces(data, 1 << 20), EXPLICIT) == plain
    with pytest.raises(UnreadableHeader, match="cut short"):
        read_header(deflated(data[:-100]), DEFLATED, whole=True)


def test_a_deflated_data_set_that_is_cut_within_a_value_that_is_counted_by_is_not_filed() -> None:
    dose = image()
    dose.GridFrameOffsetVector = [round(0.37 * k * k, 3) for k in range(400)]
    data = deflated(written(dose))
    read_header(data, DEFLATED, whole=True)
    for end in range(len(data) - 2, len(data) // 4, -23):
        with pytest.raises(UnreadableHeader):
            read_header(data[:end], DEFLATED, whole=True)


def test_elements_of_private_and_repeating_groups_cost_no_look_through_the_dictionary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def looked_through(tag: int) -> bool:
        asked.append(tag)
        return False

    monkeypatch.setattr(repeated, "repeater_has_tag", looked_through)
    repeated._repeats.cache_clear()
    many = b"".join(struct.pack("<HH2sH", group, 0x1234, b"LO", 0) for group in (0x0021, 0x6000) * 500)
    read_header(written(image()).replace(BEFORE["(0029,1010)"], many + BEFORE["(0029,1010)"], 1), EXPLICIT, whole=True)
    repeated._repeats.cache_clear()
    assert len(asked) <= 1


def test_a_header_that_no_bound_holds_is_called_too_long_and_not_cut_short(short_headers: None) -> None:
    small = (struct.pack("<HH2sH", 0x0021, 0x1010, b"LO", 1000) + bytes(1000)) * 3000
    pixels = written(image()).replace(BEFORE["(0021,1010)"], small + BEFORE["(0021,1010)"], 1)
    of_no_length = with_private("(0021,1010)", ITEM_OPEN + small + ITEM_END + SQ_END, 0xFFFF_FFFF)
    for data, said in ((pixels, "longer than 1 MiB"), (of_no_length, "longer than 1 MiB")):
        with pytest.raises(UnreadableHeader, match=f"its header .*{said}") as raised:
            read_header(deflated(data), DEFLATED, whole=True)
        assert raised.value.fault is Fault.TOO_LONG
        assert raised.value.uids.study == image().StudyInstanceUID


def test_what_is_behind_all_that_is_wanted_and_too_long_to_be_looked_at_is_filed(short_headers: None) -> None:
    small = (struct.pack("<HH2sH", 0x0029, 0x1010, b"LO", 1000) + bytes(1000)) * 3000
    data = written(image()).replace(BEFORE["(0029,1010)"], small + BEFORE["(0029,1010)"], 1)
    assert read_header(deflated(data), DEFLATED, whole=True).instance_number == 1
    with pytest.raises(UnreadableHeader, match="no end") as raised:
        read_header(deflated(data)[:-2], DEFLATED, whole=True)
    assert raised.value.fault is Fault.CUT_SHORT


def test_a_deflated_data_set_is_judged_to_its_end_however_much_it_inflates_to() -> None:
    head, _, tail = with_private("(0029,1010)", b"<value>", 129 << 20).partition(b"<value>")
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    begun = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    begun += (deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)) * 129
    whole = begun + deflated(tail)
    assert read_header(whole, DEFLATED, whole=True).instance_number == 1
    for cut in (begun + deflated(tail[:-100]), whole[:-2]):
        with pytest.raises(UnreadableHeader) as raised:
            read_header(cut, DEFLATED, whole=True)
        assert raised.value.fault is Fault.CUT_SHORT


def test_a_deflated_data_set_that_inflates_beyond_any_that_is_sent_is_set_aside_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deflating, "MOST", 3 << 20)
    for tag in BEFORE:
        with pytest.raises(UnreadableHeader, match="more than 3 MiB; have it sent without being deflated") as raised:
            read_header(deflated(with_private(tag, bytes(LONG))), DEFLATED, whole=True)
        assert raised.value.fault is Fault.TOO_MUCH
        assert raised.value.uids.study == ("" if tag < "(0020" else image().StudyInstanceUID)


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
@pytest.mark.parametrize("tag", BEFORE)
def test_an_instance_of_more_elements_than_are_read_is_set_aside_and_counted_to_its_study_where_that_is_known(
    tag: str, syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "MOST_STEPS", 1000)
    packed = deflated if syntax == DEFLATED else bytes
    for number, fault in ((900, None), (1100, Fault.TOO_MUCH)):
        many = b"".join(struct.pack("<HH2sH", int(tag[1:5], 16), one, b"LO", 0) for one in range(number))
        data = packed(written(image()).replace(BEFORE[tag], many + BEFORE[tag], 1))
        if fault is None:
            assert read_header(data, syntax, whole=True).instance_number == 1
            continue
        with pytest.raises(UnreadableHeader, match="more elements than are read") as raised:
            read_header(data, syntax, whole=True)
        assert raised.value.fault is fault
        assert raised.value.uids.study == ("" if tag < "(0020" else image().StudyInstanceUID)


def test_what_is_deflated_takes_no_more_steps_than_what_was_sent_of_it_is_worth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = ITEM_OPEN + b"\x20\x00\x32\x00DS\0\0" + ITEM_END
    groups = b"\x00\x52\x30\x92SQ\0\0\xff\xff\xff\xff" + item * 20_000 + SQ_END
    data = written(image()).replace(b"\xe0\x7f\x10\x00", groups + b"\xe0\x7f\x10\x00", 1)
    assert read_header(data, EXPLICIT, whole=True).instance_number == 1
    assert read_header(deflated(data), DEFLATED, whole=True).instance_number == 1
    monkeypatch.setattr(deflating, "_FREE_STEPS", 1000)
    with pytest.raises(UnreadableHeader, match="more elements than are read"):
        read_header(deflated(data), DEFLATED, whole=True)


def test_sequences_whose_items_overlap_are_given_up_after_what_their_bytes_are_worth() -> None:
    overlapping = b"\x00\x52\x30\x92SQ\0\0\x10\0\0\0" + b"\xfe\xff\x00\xe0\0\0\0\x40"
    overlapping += b"\xf1\x51\x10\x10LO\0\0"
    data = written(image()).replace(b"\xe0\x7f\x10\x00", overlapping * 20_000 + b"\xe0\x7f\x10\x00", 1)
    with pytest.raises(UnreadableHeader, match="more elements than are read"):
        read_header(data, EXPLICIT, whole=True)


@pytest.mark.parametrize("tag", [0x0010_0021, 0x0018_1210])
def test_a_value_that_the_index_keeps_is_no_longer_than_any_that_is_meant(tag: int) -> None:
    data, place = written(image(), IMPLICIT), b"\x28\x00\x02\x00"

    def holding(length: int) -> bytes:
        value = struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length) + b"x" * length
        return data.replace(place, value + place, 1)

    assert read_header(holding(1 << 16), IMPLICIT, whole=True).instance_number == 1
    with pytest.raises(UnreadableHeader, match="is longer than 65536 bytes") as raised:
        read_header(holding((1 << 16) + 2), IMPLICIT, whole=True)
    assert (raised.value.fault, raised.value.uids.study) == (Fault.TOO_LONG, image().StudyInstanceUID)


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
@pytest.mark.parametrize("opened", [False, True])
def test_sequences_that_are_looked_into_are_once_however_many_follow_each_other(
    opened: bool, syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elements, "MOST_STEPS", 20_000)
    empty = b"\x00\x52\x29\x92SQ\0\0" + (b"\xff\xff\xff\xff" + SQ_END if opened else bytes(4))
    data = written(image()).replace(b"\xe0\x7f\x10\x00", empty * 2000 + b"\xe0\x7f\x10\x00", 1)
    assert read_header(deflated(data) if syntax == DEFLATED else data, syntax, whole=True).instance_number == 1


@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_an_instance_whose_nested_elements_cannot_be_told_from_its_own_is_set_aside_and_counted_to_no_study(
    syntax: str,
) -> None:
    nested = b"\x20\x00\x0d\x00UI\x04\x001.9\0"
    content = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff" + ITEM_OPEN + INNER + bytes(8) + nested + ITEM_END + SQ_END
    data = written(image()).replace(b"\x10\x00\x10\x00PN", content + b"\x10\x00\x10\x00PN", 1)
    long = struct.pack("<HH2sHI", 0x0029, 0x1010, b"OB", 0, 3 << 20) + bytes(3 << 20)
    for one in (data, data.replace(nested, nested + long, 1)):  # within one piece, and over several
        with pytest.raises(UnreadableHeader, match=r"what belongs to \(0008,1110\) cannot be told") as raised:
            read_header(deflated(one) if syntax == DEFLATED else one, syntax, whole=True)
        assert (raised.value.fault, raised.value.uids) == (Fault.ENCODING, Uids())


TWICE = {
    "RescaleSlope": (3, "Rescale Slope (0028,1053)"),
    "ImagePositionPatient": ([500, 500, 0], "Image Position (Patient) (0020,0032)"),
    "Rows": (8, "Rows (0028,0010)"),
    "BitsStored": (8, "Bits Stored (0028,0101)"),
    "PixelData": (bytes(range(256)) * (PIXELS // 256), "Pixel Data (7FE0,0010)"),
    "PatientID": ("other", "Patient ID (0010,0020)"),
}


@pytest.mark.parametrize("keyword", TWICE)
@pytest.mark.parametrize("syntax", [EXPLICIT, DEFLATED])
def test_an_attribute_that_stands_twice_with_different_values_is_read_by_neither(keyword: str, syntax: str) -> None:
    value, said = TWICE[keyword]
    other, same = Dataset(), Dataset()
    setattr(other, keyword, value)
    same[keyword] = image()[keyword]
    if keyword == "PixelData":
        other["PixelData"].VR = "OW"
    packed = deflated if syntax == DEFLATED else bytes
    for data in (written(other) + written(image()), written(image()) + written(other)):
        with pytest.raises(UnreadableHeader) as raised:
            read_header(packed(data), syntax, whole=True)
        assert str(raised.value) == f"{said} is there twice, with different values"
        assert raised.value.fault is Fault.CONTRADICTION
    assert read_header(packed(written(image()) + written(same)), syntax, whole=True).instance_number == 1


def test_what_is_private_or_padding_may_stand_twice() -> None:
    twice = b"".join(b"\xf1\x7f\x10\x10LO\2\0" + value for value in (b"a ", b"b "))
    padding = b"".join(b"\xfc\xff\xfc\xffOB\0\0" + bytes((length, 0, 0, 0)) + bytes(length) for length in (2, 4))
    assert read_header(written(image()) + twice + padding, EXPLICIT, whole=True).instance_number == 1


_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, EXPLICIT_BIG])
def test_every_cut_of_an_image_is_seen(syntax: str) -> None:
    data = written(image(), syntax)
    for length in range(8, len(data), 5):
        with pytest.raises(UnreadableHeader, match=r"cut short|missing|not a UID|no DICOM data set"):
            read_header(data[:length], syntax, whole=True)
    assert read_header(data, syntax, whole=True).instance_number == 1


IMAGES = (
    uid.CTImageStorage, uid.EnhancedMRImageStorage, uid.XRayAngiographicImageStorage, uid.UltrasoundImageStorage,
    uid.UltrasoundMultiFrameImageStorage, uid.NuclearMedicineImageStorage, uid.SegmentationStorage,
    uid.BreastTomosynthesisImageStorage, uid.VLWholeSlideMicroscopyImageStorage, uid.RTImageStorage,
    uid.ParametricMapStorage, uid.OphthalmicTomographyImageStorage, uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
)  # fmt: skip


@pytest.mark.parametrize(
    ("sop_class", "said"),
    [
        *[(one, "an image without Pixel Data") for one in IMAGES],
        (uid.EncapsulatedPDFStorage, "a document without Encapsulated Document"),
        (uid.Comprehensive3DSRStorage, "a structured report without Verification Flag and content"),
        (uid.KeyObjectSelectionDocumentStorage, "a selection of objects without Content Sequence"),
        (uid.TwelveLeadECGWaveformStorage, "a waveform without Waveform Sequence"),
    ],
)
def test_what_ends_before_that_which_its_class_is_there_for_is_cut_short(sop_class: str, said: str) -> None:
    with pytest.raises(UnreadableHeader, match=f"image 1 is cut short: it is {said}; have it sent again") as raised:
        read_header(of_class(sop_class), EXPLICIT, whole=True)
    assert raised.value.fault is Fault.CUT_SHORT


@pytest.mark.parametrize(
    ("data", "syntax"),
    [
        (written(image(PixelData=bytes(2 * PIXELS))), EXPLICIT),
        (written(image(NumberOfFrames=80, PixelData=bytes(81 * PIXELS))), EXPLICIT),
        (written(image(NumberOfFrames=80, PixelData=bytes(160 * PIXELS)), IMPLICIT), IMPLICIT),
        (written(image(PixelData=bytes(2 * PIXELS)), EXPLICIT_BIG), EXPLICIT_BIG),
        (deflated(written(image(PixelData=bytes(2 * PIXELS)))), DEFLATED),
        (floats("FloatPixelData", 32, 2 * SIDE * SIDE * 4), EXPLICIT),
    ],
)
def test_a_frame_more_than_the_header_tells_of_is_not_passed_over(data: bytes, syntax: str) -> None:
    with pytest.raises(UnreadableHeader, match=r"image 1 has more pixels than .*: its .* correct") as got:
        read_header(data, syntax, whole=True)
    assert got.value.fault is Fault.SURPLUS


def test_pixels_are_not_counted_against_a_number_of_frames_that_says_nothing() -> None:
    data = written(image(NumberOfFrames=10, PixelData=bytes(10 * PIXELS))).replace(b"IS\x02\x0010", b"IS\x02\x001A")
    assert read_header(data, EXPLICIT, whole=True).frames == 1


@pytest.mark.parametrize(
    ("data", "syntax"), [(written(image()), JPEG_LS), (compressed(1, 1), EXPLICIT), (compressed(2, 2), IMPLICIT)]
)
def test_whole_pixels_in_another_transfer_syntax_than_the_stated_are_not_filed(data: bytes, syntax: str) -> None:
    with pytest.raises(UnreadableHeader, match="image 1 cannot be decoded: its Pixel Data is") as raised:
        read_header(data, syntax, whole=True)
    assert raised.value.fault is Fault.ENCODING


def test_bytes_among_which_nothing_of_an_instance_stands_are_no_data_set() -> None:
    for data in (b"\x93\x11" * 200, b"GIF89a" + bytes(300), struct.pack("<HH2sHI", 0x7777, 1, b"UN", 0, 4) + b"abcd"):
        with pytest.raises(UnreadableHeader, match="it is no DICOM data set") as raised:
            read_header(data, EXPLICIT, whole=True)
        assert raised.value.fault is Fault.NO_DATA_SET


def test_an_enhanced_image_and_its_kin_are_whole() -> None:
    for one in (Phantom(size=(16, 16), slices=4).enhanced(), *Phantom(size=(8, 8), slices=2).datasets()):
        assert read_header(encoded(one), EXPLICIT, whole=True).sop_uid == one.SOPInstanceUID
