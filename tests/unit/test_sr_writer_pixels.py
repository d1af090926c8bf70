"""An image is shown as a viewer first shows it, whatever it is stored as."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from domain.errors import Retryable, UnusableInput
from sr_writer.pages.pixels import Display, display
from tests.support.contents import images, ramp, slices
from tests.support.phantoms import CORONAL, OBLIQUE, SAGITTAL, Phantom
from tests.support.radiographs import Radiograph


def shown(dataset: Dataset, folder: Path, number: int = 0) -> Display:
    return display(images([dataset], folder).frame(number))


def radiograph(folder: Path, pixels: NDArray[np.uint16] | None = None, **elements: object) -> NDArray[np.uint8]:
    dataset = Radiograph(ramp() if pixels is None else pixels).dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return shown(dataset, folder).pixels


def ct(**elements: object) -> Dataset:
    (dataset,) = Phantom(slices=1, size=(48, 48), spacing=(5.0, 8.0, 8.0)).datasets()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def test_the_first_window_of_the_source_is_used(tmp_path: Path) -> None:
    window: dict[str, Any] = {"WindowCenter": [512, 40], "WindowWidth": [512, 400]}
    pixels = radiograph(tmp_path, **window)
    assert pixels[0, 0] == 0
    assert pixels[0, -1] == 255
    values = ramp()[0].astype(float)
    expected = np.clip((values - 511.5) / 511 + 0.5, 0, 1) * 255
    np.testing.assert_allclose(pixels[0], expected, atol=1)


@pytest.mark.parametrize(("function", "at"), [("LINEAR_EXACT", 640), ("SIGMOID", 640)])
def test_other_functions_of_a_window_are_known(function: str, at: int, tmp_path: Path) -> None:
    flat = np.full((4, 4), at, np.uint16)
    pixels = radiograph(tmp_path, flat, WindowCenter=512, WindowWidth=256, VOILUTFunction=function)
    share = (at - 512) / 256
    expected = share + 0.5 if function == "LINEAR_EXACT" else 1 / (1 + np.exp(-4 * share))
    assert pixels[0, 0] == round(255 * float(expected))


@pytest.mark.parametrize("width", ["", 0, -5])
def test_a_window_that_is_none_is_replaced_by_one_of_what_is_seen(width: object, tmp_path: Path) -> None:
    pixels = radiograph(tmp_path, WindowCenter=5000, WindowWidth=width)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert abs(int(pixels[0, 32]) - 128) < 8


def test_a_window_of_width_one_is_a_threshold(tmp_path: Path) -> None:
    assert set(np.unique(radiograph(tmp_path, WindowCenter=500, WindowWidth=1))) == {0, 255}


def test_monochrome1_is_turned_around(tmp_path: Path) -> None:
    window: dict[str, Any] = {"WindowCenter": 512, "WindowWidth": 1024}
    straight = radiograph(tmp_path / "2", **window)
    turned = radiograph(tmp_path / "1", PhotometricInterpretation="MONOCHROME1", **window)
    np.testing.assert_allclose(turned.astype(int), 255 - straight.astype(int), atol=1)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_does_not_count(photometric: str, tmp_path: Path) -> None:
    pixels = ramp(low=1000, high=2000)
    pixels[:, :20] = 65000
    seen = radiograph(tmp_path, pixels, PixelPaddingValue=65000, PhotometricInterpretation=photometric)
    assert not seen[:, :20].any()
    assert seen[:, 20:].max() == 255


def test_a_range_of_padding_is_black(tmp_path: Path) -> None:
    seen = radiograph(tmp_path, PixelPaddingValue=0, PixelPaddingRangeLimit=300, WindowCenter=100, WindowWidth=100)
    assert not seen[ramp() <= 300].any()
    assert (seen[ramp() > 300] == 255).all()


def test_a_ct_without_a_window_is_seen_as_what_it_shows(tmp_path: Path) -> None:
    lungs = shown(ct(), tmp_path / "1").pixels
    assert 60 < lungs[24, 14] < 110  # -850 HU at -600, 1500
    low = Phantom(slices=1, size=(48, 48), spacing=(5.0, 8.0, 8.0), centre=(0.0, 0.0, 150.0))
    (below,) = low.datasets()
    soft = shown(below, tmp_path / "2").pixels
    assert soft[24, 14] == 128  # 40 HU at 40, 400


def test_an_image_of_one_value_is_shown(tmp_path: Path) -> None:
    assert radiograph(tmp_path, np.full((5, 5), 77, np.uint16)).shape == (5, 5)


def test_a_few_bright_points_do_not_set_the_window(tmp_path: Path) -> None:
    pixels = ramp()
    pixels[0, 0] = 60000
    assert radiograph(tmp_path, pixels)[1].max() == 255


def table(values: list[int], first: int, bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "OW", np.array(values, "<u2").tobytes())
    return item


def test_tables_of_modality_and_voi_are_applied(tmp_path: Path) -> None:
    pixels = np.array([[0, 1], [2, 3]], np.uint16)
    modality, voi = table([10, 11, 12, 13], 0, 16), table([0, 1023, 0, 511], 10, 10)
    seen = radiograph(tmp_path, pixels, ModalityLUTSequence=[modality], VOILUTSequence=[voi])
    assert seen.tolist() == [[0, 255], [0, 127]]


def test_signed_values_and_a_rescale_come_before_the_window(tmp_path: Path) -> None:
    dataset = ct(WindowCenter=40, WindowWidth=400)
    seen = shown(dataset, tmp_path).pixels
    assert seen[24, 14] == 0  # lung
    assert seen[24, 24] == 128  # soft tissue


def test_a_frame_of_an_enhanced_image_has_the_window_of_its_own_group(tmp_path: Path) -> None:
    dataset = Phantom(slices=3, size=(32, 32)).enhanced()
    for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        window = Dataset()
        window.WindowCenter, window.WindowWidth = (40, 400) if number else (-850, 2)
        groups.FrameVOILUTSequence = [window]
    content = images([dataset], tmp_path)
    first, second = (display(content.frame(number)) for number in (0, 1))
    assert first.pixels[16, 16] == 255
    assert second.pixels[16, 16] == 128
    assert first.edges == ("R", "L", "A", "P")


def coloured(photometric: str = "RGB") -> Dataset:
    dataset = Radiograph(np.zeros((8, 8), np.uint8)).dataset()
    dataset.SOPClassUID, dataset.Modality = SecondaryCaptureImageStorage, "OT"
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, photometric
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = (200, 100, 50)
    dataset.PixelData = pixels.tobytes()
    return dataset


def test_colour_is_kept(tmp_path: Path) -> None:
    seen = shown(coloured(), tmp_path).pixels
    assert seen.shape == (8, 8, 3)
    assert seen[0, 0].tolist() == [200, 100, 50]


def test_a_palette_becomes_colour(tmp_path: Path) -> None:
    dataset = Radiograph(np.array([[0, 1], [1, 0]], np.uint8), photometric="PALETTE COLOR").dataset()
    for name, values in (("Red", [0, 65535]), ("Green", [0, 32768]), ("Blue", [0, 0])):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [2, 0, 16])
        dataset[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(dataset, f"{name}PaletteColorLookupTableData", np.array(values, "<u2").tobytes())
    assert shown(dataset, tmp_path).pixels.tolist() == [[[0, 0, 0], [255, 128, 0]], [[255, 128, 0], [0, 0, 0]]]


@pytest.mark.parametrize(
    "syntax",
    [RLELossless, JPEG2000Lossless, ExplicitVRBigEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian],
)
def test_every_transfer_syntax_shows_the_same(syntax: str, tmp_path: Path) -> None:
    plain, other = (Phantom(slices=1, size=(48, 40), transfer_syntax=one) for one in ("1.2.840.10008.1.2.1", syntax))
    expected = shown(plain.datasets()[0], tmp_path / "plain").pixels
    np.testing.assert_array_equal(shown(other.datasets()[0], tmp_path / "other").pixels, expected)


def test_one_frame_is_decoded_without_the_others(tmp_path: Path) -> None:
    dataset = Phantom(slices=3, size=(16, 16), transfer_syntax=RLELossless).enhanced()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(RLELossless, generate_instance_uid=False)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=3))
    dataset.PixelData = encapsulate([frames[0], b"\xff" * 70, frames[2]])
    dataset["PixelData"].is_undefined_length = True
    content = images([dataset], tmp_path)
    assert display(content.frame(0)).pixels.any()
    assert display(content.frame(2)).pixels.any()
    with pytest.raises(UnusableInput, match="cannot be decoded"):
        display(content.frame(1))


def test_pixels_that_name_the_patient_are_not_shown(tmp_path: Path) -> None:
    dataset = Radiograph(ramp()).dataset()
    dataset.BurnedInAnnotation = "YES"
    with pytest.raises(UnusableInput, match="name the patient"):
        shown(dataset, tmp_path)


def test_a_file_that_has_gone_may_come_back(tmp_path: Path) -> None:
    frame = slices(tmp_path, 1, size=(16, 16)).frame(0)
    frame.instance.file.unlink()
    with pytest.raises(Retryable, match="cannot be opened"):
        display(frame)


def test_a_truncated_file_cannot_be_decoded(tmp_path: Path) -> None:
    frame = slices(tmp_path, 1, size=(16, 16)).frame(0)
    file = frame.instance.file
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(UnusableInput, match="cannot be decoded"):
        display(frame)


@pytest.mark.parametrize(
    ("orientation", "edges"),
    [
        ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), ("R", "L", "A", "P")),
        (SAGITTAL, ("A", "P", "H", "F")),
        (CORONAL, ("R", "L", "H", "F")),
        ((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0), ("L", "R", "P", "A")),
        (OBLIQUE, ("R", "L", "A", "P")),
        ((0.7, 0.7, 0.0, 0.0, 0.0, -1.0), ("RA", "LP", "H", "F")),
    ],
)
def test_edges_have_the_letters_of_the_patients_sides(
    orientation: tuple[float, ...], edges: tuple[str, ...], tmp_path: Path
) -> None:
    assert display(slices(tmp_path, 1, size=(8, 8), orientation=orientation).frame(0)).edges == edges


@pytest.mark.parametrize(
    ("stated", "edges"),
    [(["L", "F"], ("R", "L", "H", "F")), (["P", "FR"], ("A", "P", "HL", "FR")), ("", ("", "", "", ""))],
)
def test_a_radiograph_names_its_edges_itself(stated: object, edges: tuple[str, ...], tmp_path: Path) -> None:
    dataset = Radiograph(ramp()).dataset()
    dataset.PatientOrientation = stated
    assert shown(dataset, tmp_path).edges == edges


def test_pixels_that_are_not_square_are_known(tmp_path: Path) -> None:
    assert display(slices(tmp_path / "1", 1, size=(8, 8), spacing=(5.0, 4.0, 2.0)).frame(0)).aspect == 2.0
    dataset = Radiograph(ramp(), spacing=None).dataset()
    dataset.PixelAspectRatio = ["1", "2"]
    assert shown(dataset, tmp_path / "2").aspect == 0.5
    dataset.PixelAspectRatio = "1"  # older than the rule that there are two
    assert shown(dataset, tmp_path / "3").aspect == 1.0
