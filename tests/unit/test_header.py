"""The header scanner is held to pydicom over every readable file of the test data."""

import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import _read_file_meta_info, read_preamble

from dicom_node.intake.frames import FramePlanes, frame_planes, spacing
from dicom_node.intake.header import Header, Related, Uids, UnreadableHeader, age, read_header
from dicom_node.intake.identity import PatientMarks
from domain.errors import UnusableInput
from domain.profiles import DEFLATED
from tests.support.counterparts import data_folder
from tests.support.ingest import encoded
from tests.support.phantoms import AXIAL, Phantom, write

EXPLICIT = "1.2.840.10008.1.2.1"


def _data_set(path: Path) -> tuple[bytes, str]:
    with path.open("rb") as file:
        read_preamble(file, False)
        meta = _read_file_meta_info(file)
        return file.read(), str(meta.get("TransferSyntaxUID", ""))


def _readable() -> list[Path]:
    return [path for path in sorted(data_folder().rglob("*")) if path.is_file() and _is_part10(path)]


def _is_part10(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _peer(path: Path) -> Dataset | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, stop_before_pixels=True)
            str(dataset)
            return dataset if "TransferSyntaxUID" in dataset.file_meta else None
    except Exception:
        return None


@pytest.mark.slow
def test_it_finds_what_pydicom_finds_in_every_file_of_the_test_data() -> None:
    compared = 0
    for path in _readable():
        peer = _peer(path)
        data, syntax = _data_set(path)
        if peer is None or not all(key in peer for key in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")):
            continue
        try:
            header = read_header(data, syntax)
        except UnusableInput as error:
            assert "not a UID" in str(error), path
            continue
        _same(header, peer, path)
        compared += 1
    assert compared > 700


def _same(header: Header, peer: Dataset, path: Path) -> None:
    assert header.study_uid == str(peer.StudyInstanceUID), path
    assert header.series_uid == str(peer.SeriesInstanceUID), path
    assert header.sop_uid == str(peer.SOPInstanceUID), path
    assert header.modality == str(peer.get("Modality") or ""), path
    assert header.series_description == str(peer.get("SeriesDescription") or ""), path
    assert header.view == str(peer.get("ViewPosition") or "").upper(), path
    assert header.photometric == str(peer.get("PhotometricInterpretation") or ""), path
    assert header.burned_in == (peer.get("BurnedInAnnotation") == "YES"), path
    assert header.kernel == "\\".join(_values(peer.get("ConvolutionKernel"))), path
    assert header.frame_of_reference == str(peer.get("FrameOfReferenceUID") or ""), path
    if peer.get("SeriesNumber") is not None:
        assert header.series_number == int(peer.SeriesNumber), path
    if peer.get("ImagePositionPatient"):
        assert header.position == tuple(float(x) for x in peer.ImagePositionPatient), path


def _values(value: object) -> list[str]:
    return [] if not value else [value] if isinstance(value, str) else [str(one) for one in value]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("stated", "born", "studied", "years"),
    [
        ("045Y", "19000101", "20260101", 45),
        ("018M", "", "", 1.5),
        ("010W", "", "", pytest.approx(0.19, abs=0.01)),
        ("003D", "", "", pytest.approx(0.008, abs=0.001)),
        ("", "20000229", "20260228", 25),
        ("", "20000229", "20260301", 26),
        ("old", "20200101", "20260101", 6),
        ("", "20200101", "", None),
        ("", "20260102", "20260101", None),
        ("Y", "", "", None),
    ],
)
def test_the_age_is_what_is_stated_or_the_years_from_birth_to_the_study(
    stated: str, born: str, studied: str, years: float | None
) -> None:
    assert age(stated, born, studied) == years


def test_every_prefix_of_a_data_set_is_read_or_refused(tmp_path: Path) -> None:
    data, syntax = _data_set(write(Phantom(size=(16, 16), slices=2).datasets(), tmp_path)[0])
    whole = read_header(data, syntax)
    for length in range(0, 1200, 7):
        with suppress(UnusableInput):
            assert read_header(data[:length], syntax).study_uid == whole.study_uid


@given(st.binary(max_size=400))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    for syntax in (EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", DEFLATED):
        try:
            read_header(data, syntax)
        except UnusableInput:
            continue


def test_nesting_without_end_is_refused() -> None:
    sequence = b"\x08\x00\x05\x00SQ\0\0\xff\xff\xff\xff"
    bomb = sequence + (b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + sequence) * 5000
    with pytest.raises(UnusableInput, match="nest too deep"):
        read_header(bomb, EXPLICIT)


def test_an_inflated_head_has_a_limit() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflate.compress(struct.pack("<HH2sHI", 8, 5, b"UN", 0, 1 << 30) + bytes(64 << 20)) + deflate.flush()
    with pytest.raises(UnreadableHeader, match="ends within"):
        read_header(bomb, DEFLATED)


def test_the_spacing_is_measured_along_the_normal_and_a_gap_is_none() -> None:
    positions = [(0.0, 0.0, z) for z in (10.0, 2.5, 0.0, 5.0)]
    assert spacing(positions, AXIAL) == pytest.approx(2.5)
    assert spacing(positions[:1], AXIAL) is None


def test_the_frames_of_an_enhanced_image_have_a_distance(tmp_path: Path) -> None:
    phantom = Phantom(size=(16, 16), slices=4)
    data, syntax = _data_set(write([phantom.enhanced()], tmp_path)[0])
    planes = frame_planes(data, syntax)
    assert planes.spacing == pytest.approx(phantom.spacing[0])
    assert (planes.places, planes.orientation) == (4, AXIAL)
    assert frame_planes(b"no data set", syntax) == FramePlanes()


def test_frames_that_lie_at_fewer_positions_than_there_are_frames_are_counted(tmp_path: Path) -> None:
    enhanced = Phantom(size=(16, 16), slices=4).enhanced()
    groups = enhanced.PerFrameFunctionalGroupsSequence
    for late, early in ((2, 0), (3, 1)):
        groups[late].PlanePositionSequence = groups[early].PlanePositionSequence
    data, syntax = _data_set(write([enhanced], tmp_path)[0])
    assert frame_planes(data, syntax).places == 2


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("ImageOrientationPatient", [1, 0, 0]), ("ImagePositionPatient", [1, 2])],
)
def test_frames_whose_place_has_too_few_values_have_no_distance(tmp_path: Path, keyword: str, value: list[int]) -> None:
    enhanced = Phantom(size=(16, 16), slices=4).enhanced()
    for group in [*enhanced.PerFrameFunctionalGroupsSequence, *enhanced.SharedFunctionalGroupsSequence]:
        for sequence in ("PlanePositionSequence", "PlaneOrientationSequence"):
            for one in group.get(sequence, []):
                if keyword in one:
                    setattr(one, keyword, value)
    data, syntax = _data_set(write([enhanced], tmp_path)[0])
    assert frame_planes(data, syntax).spacing is None


def test_the_frames_of_a_deflated_image_are_read_within_bounds_and_up_to_where_it_was_cut(tmp_path: Path) -> None:
    data, _ = _data_set(write([Phantom(size=(16, 16), slices=4).enhanced()], tmp_path)[0])
    cut = data[: data.index(b"\xe0\x7f\x10\x00")]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = deflate.compress(cut + struct.pack("<HH2sHI", 0x5400, 0x100, b"UN", 0, 3 << 30))
    bomb += deflate.compress(bytes(64 << 20)) + deflate.flush()
    assert frame_planes(bomb, DEFLATED).spacing == pytest.approx(Phantom().spacing[0])
    assert frame_planes(bomb[:200], DEFLATED) == FramePlanes()
    assert read_header(bomb, DEFLATED).frames == 4


def _with(tag: int, vr: bytes, value: bytes) -> bytes:
    """A data set with the three UIDs, a study date and one more element."""
    elements = {
        0x0008_0018: (b"UI", b"1.2.3.3\0"),
        0x0008_0020: (b"DA", b"20260101"),
        0x0020_000D: (b"UI", b"1.2.3.1\0"),
        0x0020_000E: (b"UI", b"1.2.3.2\0"),
        tag: (vr, value + b" " * (len(value) % 2)),
    }
    return b"".join(
        struct.pack("<HH2sH", number >> 16, number & 0xFFFF, kind, len(content)) + content
        for number, (kind, content) in sorted(elements.items())
    )


@pytest.mark.parametrize(
    ("tag", "vr", "value", "name", "read"),
    [
        (0x0028_0008, b"IS", b"0", "frames", 1),
        (0x0028_0008, b"IS", b"3000000000", "frames", 1),
        (0x0028_0008, b"IS", b"12", "frames", 12),
        (0x0010_1010, b"AS", b"9" * 401 + b"Y", "age", None),
        (0x0010_1010, b"AS", b"045Y\0", "age", 45),
        (0x0020_0037, b"DS", b"1\\0\\0", "orientation", None),
        (0x0020_0032, b"DS", b"1\\0\\1e999", "position", None),
        (0x0008_0060, b"CS", b"CT\0\x12", "modality", "CT"),
        (0x0008_0008, b"CS", b"ORIGINAL\\PRIMARY\0old", "image_type", "ORIGINAL\\PRIMARY"),
        (0x0018_0015, b"CS", b"chest\0\x13", "body_part", "CHEST"),
        (0x0008_103E, b"LO", b"a\tline\x07" + b"x" * 3000, "series_description", "a line<U+0007>" + "x" * 114),
        (0x0018_0088, b"DS", b"five", "slice_spacing", None),
        (0x0018_0050, b"DS", b"5,0", "thickness", None),
        (0x0018_0050, b"DS", b"0", "thickness", None),
        (0x0018_0050, b"DS", b" 1.25", "thickness", 1.25),
        (0x0018_1210, b"SH", b"B30f\0\x07", "kernel", "B30f"),
        (0x0020_0011, b"IS", b"2 ", "series_number", 2),
        (0x0020_0011, b"IS", b"99999999999", "series_number", None),
        (0x0020_0013, b"IS", b"-1", "instance_number", -1),
        (0x0020_0013, b"IS", b"1\\2", "instance_number", None),
        (0x0020_1206, b"IS", b"3 ", "related", Related(study_series=3)),
        (0x0020_1208, b"IS", b"130", "related", Related(study_instances=130)),
        (0x0020_1209, b"IS", b"+20 ", "related", Related(series_instances=20)),
        (0x0020_1208, b"IS", b"0", "related", None),
        (0x0020_1209, b"IS", b"-4", "related", None),
        (0x0020_1208, b"IS", b"1000001", "related", None),
        (0x0020_1206, b"IS", b"all of them", "related", None),
        (0x0020_0052, b"UI", b"1.2.3.4\0", "frame_of_reference", "1.2.3.4"),
        (0x0020_0052, b"UI", b"the scanner's", "frame_of_reference", ""),
    ],
)
def test_a_value_that_cannot_be_meant_is_not_believed(
    tag: int, vr: bytes, value: bytes, name: str, read: object
) -> None:
    assert getattr(read_header(_with(tag, vr, value), EXPLICIT), name) == read


@pytest.mark.parametrize("character_set", [b"ISO_IR\0 100", b"\xff\xff", b"ISO 2022 IR 999\\X", b"utf_32"])
def test_an_unknown_character_set_is_the_default_repertoire_and_says_nothing(
    character_set: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    data = _with(0x0008_0005, b"CS", character_set) + b""
    named = data.replace(b"\x20\x00\x0d", struct.pack("<HH2sH", 8, 0x103E, b"LO", 6) + b"Sch\xe4l\x20\x20\x00\x0d", 1)
    assert read_header(named, EXPLICIT).series_description.startswith("Sch")
    assert capfd.readouterr() == ("", "")


def test_what_was_read_before_a_fault_says_where_the_instance_belongs() -> None:
    data = _with(0x0028_0008, b"IS", b"1 ")
    with pytest.raises(UnreadableHeader, match=r"\(0028,0008\)") as raised:
        read_header(data[:-1], EXPLICIT)
    assert raised.value.uids == Uids("1.2.3.1", "1.2.3.2", "1.2.3.3")
    with pytest.raises(UnreadableHeader, match=r"\(0020,000E\)") as raised:
        read_header(data[:-14], EXPLICIT)
    assert raised.value.uids == Uids("1.2.3.1", "", "1.2.3.3")


def _behind(more: Dataset) -> bytes:
    """A sound data set, then `more`, whose tags are out of order there, then pixels."""
    dataset, pixels = Dataset(), Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.5"
    dataset.Rows, dataset.BurnedInAnnotation, dataset.WindowCenter = 1, "NO", 40
    pixels.add_new(0x7FE00010, "OW", b"\0\0")
    return encoded(dataset) + encoded(more) + encoded(pixels)


def test_what_says_whose_an_instance_is_is_read_wherever_it_stands() -> None:
    more = Dataset()
    more.PatientName, more.PatientID = "Doe^John", "17"
    found = read_header(_behind(more), EXPLICIT, PatientMarks(bytes(32))).patient
    assert found is not None
    assert len(found) == 2


@pytest.mark.parametrize(
    ("keyword", "first", "second"),
    [
        ("StudyInstanceUID", None, "1.2.4"),
        ("SOPInstanceUID", None, "1.2.3.6"),
        ("PatientID", "17", "18"),
        ("PatientName", "Doe^John", "Doe^Jane"),
        ("PatientBirthDate", "19600101", "19600102"),
        ("SpecificCharacterSet", "ISO_IR 100", "ISO_IR 192"),
    ],
)
def test_two_values_for_whose_an_instance_is_are_none_wherever_they_stand(
    keyword: str, first: str | None, second: str
) -> None:
    one, other = Dataset(), Dataset()
    setattr(other, keyword, second)
    if first:
        setattr(one, keyword, first)
    data = encoded(one) + _behind(other) if first else _behind(other)
    with pytest.raises(UnreadableHeader, match="is there twice"):
        read_header(data, EXPLICIT)


def test_what_is_wrong_behind_all_that_is_wanted_costs_nothing() -> None:
    whole = _behind(Dataset())
    cut = whole[: whole.index(b"\xe0\x7f\x10\x00") + 6]
    assert read_header(cut, EXPLICIT).study_uid == "1.2.3"


def test_an_identity_that_is_stated_twice_and_differently_is_none() -> None:
    data = _with(0x0028_0008, b"IS", b"1 ")
    assert read_header(data + data, EXPLICIT).study_uid == "1.2.3.1"
    with pytest.raises(UnreadableHeader, match=r"\(0020,000D\) is there twice") as raised:
        read_header(data.replace(b"1.2.3.2", b"1.2.3.7") + data.replace(b"1.2.3.1", b"1.2.3.8"), EXPLICIT)
    assert raised.value.uids.study == ""
