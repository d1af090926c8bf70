"""Radiographs as a viewer shows them, and what is no radiograph."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, Sequence

from domain.errors import UnusableInput
from inference_worker.images import build
from tests.support.phantoms import Phantom, write
from tests.support.radiographs import Radiograph

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)


def test_without_a_window_the_range_that_the_bits_can_hold_is_shown(tmp_path: Path) -> None:
    (picture,) = build(write([Radiograph(RAMP).dataset()], tmp_path)).pictures
    assert np.array_equal(picture.values, RAMP)
    assert picture.shown == pytest.approx(RAMP / 255)
    assert picture.spacing == (0.2, 0.2)


def test_the_window_is_applied_as_the_standard_says(tmp_path: Path) -> None:
    (picture,) = build(write([Radiograph(RAMP, modality="DX", window=(100, 51)).dataset()], tmp_path)).pictures
    # PS3.3 C.11.2.1.2.1: (x - (c - 0.5)) / (w - 1) + 0.5
    assert picture.shown == pytest.approx(np.clip((RAMP - 99.5) / 50 + 0.5, 0, 1), abs=1e-6)


def test_monochrome1_is_turned_round_on_display_and_keeps_its_values(tmp_path: Path) -> None:
    (picture,) = build(write([Radiograph(RAMP, photometric="MONOCHROME1").dataset()], tmp_path)).pictures
    assert np.array_equal(picture.values, RAMP)
    assert picture.shown == pytest.approx(1 - RAMP / 255)


def test_a_table_of_values_is_followed(tmp_path: Path) -> None:
    dataset, table = Radiograph(RAMP).dataset(), Dataset()
    table.LUTDescriptor, table.LUTExplanation = [256, 0, 12], "square"
    table.add_new("LUTData", "OW", np.round((np.arange(256) / 255) ** 2 * 4095).astype("<u2").tobytes())
    dataset.VOILUTSequence = Sequence([table])
    (picture,) = build(write([dataset], tmp_path)).pictures
    assert picture.shown == pytest.approx((RAMP / 255) ** 2, abs=0.0003)


def test_the_images_of_a_series_come_in_the_order_of_their_numbers_with_a_digest_of_what_is_seen(
    tmp_path: Path,
) -> None:
    two = [Radiograph(RAMP, number=2), Radiograph(RAMP[::-1], number=1)]
    paths = write([one.dataset() for one in two], tmp_path / "a")
    images = build(paths)
    assert [picture.values[0, 0] for picture in images.pictures] == [224, 0]
    assert build(paths[::-1]).digest == images.digest
    darker = [replace(one, window=(200, 50)).dataset() for one in two]
    assert build(write(darker, tmp_path / "b")).digest != images.digest


def test_images_of_several_series_come_in_the_order_of_these_and_are_named_with_them(tmp_path: Path) -> None:
    films = [
        Radiograph(RAMP, series="b", series_number=10, number=1),
        Radiograph(RAMP, series="a", series_number=2, number=2, window=(100, 0)),
        Radiograph(RAMP, series="a", series_number=2, number=1),
    ]
    paths = write([one.dataset() for one in films], tmp_path)
    images = build(paths)
    assert [one.sop_instance_uid for one in images.frames] == [one.dataset().SOPInstanceUID for one in films[::-1]]
    assert images.remarks == ("Window Width or Center of series 2, image 2 is none that can be, and was not followed",)
    again = build(paths[::-1])
    assert (again.frames, again.digest, again.remarks) == (images.frames, images.digest, images.remarks)


@pytest.mark.parametrize("series", ["a", "b"])
def test_one_image_that_cannot_be_read_does_not_keep_the_others_from_it(series: str, tmp_path: Path) -> None:
    sound, short = Radiograph(RAMP, series="a").dataset(), Radiograph(RAMP, series=series, number=2).dataset()
    short.PixelData = short.PixelData[:-100]
    images = build(write([short, sound], tmp_path))
    assert [one.sop_instance_uid for one in images.frames] == [sound.SOPInstanceUID]
    # Both series have one number, as those of many a device.
    named = "image 2" if series == "a" else f"series 1 (...{short.SeriesInstanceUID[-12:]}), image 2"
    (said,) = images.remarks
    assert said.startswith(f"the pixels of {named} cannot be decoded")
    assert said.endswith("; the image was left out")


def test_a_file_that_is_damaged_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    paths = write([Radiograph(RAMP, number=one).dataset() for one in (1, 2)], tmp_path)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    images = build(paths)
    assert len(images.pictures) == 1
    assert [one.endswith("; the image was left out") for one in images.remarks] == [True]


def test_what_is_no_single_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="has several frames; a single picture is wanted"):
        build(write([Phantom(slices=4, size=(16, 16)).enhanced()], tmp_path / "a"))
    colour = Radiograph(RAMP).dataset()
    colour.SamplesPerPixel, colour.PhotometricInterpretation, colour.PlanarConfiguration = 3, "RGB", 0
    with pytest.raises(UnusableInput, match="image 1 is a colour image"):
        build(write([colour], tmp_path / "b"))
    short = Radiograph(RAMP).dataset()
    short.PixelData = short.PixelData[:-100]
    with pytest.raises(UnusableInput, match="the pixels of image 1 cannot be decoded"):
        build(write([short], tmp_path / "c"))


def turned(dataset: Dataset, **elements: object) -> Dataset:
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize("window", [None, (128, 256)])
def test_a_negative_slope_turns_values_and_not_black_and_white(
    window: tuple[float, float] | None, tmp_path: Path
) -> None:
    plain = Radiograph(RAMP, window=window).dataset()
    negative = turned(Radiograph(255 - RAMP, window=window).dataset(), RescaleSlope="-1", RescaleIntercept="255")
    (usual,) = build(write([plain], tmp_path / "a")).pictures
    (other,) = build(write([negative], tmp_path / "b")).pictures
    assert np.array_equal(other.values, usual.values)
    assert other.shown == pytest.approx(usual.shown, abs=1e-6)
    assert other.shown[0, 0] < other.shown[-1, -1]


@pytest.mark.parametrize("stated", [("", ""), ("1", ""), ("", "0")])
def test_an_empty_rescale_of_a_radiograph_is_none(stated: tuple[str, str], tmp_path: Path) -> None:
    dataset = turned(Radiograph(RAMP).dataset(), RescaleSlope=stated[0], RescaleIntercept=stated[1])
    (picture,) = build(write([dataset], tmp_path)).pictures
    assert np.array_equal(picture.values, RAMP)


def test_a_broken_rescale_of_a_radiograph_is_refused_and_a_broken_window_said(tmp_path: Path) -> None:
    broken = turned(Radiograph(RAMP).dataset(), RescaleSlope="1.5", RescaleIntercept="0")
    (path,) = write([broken], tmp_path / "a")
    path.write_bytes(path.read_bytes().replace(b"DS\x04\x001.5 ", b"DS\x04\x001,5 "))
    with pytest.raises(UnusableInput, match=r"^Rescale Slope of image 1 is not a number: 1,5$"):
        build([path])
    images = build(write([Radiograph(RAMP, window=(100, 0)).dataset()], tmp_path / "b"))
    assert images.pictures[0].shown == pytest.approx(RAMP / 255)
    assert images.remarks == ("Window Width or Center of image 1 is none that can be, and was not followed",)


def test_a_stranger_among_radiographs_is_left_aside_and_named(tmp_path: Path) -> None:
    state = turned(Radiograph(RAMP, number=2).dataset(), SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1")
    del state.PixelData
    images = build(write([state, Radiograph(RAMP).dataset()], tmp_path))
    assert len(images.pictures) == 1
    assert images.remarks[0].startswith("image 2 was left aside: it is no image but Grayscale Softcopy Presentation")
