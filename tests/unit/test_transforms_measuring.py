"""Measurements against SimpleITK's, and against bodies whose size is known."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # its users' name for it
from hypothesis import given as drawn
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from domain.findings import Code, Segment
from inference_worker.transforms.measuring import Diameters, diameters, measure, volumes_ml
from models.checks import QUANTITIES
from models.manifest import Quantity
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom

ML, MM = Code("ml", "UCUM", "milliliter"), Code("mm", "UCUM", "millimeter")
EVERYTHING = tuple(Quantity(what, Code(what, "X", what), ML) for what in QUANTITIES)


def segment(number: int) -> Segment:
    return Segment(number, f"part {number}", Code("3", "X", "C"), Code("4", "X", "T"), (0, 0, 0))


def values(one: Segment) -> dict[str, float]:
    return {measurement.name.value: measurement.value for measurement in one.measurements}


def blobs() -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    rng = np.random.default_rng(8)
    labels = np.zeros((10, 20, 22), np.uint8)
    labels[2:6, 5:15, 5:15], labels[7:9, 3:9, 3:20], labels[9, 19, 21] = 1, 2, 1
    return labels, rng.normal(-500, 200, labels.shape).astype(np.int16)


def test_statistics_are_simpleitk_s() -> None:
    labels, voxels = blobs()
    affine = Phantom(orientation=OBLIQUE, spacing=(2.5, 0.8, 0.5)).affine()
    judge = sitk.LabelStatisticsImageFilter()
    judge.Execute(sitk.GetImageFromArray(voxels), sitk.GetImageFromArray(labels))
    for found in measure((segment(1), segment(2)), labels, voxels, affine, EVERYTHING):
        number, measured = found.number, values(found)
        count = judge.GetCount(number)
        assert measured["volume"] == pytest.approx(count * 2.5 * 0.8 * 0.5 / 1000, rel=1e-5)
        assert measured["mean"] == pytest.approx(judge.GetMean(number))
        # SimpleITK estimates the deviation of what a sample was drawn from.
        assert measured["deviation"] == pytest.approx(judge.GetSigma(number) * np.sqrt((count - 1) / count))
        assert (measured["minimum"], measured["maximum"]) == (judge.GetMinimum(number), judge.GetMaximum(number))
        assert measured["median"] == np.median(voxels[labels == number])
        assert measured["count"] == (2 if number == 1 else 1)


def test_each_quantity_says_how_it_came_of_the_voxels() -> None:
    labels, voxels = blobs()
    own = Code("1", "X", "my own")
    wanted = (*EVERYTHING, Quantity("mean", Code("x", "X", "x"), ML, derivation=own))
    (found,) = measure((segment(1),), labels, voxels, np.eye(4), wanted)
    said = {one.name.value: one.derivation.meaning if one.derivation else "" for one in found.measurements}
    assert said == {
        "volume": "", "mean": "Mean", "deviation": "Standard Deviation", "minimum": "Minimum", "maximum": "Maximum",
        "median": "Median", "long_axis": "", "short_axis": "", "mean_axis": "Mean", "count": "", "x": "my own",
    }  # fmt: skip


def test_a_quantity_of_one_segment_is_not_measured_in_others() -> None:
    labels, voxels = blobs()
    wanted = (Quantity("volume", Code("v", "X", "V"), ML), Quantity("mean", Code("m", "X", "M"), ML, segment=2))
    first, second = measure((segment(1), segment(2)), labels, voxels, np.eye(4), wanted)
    assert (list(values(first)), list(values(second))) == (["v"], ["v", "m"])


def test_a_segment_without_voxels_has_a_volume_and_a_count_of_nothing() -> None:
    nothing = np.zeros((2, 2, 2), np.uint8)
    (found,) = measure((segment(1),), nothing, nothing.astype(np.int16), np.eye(4), EVERYTHING)
    assert values(found) == {"volume": 0, "count": 0}


def test_volumes_by_number() -> None:
    labels, _ = blobs()
    assert volumes_ml(labels, np.diag([10.0, 10.0, 10.0, 1.0]), 3) == pytest.approx({1: 401.0, 2: 204.0, 3: 0.0})


@pytest.mark.parametrize("direction", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
@pytest.mark.parametrize("angle", [0, 25, 90, 130])
def test_an_ellipsoid_has_the_axes_that_it_shows_on_an_image(direction: tuple[float, ...], angle: float) -> None:
    size, spacing = (24, 64, 66), (4.0, 0.9, 0.9)
    affine = Phantom(orientation=direction, slices=size[0], size=size[1:], spacing=spacing).affine()
    middle = np.array([(side - 1) / 2 for side in size])
    middle[0] = 9  # a slice goes through the middle
    k, down, right = np.moveaxis((np.moveaxis(np.indices(size), 0, -1) - middle) * spacing, -1, 0)
    turn = np.deg2rad(angle)
    along, across = right * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - right * np.sin(turn)
    # Twice as long from slice to slice as on any of them: no image shows that.
    found = axes_of((along / 18) ** 2 + (across / 11) ** 2 + (k / 36) ** 2 < 1, affine)
    assert found.slice == 9
    assert found.long == pytest.approx(36, abs=1.2)
    assert found.short == pytest.approx(22, abs=1.2)


def axes_of(mask: NDArray[np.bool_], affine: NDArray[np.float64], filled: tuple[int, ...] = ()) -> Diameters:
    found = diameters(mask, affine, filled)
    assert found is not None
    return found


def tapering() -> NDArray[np.bool_]:
    """A block of 8 x 8 on two slices, a bar of 20 x 2 on the third and one of 16 x 2 on the last."""
    mask = np.zeros((4, 30, 30), np.bool_)
    mask[:2, 10:18, 10:18], mask[2, 12:14, 5:25], mask[3, 12:14, 7:23] = True, True, True
    return mask


def test_the_image_that_axes_are_told_for_is_where_the_long_one_is_longest_and_not_where_most_voxels_are() -> None:
    found = axes_of(tapering(), millimetres())
    assert found.slice == 2
    assert found.long == pytest.approx(np.hypot(20, 1), abs=0.5)


def test_no_axis_is_one_of_a_slice_that_was_interpolated() -> None:
    assert axes_of(tapering(), millimetres(), (2,)).slice == 3
    assert diameters(tapering(), millimetres(), (0, 1, 2, 3)) is None


def test_a_segment_says_which_image_its_axes_are_of_and_interpolated_slices_are_none() -> None:
    labels = np.zeros((6, 30, 30), np.uint8)
    labels[2:], wanted = tapering(), (*AXES_WANTED, Quantity("volume", ML, ML))
    for filled, frame in (((), 4), ((0,), 3), ((0, 4), 3)):
        (found,) = measure((segment(1),), labels, labels.astype(np.int16), millimetres(), wanted, filled)
        assert [one.frame for one in found.measurements] == [frame, frame, None]


def test_of_images_that_show_the_same_length_the_one_with_the_most_of_it_is_taken_then_the_first() -> None:
    mask = np.zeros((4, 9, 9), np.bool_)
    mask[0, 4, 1:8], mask[2:, 4, 1:8], mask[2:, 5, 4] = True, True, True
    assert axes_of(mask, millimetres()).slice == 2


@drawn(seed=st.integers(0, 10**6), share=st.floats(0.02, 0.9))
def test_no_voxels_lie_farther_apart_than_the_long_axis(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((1, 9, 11)) < share
    mask[0, 4, 4] = True
    affine = np.array([[0, 0, 0.7, 0], [0, 1.3, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1.0]])
    found = axes_of(mask, affine)
    long, short = found.long, found.short
    apart = pdist(np.argwhere(mask[0]) * [1.3, 0.7]).max(initial=0)
    assert apart <= long <= apart + 1.3 + 1e-9
    assert 0 < short <= long + 1e-9


def test_a_bar_is_as_long_and_as_broad_as_it_is() -> None:
    mask = np.zeros((3, 30, 30), np.bool_)
    mask[1, 5:25, 10:14] = True
    mask[2, 0, 0] = True
    affine = np.diag([5.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    found = axes_of(mask, affine)
    assert found.long == pytest.approx(np.hypot(20, 4), abs=1)
    assert found.short == pytest.approx(4, abs=1.5)


AXES_WANTED = tuple(Quantity(what, Code(what, "X", what), MM) for what in ("long_axis", "short_axis"))


def two_lesions() -> NDArray[np.uint8]:
    """Balls of 10 and 4 mm across, a hundred millimetres apart, in voxels of 1 mm."""
    z, y, x = np.ogrid[:20, :20, :130]
    labels = np.zeros((20, 20, 130), np.uint8)
    labels[(z - 10) ** 2 + (y - 10) ** 2 + (x - 8) ** 2 <= 25] = 1
    labels[(z - 10) ** 2 + (y - 10) ** 2 + (x - 108) ** 2 <= 4] = 1
    return labels


def millimetres() -> NDArray[np.float64]:
    return np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])


def measured_in(labels: NDArray[np.uint8], wanted: tuple[Quantity, ...]) -> list[tuple[str, float, int, int]]:
    (found,) = measure((segment(1),), labels, labels.astype(np.int16), millimetres(), wanted)
    return [(one.name.value, round(one.value, 1), one.part, one.parts) for one in found.measurements]


def test_a_diameter_is_that_of_the_largest_lesion_and_never_spans_two() -> None:
    assert measured_in(two_lesions(), AXES_WANTED) == [("long_axis", 11.0, 1, 2), ("short_axis", 11.0, 1, 2)]


def test_each_lesion_is_measured_by_itself_the_largest_first() -> None:
    wanted = tuple(replace(one, of="each") for one in (AXES_WANTED[0], Quantity("volume", ML, ML)))
    found = measured_in(two_lesions(), wanted)
    assert [(name, part, parts) for name, _, part, parts in found] == [
        ("long_axis", 1, 2), ("long_axis", 2, 2), ("ml", 1, 2), ("ml", 2, 2)
    ]  # fmt: skip
    assert [value for _, value, _, _ in found] == [11.0, 5.0, 0.5, 0.0]


def test_a_manifest_that_says_nothing_measures_volumes_of_the_whole() -> None:
    wanted = (Quantity("volume", ML, ML), Quantity("volume", MM, ML, of="largest"), Quantity("mean", MM, ML))
    assert [(part, parts) for _, _, part, parts in measured_in(two_lesions(), wanted)] == [(0, 0), (1, 2), (0, 0)]


def test_of_many_lesions_ten_are_measured_and_all_are_counted() -> None:
    labels = np.zeros((1, 3, 60), np.uint8)
    labels[0, 1, ::2] = 1
    found = measured_in(labels, (replace(AXES_WANTED[0], of="each"),))
    assert [(part, parts) for _, _, part, parts in found] == [(part, 30) for part in range(1, 11)]
