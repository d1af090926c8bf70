"""From files to a volume: what is read, what is refused and in which words."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, uid

from domain.errors import Retryable, UnusableInput
from domain.findings import SourceFrame
from inference_worker.frames import read
from inference_worker.volume import build, digest
from tests.support.phantoms import CORONAL, LUNG_HU, LUNG_ML, OBLIQUE, SAGITTAL, Phantom, plain, write

SMALL = Phantom(body=plain, slices=4, size=(64, 48), spacing=(2.5, 1.5, 2.0), patient_name="Secret^Name")


def refused(datasets: list[Dataset], folder: Path) -> str:
    with pytest.raises(UnusableInput) as refusal:
        build(write(datasets, folder))
    assert "Secret" not in str(refusal.value)
    return str(refusal.value)


def edited(edit: Callable[[Dataset], object], which: slice = slice(None), phantom: Phantom = SMALL) -> list[Dataset]:
    datasets = phantom.datasets()
    for dataset in datasets[which]:
        edit(dataset)
    return datasets


def setting(**elements: object) -> Callable[[Dataset], object]:
    def edit(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return edit


@pytest.mark.parametrize("orientation", [SMALL.orientation, SAGITTAL, CORONAL, OBLIQUE])
def test_voxels_and_affine_are_those_of_the_body_in_every_orientation(
    orientation: tuple[float, ...], tmp_path: Path
) -> None:
    phantom = replace(SMALL, orientation=orientation)
    volume = build(write(reversed(phantom.datasets()), tmp_path))
    assert volume.voxels.dtype == np.int16
    assert np.array_equal(volume.voxels, phantom.hounsfield())
    assert np.abs(volume.affine - phantom.affine()).max() < 1e-5


def test_each_slice_names_the_instance_it_was_read_from(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    volume = build(write(reversed(datasets), tmp_path))
    assert volume.frames == tuple(SourceFrame(dataset.SOPInstanceUID) for dataset in datasets)


def test_the_lungs_of_the_chest_phantom_have_their_volume(tmp_path: Path) -> None:
    volume = build(write(Phantom().datasets(), tmp_path))
    voxel_ml = abs(np.linalg.det(volume.affine)) / 1000
    assert np.count_nonzero(volume.voxels == LUNG_HU) * voxel_ml == pytest.approx(2 * LUNG_ML, rel=0.01)


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.RLELossless,
        uid.JPEG2000Lossless,
    ],
)
@pytest.mark.parametrize(("signed", "bits"), [(True, 16), (False, 16), (False, 12), (True, 13)])
def test_the_digest_is_the_same_however_the_values_are_encoded(
    syntax: str, signed: bool, bits: int, tmp_path: Path
) -> None:
    usual = build(write(SMALL.datasets(), tmp_path / "usual"))
    other = replace(SMALL, transfer_syntax=syntax, signed=signed, bits=bits)
    assert build(write(other.datasets(), tmp_path / "other")).digest == usual.digest


def test_the_digest_changes_with_a_value_with_the_place_and_with_the_instance() -> None:
    values, affine, here = np.zeros((2, 3, 4), np.int16), np.eye(4), [SourceFrame("1.2.3"), SourceFrame("1.2.4")]
    moved, changed = affine.copy(), values.copy()
    moved[0, 3], changed[1, 2, 3] = 0.5, 1
    several = [(values, affine), (changed, affine), (values, moved), (values.reshape(2, 4, 3), affine)]
    others = {digest(*one, here) for one in several} | {digest(values.astype(np.float32), affine, here)}
    assert len({*others, digest(values, affine, here[::-1])}) == 6
    assert digest(values, affine, here) == digest(np.asfortranarray(values), affine.copy(order="F"), here)


def test_an_enhanced_multi_frame_image_is_the_same_volume(tmp_path: Path) -> None:
    classic = build(write(SMALL.datasets(), tmp_path / "classic"))
    image = SMALL.enhanced()
    enhanced = build(write([image], tmp_path / "enhanced"))
    assert np.array_equal(enhanced.voxels, classic.voxels)
    assert np.array_equal(enhanced.affine, classic.affine)
    assert enhanced.frame_of_reference == classic.frame_of_reference == SMALL.uid("frame of reference")
    assert enhanced.frames == tuple(SourceFrame(image.SOPInstanceUID, n) for n in range(1, 5))


def test_compressed_frames_of_an_enhanced_image_are_decoded_one_by_one(tmp_path: Path) -> None:
    image = replace(SMALL, transfer_syntax=uid.JPEG2000Lossless).enhanced()
    assert np.array_equal(build(write([image], tmp_path)).voxels, SMALL.hounsfield())


def test_frames_are_taken_in_the_order_of_their_positions_with_their_own_rescale(tmp_path: Path) -> None:
    image = SMALL.enhanced()
    groups = list(image.PerFrameFunctionalGroupsSequence)
    first, last = groups[0].PlanePositionSequence, groups[3].PlanePositionSequence
    groups[0].PlanePositionSequence, groups[3].PlanePositionSequence = last, first
    shared = image.SharedFunctionalGroupsSequence[0].pop("PixelValueTransformationSequence")
    for n, group in enumerate(groups):
        own = copy.deepcopy(shared[0])
        own.RescaleIntercept = str(-1024 + n)
        group.PixelValueTransformationSequence = [own]
    volume = build(write([image], tmp_path))
    stored = SMALL.hounsfield()
    assert [frame.frame_number for frame in volume.frames] == [4, 2, 3, 1]
    assert np.array_equal(volume.voxels, np.stack([stored[3] + 3, stored[1] + 1, stored[2] + 2, stored[0]]))


def test_stray_bits_above_bits_stored_are_cleared(tmp_path: Path) -> None:
    phantom = replace(SMALL, bits=12, signed=False)

    def soil(dataset: Dataset) -> None:
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") | 0xA000).tobytes()

    assert np.array_equal(build(write(edited(soil, phantom=phantom), tmp_path)).voxels, phantom.hounsfield())


def test_a_slope_that_is_not_whole_gives_floating_point(tmp_path: Path) -> None:
    datasets = edited(setting(RescaleSlope="0.5"), slice(2, 3))
    volume = build(write(datasets, tmp_path))
    expected = SMALL.hounsfield().astype(np.float32)
    expected[2] = (expected[2] + 1024) * 0.5 - 1024
    assert volume.voxels.dtype == np.float32
    assert np.array_equal(volume.voxels, expected)


@pytest.mark.parametrize(("slope", "intercept", "kind"), [(8, -8192, np.int16), (100, -1024, np.float32)])
def test_values_beyond_sixteen_bits_give_floating_point_and_others_stay_whole(
    slope: int, intercept: int, kind: type, tmp_path: Path
) -> None:
    volume = build(write(edited(setting(RescaleSlope=slope, RescaleIntercept=intercept)), tmp_path))
    assert volume.voxels.dtype == kind
    assert np.array_equal(volume.voxels, (SMALL.hounsfield().astype(np.int64) + 1024) * slope + intercept)


def test_unsigned_values_beyond_the_signed_range_are_kept(tmp_path: Path) -> None:
    def bright(dataset: Dataset) -> None:
        dataset.PixelData = np.full(64 * 48, 60000, "<u2").tobytes()

    phantom = replace(SMALL, signed=False)
    assert build(write(edited(bright, phantom=phantom), tmp_path)).voxels.max() == np.float32(60000 - 1024)

    def low(dataset: Dataset) -> None:
        bright(dataset)
        setting(RescaleIntercept="-40000")(dataset)

    volume = build(write(edited(low, phantom=phantom), tmp_path / "low"))
    assert volume.voxels.dtype == np.int16
    assert volume.voxels.max() == 20000


def test_padding_and_inverted_display_leave_the_values_alone(tmp_path: Path) -> None:
    edit = setting(PixelPaddingValue=0, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(build(write(edited(edit), tmp_path)).voxels, SMALL.hounsfield())


def test_an_mr_without_rescale_keeps_its_stored_values(tmp_path: Path) -> None:
    def magnetic(dataset: Dataset) -> None:
        setting(SOPClassUID=uid.MRImageStorage, Modality="MR")(dataset)
        del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType

    assert np.array_equal(build(write(edited(magnetic), tmp_path)).voxels, SMALL.hounsfield() + 1024)


def _without(keyword: str) -> Callable[[Dataset], object]:
    return lambda dataset: dataset.pop(keyword)


ONE = slice(1, 2)


@pytest.mark.parametrize(
    ("edit", "which", "reason"),
    [
        (setting(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), ONE, "slices are missing: 1 in all"),
        (setting(ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), ONE, "image 2 was left aside: it is a mosaic"),
        (
            setting(SOPClassUID=uid.SecondaryCaptureImageStorage),
            ONE,
            "not a CT, MR or PET slice but Secondary Capture",
        ),
        (
            setting(SOPClassUID=uid.BasicTextSRStorage),
            ONE,
            "left aside: it is not a CT, MR or PET slice but Basic Text SR",
        ),
        (setting(SeriesInstanceUID="1.2.3"), ONE, "the images belong to 2 series"),
        (setting(FrameOfReferenceUID="1.2.3"), ONE, "the images lie in 2 frames of reference"),
        (_without("FrameOfReferenceUID"), ONE, "the images lie in 2 frames of reference"),
        (_without("ImagePositionPatient"), ONE, r"image 2 was left aside: it states no Image Position (Patient)"),
        (_without("ImageOrientationPatient"), ONE, "image 2 states no Image Orientation (Patient)"),
        (_without("PixelSpacing"), ONE, "image 2 states no Pixel Spacing"),
        (setting(ImagePositionPatient=[1, 2]), ONE, "Image Position (Patient) of image 2 is not 3 numbers: 1"),
        (_without("PixelData"), ONE, "image 2 has no pixel data"),
        (_without("Rows"), ONE, "image 2 states no Rows"),
        (_without("RescaleSlope"), ONE, "image 2 states no Rescale Slope"),
        (setting(RescaleSlope=0), ONE, "image 2 states a rescale slope of 0"),
        (setting(RescaleType="MGML"), ONE, "the values of image 2 are not HU but MGML"),
        (setting(ModalityLUTSequence=[Dataset()]), ONE, "image 2 maps its values through a table"),
        (setting(PhotometricInterpretation="RGB", SamplesPerPixel=3), ONE, "image 2 is a colour image (RGB)"),
        (setting(HighBit=11), ONE, "image 2 stores its values in an unusual place"),
        (setting(NumberOfFrames=2), ONE, "image 2 has several frames but no functional groups"),
        (setting(ImagePositionPatient=[0, 0, SMALL.position(1)[2]]), ONE, "shifted sideways"),
        (setting(PixelSpacing=[1, 1]), ONE, "pixel spacing differs"),
    ],
)
def test_a_series_that_is_no_volume_is_refused_with_the_image_and_the_reason(
    edit: Callable[[Dataset], object], which: slice, reason: str, tmp_path: Path
) -> None:
    assert reason in refused(edited(edit, which), tmp_path)


def test_a_position_that_is_no_number_is_refused(tmp_path: Path) -> None:
    paths = write(SMALL.datasets(), tmp_path)
    place = f"{SMALL.position(1)[2]:g}".encode()
    content = paths[1].read_bytes()
    assert content.count(b"\\" + place) == 1
    paths[1].write_bytes(content.replace(b"\\" + place, b"\\" + b"x" * len(place)))
    with pytest.raises(
        UnusableInput, match=r"^Image Position \(Patient\) of image 2 is not 3 numbers: text, which is not shown$"
    ):
        build(paths)


def test_an_enhanced_image_whose_frames_are_not_all_described_is_refused(tmp_path: Path) -> None:
    image = SMALL.enhanced()
    image.PerFrameFunctionalGroupsSequence = list(image.PerFrameFunctionalGroupsSequence)[:3]
    assert refused([image], tmp_path) == "image 1 describes 3 frames and has 4"


def test_frames_at_one_position_are_named(tmp_path: Path) -> None:
    image = SMALL.enhanced()
    groups = image.PerFrameFunctionalGroupsSequence
    groups[1].PlanePositionSequence = groups[0].PlanePositionSequence
    assert "frame 1 of image 1 and frame 2 of image 1 lie at the same position" in refused([image], tmp_path)


def test_a_size_that_the_pixels_do_not_bear_out_is_refused_before_room_is_made_for_it(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    for one in datasets:
        one.Rows = one.Columns = 65535
    assert "the pixels of image 1 cannot be decoded" in refused(datasets, tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless, uid.JPEG2000Lossless])
def test_a_truncated_file_is_refused_by_its_instance(syntax: str, tmp_path: Path) -> None:
    datasets = replace(SMALL, transfer_syntax=syntax).datasets()
    paths = write(datasets, tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:-1200])
    reason = (
        f"image 3 cannot be decoded .*sent again.*{datasets[2].SOPInstanceUID}|file 3 of 4 is cut short.*sent again"
    )
    with pytest.raises(UnusableInput, match=reason):
        build(paths)


def test_an_encoding_without_decoder_is_refused_by_its_instance(tmp_path: Path) -> None:
    datasets = SMALL.datasets()
    paths = write(datasets, tmp_path)
    usual = b"1.2.840.10008.1.2.1\0"
    paths[0].write_bytes(paths[0].read_bytes().replace(usual, b"1.2.840.10008.1.9.9\0", 1))
    with pytest.raises(UnusableInput, match=datasets[0].SOPInstanceUID):
        build(paths)


def test_a_file_that_is_not_dicom_is_refused(tmp_path: Path) -> None:
    paths = write(SMALL.datasets(), tmp_path)
    paths[3].write_bytes(b"a letter" * 100)
    with pytest.raises(UnusableInput, match=r"^file 4 of 4 is not a DICOM file$"):
        build(paths)


def test_a_file_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    paths = write(SMALL.datasets(), tmp_path)
    paths[1].unlink()
    with pytest.raises(Retryable, match=r"^file 2 of 4 cannot be opened: No such file"):
        build(paths)


def test_no_identity_is_read_into_a_frame(tmp_path: Path) -> None:
    for frame in read(write(SMALL.datasets(), tmp_path)).frames:
        identity = ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName")
        assert not any(keyword in frame.dataset for keyword in identity)
