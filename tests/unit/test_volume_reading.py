"""What outside sends in place of a sound series: what of it stops a volume, what is left aside, what is said."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.uid import generate_uid

from domain.errors import UnusableInput
from inference_worker import frames
from inference_worker.volume import build
from tests.support.phantoms import Phantom, plain, write

SMALL = Phantom(body=plain, slices=4, size=(64, 48), spacing=(2.5, 1.5, 2.0))
Edit = Callable[[Dataset], object]


def saved(edit: Edit, folder: Path, which: slice = slice(None), phantom: Phantom = SMALL) -> list[Path]:
    datasets = phantom.datasets()
    for dataset in datasets[which]:
        edit(dataset)
    return write(datasets, folder)


def rewritten(paths: list[Path], old: bytes, new: bytes) -> list[Path]:
    """The files with bytes of a value replaced, as a wrong writer would have written them."""
    for path in paths:
        content = path.read_bytes()
        assert content.count(old) == 1, old
        path.write_bytes(content.replace(old, new))
    return paths


def thickness(dataset: Dataset) -> None:
    dataset.SliceThickness = "2.5"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"DS\x04\x002.5 ", b"DS\x04\x002,5 "),  # a comma in a length that positions give
        (b"DS\x04\x002.5 ", b"ZZ\x04\x002.5 "),  # a VR that nobody knows
        (b"CS\x0a\x00ISO_IR 192", b"CS\x0a\x00ISO\x00IR 192"),  # a NUL in the character set
        (b"CS\x0a\x00ISO_IR 192", b"CS\x0a\x00ISO_IR 999"),  # one that nobody knows
        (b"CS\x0a\x00ISO_IR 192", b"CS\x0a\x00\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_value_that_nobody_needs_stops_no_volume(old: bytes, new: bytes, tmp_path: Path) -> None:
    paths = rewritten(saved(thickness, tmp_path), old, new)
    assert np.array_equal(build(paths).voxels, SMALL.hounsfield())


@pytest.mark.parametrize("terms", [b"ISO_IR 999", b"ISO\x00IR 192", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_unreadable_character_set_stops_no_deflated_image_either(terms: bytes, tmp_path: Path) -> None:
    paths = saved(lambda one: None, tmp_path)
    for path in paths:
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
        dataset.save_as(path)
        content = path.read_bytes()
        start = 144 + dcmread(path).file_meta.FileMetaInformationGroupLength
        data = zlib.decompress(content[start:], -zlib.MAX_WBITS)
        assert data.count(b"CS\x0a\x00ISO_IR 192") == 1
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        changed = deflate.compress(data.replace(b"ISO_IR 192", terms)) + deflate.flush()
        path.write_bytes(content[:start] + changed)
    assert np.array_equal(build(paths).voxels, SMALL.hounsfield())


@pytest.mark.parametrize("stated", ["0", "", "-1"])
def test_a_count_of_frames_that_cannot_be_is_one(stated: str, tmp_path: Path) -> None:
    paths = saved(lambda one: setattr(one, "NumberOfFrames", "7"), tmp_path)
    rewritten(paths, b"(\x00\x08\x00IS\x02\x007 ", b"(\x00\x08\x00IS\x02\x00" + stated.encode().ljust(2))
    assert np.array_equal(build(paths).voxels, SMALL.hounsfield())


def test_text_in_a_sequence_stops_nothing(tmp_path: Path) -> None:
    def edit(dataset: Dataset) -> None:
        dataset.add_new("SharedFunctionalGroupsSequence", "LO", "Invented anonymiser")

    assert np.array_equal(build(saved(edit, tmp_path)).voxels, SMALL.hounsfield())


def test_a_decimal_of_twenty_characters_is_a_number(tmp_path: Path) -> None:
    paths = saved(lambda one: setattr(one, "RescaleSlope", "1.25"), tmp_path)
    long = b"1.250000000000000000"
    rewritten(paths, b"DS\x04\x001.25", b"DS" + len(long).to_bytes(2, "little") + long)
    assert build(paths).voxels.max() == pytest.approx((SMALL.hounsfield().max() + 1024) * 1.25 - 1024)


def test_what_is_needed_is_refused_with_attribute_value_and_image(tmp_path: Path) -> None:
    paths = saved(lambda one: setattr(one, "PixelSpacing", ["1.5", "2.0"]), tmp_path)
    rewritten(paths[2:3], b"1.5\\2.0", b"1,5\\2,0")
    with pytest.raises(UnusableInput) as refusal:
        build(paths)
    assert str(refusal.value) == r"Pixel Spacing of image 3 is not 2 numbers: 1,5\2,0"


def test_a_defect_of_ours_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(frames, "_scale", defect)
    with pytest.raises(ValueError, match="a defect"):
        build(saved(lambda one: None, tmp_path))


def structure_set(dataset: Dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid.RTStructureSetStorage
    for keyword in ("PixelData", "ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns"):
        del dataset[keyword]


def scout(dataset: Dataset) -> None:
    dataset.ImageType, dataset.Rows, dataset.Columns = ["ORIGINAL", "PRIMARY", "LOCALIZER"], 8, 8
    dataset.PixelData = bytes(128)


def without_place(dataset: Dataset) -> None:
    del dataset.ImagePositionPatient, dataset.FrameOfReferenceUID


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (structure_set, "image 9 was left aside: it is not a CT, MR or PET slice but RT Structure Set Storage"),
        (scout, "image 9 was left aside: it is a localizer (scout), which is no slice of a volume"),
        (without_place, "image 9 was left aside: it states no Image Position (Patient)"),
    ],
)
def test_a_stranger_in_the_series_is_left_aside_and_named(make: Edit, said: str, tmp_path: Path) -> None:
    stranger = SMALL.datasets()[0]
    stranger.SOPInstanceUID = stranger.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    stranger.InstanceNumber = 9
    make(stranger)
    datasets = SMALL.datasets()
    volume = build(write([stranger, *datasets], tmp_path))
    assert np.array_equal(volume.voxels, SMALL.hounsfield())
    assert (len(volume.frames), volume.remarks) == (4, (said,))
    assert volume.digest == build(write(datasets, tmp_path / "alone")).digest


def test_many_strangers_are_named_in_one_sentence(tmp_path: Path) -> None:
    phantom = replace(SMALL, slices=9)
    paths = saved(without_place, tmp_path, slice(4, 9), phantom)
    (said,) = build(paths).remarks
    assert said == "image 5, image 6, image 7 and 2 more were left aside: each states no Image Position (Patient)"


def test_a_refusal_names_what_was_left_aside(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match=r"slices are missing: 1 in all.*; image 2 was left aside"):
        build(saved(without_place, tmp_path, slice(1, 2)))


def test_a_series_of_strangers_is_refused_by_the_first(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match=r"^image 1 is a localizer \(scout\)"):
        build(saved(scout, tmp_path))


def own_frame_of_reference(dataset: Dataset) -> None:
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[dataset.SOPInstanceUID])


def test_images_with_frames_of_reference_of_their_own_are_read_where_the_site_allows_it_and_then_it_is_said(
    tmp_path: Path,
) -> None:
    paths = saved(own_frame_of_reference, tmp_path)
    with pytest.raises(UnusableInput, match=r"each of the 4 images has a Frame of Reference UID of its own"):
        build(paths)
    volume = build(paths, own_frames_of_reference=True)
    assert np.array_equal(volume.voxels, SMALL.hounsfield())
    assert volume.remarks == (
        "each image names a Frame of Reference UID of its own; they were read as one, as the site allows",
    )


def test_two_groups_of_images_with_a_frame_of_reference_each_are_refused_all_the_same(tmp_path: Path) -> None:
    paths = saved(lambda one: setattr(one, "FrameOfReferenceUID", "1.2.3"), tmp_path, slice(2))
    with pytest.raises(UnusableInput, match="the images lie in 2 frames of reference"):
        build(paths, own_frames_of_reference=True)


@pytest.mark.parametrize("macro", ["PixelMeasuresSequence", "PlaneOrientationSequence"])
def test_functional_groups_fall_back_to_the_top_level(macro: str, tmp_path: Path) -> None:
    image = SMALL.enhanced()
    (item,) = image.SharedFunctionalGroupsSequence[0].pop(macro).value
    for element in item:
        image[element.tag] = element
    assert np.array_equal(build(write([image], tmp_path)).voxels, SMALL.hounsfield())


def test_the_rescale_of_an_enhanced_image_may_stand_at_its_top_level(tmp_path: Path) -> None:
    image = SMALL.enhanced()
    del image.SharedFunctionalGroupsSequence[0]["PixelValueTransformationSequence"]
    image.RescaleSlope, image.RescaleIntercept = "1", "-1024"
    assert np.array_equal(build(write([image], tmp_path)).voxels, SMALL.hounsfield())
