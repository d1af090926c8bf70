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

from dicom_node.intake.frames import frame_spacing, largest_gap
from dicom_node.intake.header import DEFLATED, Header, OutOfData, age, read_header
from domain.errors import UnusableInput
from tests.support.counterparts import data_folder
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
    if peer.get("ImagePositionPatient"):
        assert header.position == tuple(float(x) for x in peer.ImagePositionPatient), path


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
    with pytest.raises(OutOfData):
        read_header(bomb, DEFLATED)


def test_the_gap_is_measured_along_the_normal_and_over_all_slices() -> None:
    positions = [(0.0, 0.0, z) for z in (10.0, 2.5, 0.0, 5.0)]
    assert largest_gap(positions, AXIAL) == pytest.approx(5.0)
    assert largest_gap(positions[:1], AXIAL) is None


def test_the_frames_of_an_enhanced_image_have_a_distance(tmp_path: Path) -> None:
    phantom = Phantom(size=(16, 16), slices=4)
    path = write([phantom.enhanced()], tmp_path)[0]
    assert frame_spacing(path.read_bytes()) == pytest.approx(phantom.spacing[0])
    assert frame_spacing(b"no file") is None
