"""JPEG frames are decoded as other implementations decode them, and what is damaged ends as a refusal."""

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from imagecodecs import jpeg8_decode, jpeg8_encode
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from dicom_node.attributes import jpeg
from dicom_node.attributes.files import DAMAGED
from domain.errors import UnusableInput
from inference_worker.pixels import decoded
from tests.support.counterparts import data, require

ROUNDING = 1  # of the inverse cosine transform, which the standard leaves to its implementers (ITU-T T.83)


def image(frame: bytes, rows: int, columns: int, syntax: UID = JPEGBaseline8Bit, bits: int = 8) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 if bits == 8 else 16, bits, bits - 1
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, "MONOCHROME2"
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    return dataset


def ramp(rows: int, columns: int, most: int) -> NDArray[np.generic]:
    kind = np.uint8 if most < 256 else np.uint16
    return np.linspace(0, most, rows * columns).astype(kind).reshape(rows, columns)


@pytest.mark.parametrize("syntax", sorted(jpeg.DECODER_DEPENDENCIES))
def test_whatever_is_installed_one_decoder_is_asked(syntax: UID) -> None:
    assert get_decoder(syntax).available_plugins == ("imagecodecs",)


@pytest.mark.parametrize(("syntax", "bits"), [(JPEGLosslessSV1, 8), (JPEGLosslessSV1, 12), (JPEGLosslessSV1, 16)])
def test_a_lossless_frame_has_the_values_that_were_coded(syntax: UID, bits: int) -> None:
    values = ramp(37, 51, 2**bits - 1)
    frame = bytes(jpeg8_encode(values, lossless=True, bitspersample=bits))
    assert np.array_equal(decoded(image(frame, 37, 51, syntax, bits), 0, (37, 51), "image 1"), values)


@pytest.mark.parametrize(("syntax", "bits"), [(JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12)])
def test_a_lossy_frame_is_near_what_was_coded(syntax: UID, bits: int) -> None:
    values = ramp(40, 48, 2**bits - 1)
    frame = bytes(jpeg8_encode(values, level=98, bitspersample=bits))
    read = decoded(image(frame, 40, 48, syntax, bits), 0, (40, 48), "image 1")
    assert np.abs(read.astype(int) - values.astype(int)).max() <= 2 ** (bits - 4)


def test_a_frame_of_another_size_than_stated_is_refused_before_room_is_made_for_it() -> None:
    frame = bytearray(jpeg8_encode(ramp(16, 16, 255)))
    at = frame.index(b"\xff\xc0") + 5
    frame[at : at + 4] = b"\xff\xff\xff\xff"  # 4 GiB of values
    with pytest.raises(UnusableInput, match="image 1 cannot be decoded"):
        decoded(image(bytes(frame), 16, 16), 0, (16, 16), "image 1")


@pytest.mark.parametrize(
    "frame", [b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"\xff" * 50, b"\xff\xd8" + bytes(50)]
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(UnusableInput, match="image 1 cannot be decoded"):
        decoded(image(frame, 16, 16), 0, (16, 16), "image 1")


@pytest.mark.parametrize(("syntax", "bits"), [(JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12), (JPEGLosslessSV1, 16)])
def test_whatever_is_wrong_with_a_frame_it_is_read_or_refused(syntax: UID, bits: int) -> None:
    values = np.random.default_rng(1).integers(0, 2**bits, (64, 64)).astype(np.uint8 if bits == 8 else np.uint16)
    whole = jpeg8_encode(values, bitspersample=bits, lossless=syntax == JPEGLosslessSV1)
    chance = random.Random(bits)
    ends = {"read": 0, "refused": 0}
    for _ in range(400):
        frame = bytearray(whole)
        for _ in range(chance.choice([1, 3, 10])):
            frame[chance.randrange(chance.choice([64, 700, len(frame)]) % len(frame) or len(frame))] = chance.randrange(
                256
            )
        try:
            read = decoded(image(bytes(frame), 64, 64, syntax, bits), 0, (64, 64), "image 1")
            assert read.shape == (64, 64)
            ends["read"] += 1
        except UnusableInput:
            ends["refused"] += 1
    assert min(ends.values()) > 0


def noise(bits: int) -> NDArray[np.generic]:
    """A bright disc on an even background, as a slice is."""
    y, x = np.mgrid[:64, :64]
    disc = (x - 32) ** 2 + (y - 32) ** 2 < 25**2
    grain = np.random.default_rng(bits).integers(0, 2 ** (bits - 2), (64, 64))
    return np.where(disc, 2 ** (bits - 1) + grain, 0).astype(np.uint8 if bits == 8 else np.uint16)


def frame_of(syntax: UID, bits: int) -> bytes:
    lossless = {"lossless": True} if syntax in (JPEGLossless, JPEGLosslessSV1) else {"level": 95}
    return bytes(jpeg8_encode(noise(bits), bitspersample=bits, **lossless))


def middle(frame: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return frame[: len(frame) // 2] + change(frame[len(frame) // 2 : -2]) + EOI


EOI = b"\xff\xd9"
FRAMES = [
    (JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12), (JPEGLossless, 12), (JPEGLosslessSV1, 8), (JPEGLosslessSV1, 16)
]  # fmt: skip
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda frame: frame[: len(frame) // 2],
    "cut by little": lambda frame: frame[: len(frame) * 9 // 10],
    "cut by its last bytes": lambda frame: frame[:-2],
    "its second half zeroes": lambda frame: frame[: len(frame) // 2] + bytes(len(frame) // 2),
    "cut, and its end put back": lambda frame: middle(frame, lambda rest: b""),
    "a piece left out": lambda frame: middle(frame, lambda rest: rest[200:]),
}
OF_LOSSLESS: dict[str, Callable[[bytes], bytes]] = {
    "zeroes up to its end": lambda frame: middle(frame, lambda rest: bytes(len(rest))),
    "a hole of zeroes": lambda frame: middle(frame, lambda rest: bytes(100) + rest[100:]),
    "a piece twice": lambda frame: middle(frame, lambda rest: rest[:200] + rest),
}


@pytest.mark.parametrize(("syntax", "bits"), FRAMES)
def test_a_frame_of_which_something_is_lost_is_refused(syntax: UID, bits: int) -> None:
    frame, lossless = frame_of(syntax, bits), syntax in (JPEGLossless, JPEGLosslessSV1)
    for name, damage in (DAMAGES | OF_LOSSLESS if lossless else DAMAGES).items():
        with pytest.raises(UnusableInput, match=r"image 1 cannot be decoded .*sent again"):
            decoded(image(damage(frame), 64, 64, syntax, bits), 0, (64, 64), "image 1")
            pytest.fail(name)


@pytest.mark.parametrize(("syntax", "bits"), FRAMES)
@pytest.mark.parametrize("behind", [b"", b"\0", b"\xff", b"\0" * 64])
def test_a_whole_frame_is_read_whatever_pads_it(syntax: UID, bits: int, behind: bytes) -> None:
    frame = frame_of(syntax, bits)
    whole = jpeg8_decode(frame)
    for one in (frame + behind, frame[:-2] + b"\xff\xff" + EOI + behind):  # fill bytes: ITU-T T.81 B.1.1.2
        assert np.array_equal(decoded(image(one, 64, 64, syntax, bits), 0, (64, 64), "image 1"), whole)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_lossless_frame_of_any_size_and_content_is_whole(bits: int) -> None:
    chance = np.random.default_rng(bits)
    for side in (1, 2, 3, 5, 9, 31):
        for values in (
            np.zeros((side, side + 1)), np.full((side, side + 1), 2 ** (bits - 1)), np.full((side, side + 1), 7),
            np.indices((side, side + 1))[0] % 2, chance.integers(0, 2**bits, (side, side + 1)),
        ):  # fmt: skip
            coded = values.astype(np.uint8 if bits == 8 else np.uint16)
            frame = bytes(jpeg8_encode(coded, lossless=True, bitspersample=bits))
            read = decoded(image(frame, side, side + 1, JPEGLosslessSV1, bits), 0, coded.shape, "image 1")
            assert np.array_equal(read, coded)


def test_a_frame_of_fewer_bits_than_its_header_states_is_a_contradiction_that_no_sending_again_mends() -> None:
    frame = bytes(jpeg8_encode(noise(8), lossless=True, bitspersample=8))
    with pytest.raises(
        UnusableInput, match=r"of image 1 cannot be decoded: .* 8 bits .* Bits Stored is 12.*correct it"
    ):
        decoded(image(frame, 64, 64, JPEGLosslessSV1, 12), 0, (64, 64), "image 1")


def test_more_bits_stored_than_allocated_are_a_contradiction_that_no_sending_again_mends() -> None:
    dataset = image(bytes(8), 2, 2, ExplicitVRLittleEndian)
    dataset.BitsAllocated, dataset.BitsStored, dataset.PixelData = 16, 20, bytes(8)
    with pytest.raises(UnusableInput, match=r"of image 1 cannot be decoded: Bits Stored is 20 .* Allocated is 16"):
        decoded(dataset, 0, (2, 2), "image 1")


def files() -> Iterator[Path]:
    for path in sorted(path for part in ("syntax_ct", "pydicom_test_files") for path in data(part).rglob("*")):
        try:
            meta = dcmread(path, stop_before_pixels=True).file_meta if path.is_file() else Dataset()
        except (InvalidDicomError, *DAMAGED):
            continue
        if jpeg.is_available(meta.get("TransferSyntaxUID", "")):
            yield path


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_real_files_have_the_values_that_dcmtk_finds(tmp_path: Path) -> None:
    compared = 0
    for path in files():
        judged = tmp_path / "judged.dcm"
        # +cn: colour as it was coded, as the node keeps it.
        done = subprocess.run([require("dcmdjpeg"), "+cn", path, judged], capture_output=True, check=False)
        dataset = dcmread(path)
        if done.returncode or "PixelData" not in dataset:
            continue
        other = dcmread(judged)
        syntax = dataset.file_meta.TransferSyntaxUID
        got, _ = get_decoder(syntax).as_array(dataset, index=0, raw=True)
        wanted, _ = get_decoder(ExplicitVRLittleEndian).as_array(other, index=0, raw=True)
        lossy = syntax in (JPEGBaseline8Bit, JPEGExtended12Bit)
        assert np.abs(got.astype(int) - wanted.astype(int)).max() <= (ROUNDING if lossy else 0), path.name
        compared += 1
    assert compared >= 12
