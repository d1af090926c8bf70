"""JPEG-LS, JPEG 2000 and RLE frames that lack a part, an end or a pixel are refused; whole ones are read."""

import io
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from dicom_node.attributes import codestreams
from dicom_node.attributes.files import DAMAGED
from domain.errors import UnusableInput
from inference_worker.pixels import decoded
from tests.support.counterparts import data, require

RLE, JPEG_2000, JPEG_LS = "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"
EOI = b"\xff\xd9"


def image(name: str) -> Dataset:
    return dcmread(data("pydicom_test_files") / name)


def frame_of(name: str) -> bytes:
    return get_frame(image(name).PixelData, 0, number_of_frames=1)


def read(name: str, frame: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    dataset = image(name)
    dataset.PixelData = encapsulate([frame])
    return decoded(dataset, 0, (64, 64), "image 1")


def sized(frame: bytes, old: bytes, new: bytes) -> bytes:
    assert old in frame
    return frame.replace(old, new, 1)


def offsets(change: Callable[[list[int]], list[int]]) -> Callable[[bytes], bytes]:
    def changed(frame: bytes) -> bytes:
        return struct.pack("<16I", *change(list(struct.unpack_from("<16I", frame)))) + frame[64:]

    return changed


TILE = b"\xff\x90\x00\x0a"
DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "JPEG-LS without its end": (JPEG_LS, lambda frame: frame.rstrip(b"\0")[:-2]),
    "JPEG-LS that ends twice": (JPEG_LS, lambda frame: frame[:900] + EOI + frame[902:]),
    "JPEG-LS of another size": (JPEG_LS, lambda frame: sized(frame, b"\0\x40\0\x40\1", b"\0\x40\0\x80\1")),
    "JPEG-LS of three samples": (JPEG_LS, lambda frame: sized(frame, b"\0\x40\0\x40\1", b"\0\x40\0\x40\3")),
    "JPEG 2000 without its end": (JPEG_2000, lambda frame: frame.rstrip(b"\0")[:-2]),
    "JPEG 2000 cut, and its end put back": (JPEG_2000, lambda frame: frame[:2000] + EOI),
    "JPEG 2000 without a piece": (JPEG_2000, lambda frame: frame[:1000] + frame[1100:]),
    "JPEG 2000 with a piece twice": (JPEG_2000, lambda frame: frame[:1000] + frame[900:]),
    "JPEG 2000 of more tiles than it has": (
        JPEG_2000, lambda frame: frame[:24] + struct.pack(">II", 32, 32) + frame[32:]
    ),
    "JPEG 2000 of more parts than it has": (JPEG_2000, lambda frame: sized(frame, b"\0\1\xff", b"\0\2\xff")),
    "JPEG 2000 whose first part is missing": (JPEG_2000, lambda frame: sized(frame, b"\0\1\xff", b"\1\2\xff")),
    "JPEG 2000 of another size": (JPEG_2000, lambda frame: frame[:8] + struct.pack(">II", 64, 128) + frame[16:]),
    "RLE without its head": (RLE, lambda frame: frame[:40]),
    "RLE cut": (RLE, lambda frame: frame[:3000]),
    "RLE with a piece left out": (RLE, lambda frame: frame[:3000] + frame[3064:]),
    "RLE with a piece twice": (RLE, lambda frame: frame[:3064] + frame[3000:]),
    "RLE of one segment": (RLE, offsets(lambda one: [1, *one[1:]])),
    "RLE of segments in the other order": (RLE, offsets(lambda one: [2, one[2], one[1], *one[3:]])),
    "RLE whose segment begins behind its end": (RLE, offsets(lambda one: [2, one[1], 1 << 30, *one[3:]])),
    "RLE whose segment begins too early": (RLE, offsets(lambda one: [2, one[1], one[2] - 200, *one[3:]])),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_frame_that_lacks_a_part_an_end_or_a_pixel_is_refused_and_is_to_be_sent_again(name: str) -> None:
    file, damage = DAMAGES[name]
    with pytest.raises(UnusableInput, match=r"image 1 cannot be decoded .*sent again"):
        read(file, damage(frame_of(file)))


@pytest.mark.parametrize("name", [RLE, JPEG_2000, JPEG_LS])
def test_a_whole_frame_is_read_whatever_pads_it(name: str) -> None:
    whole = read(name, frame_of(name))
    for pad in (b"\0", b"\0\0"):
        assert np.array_equal(read(name, frame_of(name) + pad), whole)


def test_the_last_part_of_a_tile_may_leave_its_length_to_the_end() -> None:
    frame = frame_of(JPEG_2000)
    at = frame.index(TILE) + 6
    assert np.array_equal(read(JPEG_2000, frame[:at] + bytes(4) + frame[at + 4 :]), read(JPEG_2000, frame))


@pytest.mark.parametrize("syntax", sorted(codestreams.DECODER_DEPENDENCIES))
def test_whatever_is_installed_one_decoder_is_asked(syntax: str) -> None:
    assert get_decoder(syntax).available_plugins == ("looked at",)


def test_what_pydicom_finds_besides_is_taken_out_again() -> None:
    decoder = get_decoder(RLELossless)
    decoder.add_plugin("another", ("pydicom.pixels.decoders.rle", "_decode_frame"))
    codestreams.register()
    assert decoder.available_plugins == ("looked at",)


def restarting(rows: int) -> bytes:
    """A frame of 64 x 64 with a restart marker behind each row of blocks."""
    values = np.random.default_rng(1).integers(0, 256, (rows, 64)).astype(np.uint8)
    made = io.BytesIO()
    Image.fromarray(values).save(made, "JPEG", quality=95, restart_marker_rows=1)
    return made.getvalue()


def as_jpeg(frame: bytes) -> Dataset:
    dataset = image(JPEG_LS)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = encapsulate([frame])
    return dataset


RESTARTS: dict[str, Callable[[bytes], bytes]] = {
    "an interval left out": lambda frame: frame[: frame.index(b"\xff\xd2")] + frame[frame.index(b"\xff\xd3") :],
    "an interval twice": lambda frame: frame[: frame.index(b"\xff\xd3")] + frame[frame.index(b"\xff\xd2") :],
    "a marker overwritten": lambda frame: frame.replace(b"\xff\xd2", b"\0\0"),
    "two intervals in each other's place": lambda frame: (
        frame.replace(b"\xff\xd2", b"\xff\xdf").replace(b"\xff\xd3", b"\xff\xd2").replace(b"\xff\xdf", b"\xff\xd3")
    ),
}


@pytest.mark.parametrize("name", RESTARTS)
def test_a_jpeg_frame_whose_restart_markers_are_not_all_there_in_turn_is_refused(name: str) -> None:
    whole = restarting(64)
    assert decoded(as_jpeg(whole), 0, (64, 64), "image 1").shape == (64, 64)
    with pytest.raises(UnusableInput, match=r"image 1 cannot be decoded .*sent again"):
        decoded(as_jpeg(RESTARTS[name](whole)), 0, (64, 64), "image 1")


def files() -> Iterator[Path]:
    for path in sorted(path for part in ("syntax_ct", "pydicom_test_files", "pydicom_data", "seg_sr_sm")
                       for path in data(part).rglob("*")):  # fmt: skip
        try:
            meta = dcmread(path, stop_before_pixels=True).file_meta if path.is_file() else Dataset()
        except (InvalidDicomError, *DAMAGED):
            continue
        if codestreams.is_available(meta.get("TransferSyntaxUID", "")):
            yield path


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_whole_frame_of_the_test_data_is_refused() -> None:
    read = 0
    for path in files():
        dataset = dcmread(path)
        # One is cut short, and the code stream of the other states a width of billions.
        if "PixelData" in dataset and "too_short" not in path.name and "embedded-sequence" not in path.name:
            get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, index=0, raw=True)
            read += 1
    assert read >= 30


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rle_frames_have_the_values_that_dcmtk_finds(tmp_path: Path) -> None:
    compared = 0
    for path in files():
        dataset = dcmread(path)
        if dataset.file_meta.TransferSyntaxUID != RLELossless:
            continue
        subprocess.run([require("dcmdrle"), path, tmp_path / "judged.dcm"], capture_output=True, check=True)
        other = dcmread(tmp_path / "judged.dcm")
        for index in range(min(int(dataset.get("NumberOfFrames", 1)), 2)):
            got, _ = get_decoder(RLELossless).as_array(dataset, index=index, raw=True)
            wanted, _ = get_decoder(ExplicitVRLittleEndian).as_array(other, index=index, raw=True)
            assert np.array_equal(got, wanted), path.name
            compared += 1
    assert compared >= 12
