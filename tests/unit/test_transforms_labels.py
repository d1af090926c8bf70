"""Labels against SciPy and SimpleITK, in both libraries."""

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # its users' name for it
from hypothesis import given as drawn
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage, special

from domain.errors import ConfigurationError
from inference_worker.transforms import labels, morphology
from inference_worker.transforms.arrays import Labelled, Sampled, to_numpy
from inference_worker.transforms.morphology import Mask
from inference_worker.transforms.outputs import finish
from models import steps
from tests.support.arrays import LIBRARIES, given

Labels = NDArray[np.uint8]

both = pytest.mark.parametrize("library", LIBRARIES)
masks = arrays(np.bool_, st.tuples(*[st.integers(1, 7)] * 3))


def shares(values: NDArray[Any], library: str = "numpy") -> Sampled:
    return Sampled(given(values.astype(np.float32), library), np.eye(values.ndim))


def labelled(values: NDArray[Any], library: str = "numpy", spacing: float = 1.0) -> Labelled:
    affine = np.diag([spacing] * values.ndim + [1.0])
    return Labelled(given(values.astype(np.uint8), library), affine)


def logits() -> NDArray[np.float32]:
    return np.random.default_rng(6).normal(0, 30, (4, 5, 6, 7)).astype(np.float32)


@both
def test_shares_are_scipy_s(library: str) -> None:
    softmax = to_numpy(labels.softmax(shares(logits(), library), steps.Softmax()).values)
    assert softmax == pytest.approx(special.softmax(logits(), axis=0), abs=1e-6)
    sigmoid = to_numpy(labels.sigmoid(shares(logits() * 100, library), steps.Sigmoid()).values)
    assert sigmoid == pytest.approx(special.expit(logits() * 100), abs=1e-6)


@both
def test_the_likeliest_channel_is_the_label(library: str) -> None:
    found = labels.argmax(shares(logits(), library), steps.Argmax()).values
    assert np.array_equal(to_numpy(found), logits().argmax(axis=0))
    assert to_numpy(found).dtype == np.uint8


@both
def test_a_threshold_wants_one_channel(library: str) -> None:
    found = to_numpy(labels.threshold(shares(logits()[:1], library), steps.Threshold(3.0)).values)
    assert np.array_equal(found, logits()[0] > 3)
    with pytest.raises(ConfigurationError, match="one channel"):
        labels.threshold(shares(logits(), library), steps.Threshold(3.0))


@both
def test_of_overlapping_regions_the_later_wins(library: str) -> None:
    values = np.array([[0.9, 0.9, 0.9, 0.1], [0.1, 0.9, 0.9, 0.2], [0.2, 0.3, 0.6, 0.3]])[:, None]
    found = labels.regions(shares(values, library), steps.Regions((2, 1, 3)))
    assert to_numpy(found.values).tolist() == [[2, 1, 3, 0]]
    with pytest.raises(ConfigurationError, match="2 labels for 3 channels"):
        labels.regions(shares(values, library), steps.Regions((2, 1)))


@both
def test_labels_are_renamed_joined_and_dropped(library: str) -> None:
    found = labels.relabel(labelled(np.array([[0, 1, 2, 3]]), library), steps.Relabel((0, 2, 0, 2)))
    assert to_numpy(found.values).tolist() == [[0, 2, 0, 2]]
    with pytest.raises(ConfigurationError, match="there is a label 3"):
        labels.relabel(labelled(np.array([[0, 1, 2, 3]]), library), steps.Relabel((0, 1, 2)))


@drawn(mask=masks, spacing=st.tuples(*[st.sampled_from((0.5, 1.0, 1.7, 3.0))] * 3), radius=st.floats(0.3, 5))
def test_a_ball_reaches_what_lies_within_its_radius(
    mask: Mask, spacing: tuple[float, float, float], radius: float
) -> None:
    expected = ndimage.distance_transform_edt(~mask, sampling=spacing) <= radius if mask.any() else mask
    assert np.array_equal(morphology.dilated(mask, spacing, radius), expected)


@drawn(mask=masks, spacing=st.tuples(*[st.sampled_from((0.5, 1.0, 1.7, 3.0))] * 3), radius=st.floats(0.3, 5))
def test_a_closing_is_what_no_ball_outside_reaches(
    mask: Mask, spacing: tuple[float, float, float], radius: float
) -> None:
    margin = [int(radius / step) + 2 for step in spacing]
    padded = np.pad(mask, [(size, size) for size in margin])
    reached = ndimage.distance_transform_edt(~padded, sampling=spacing) <= radius if mask.any() else padded
    expected = ndimage.distance_transform_edt(reached, sampling=spacing) > radius
    assert np.array_equal(
        morphology.closed(mask, spacing, radius), expected[tuple(slice(size, -size) for size in margin)]
    )


def test_a_closing_is_simpleitk_s() -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(24, 26, 28)), 1.5) > 0.03
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    judge = sitk.GetArrayFromImage(sitk.BinaryMorphologicalClosing(image, [3, 3, 3], sitk.sitkBall))
    # Its ball is half a voxel wider than its radius.
    found = morphology.closed(mask, (1.0, 1.0, 1.0), 3.5)
    assert 2 * (found & (judge > 0)).sum() / (found.sum() + (judge > 0).sum()) > 0.995


@drawn(mask=masks)
def test_components_are_scipy_s(mask: Mask) -> None:
    truth, count = ndimage.label(mask)
    sizes = np.bincount(truth.ravel(), minlength=count + 1)[1:]
    found = morphology.components(mask)
    assert found[3] == count
    assert sorted(morphology.sizes(found)) == sorted(sizes)
    assert morphology.largest(mask).sum() == sizes.max(initial=0)
    kept = np.isin(truth, 1 + np.flatnonzero(sizes >= 3)) & mask
    assert np.array_equal(morphology.at_least(mask, 3), kept)


@drawn(mask=masks)
def test_holes_are_scipy_s(mask: Mask) -> None:
    assert np.array_equal(morphology.holes(mask), ndimage.binary_fill_holes(mask) & ~mask)


@drawn(mask=arrays(np.bool_, st.tuples(*[st.integers(1, 9)] * 2)))
def test_components_and_holes_of_pictures_are_scipy_s(mask: Mask) -> None:
    assert morphology.components(mask)[3] == ndimage.label(mask)[1]
    assert np.array_equal(morphology.holes(mask), ndimage.binary_fill_holes(mask) & ~mask)


@drawn(mask=masks, margin=st.integers(0, 3))
def test_a_box_holds_all_and_no_more(mask: Mask, margin: int) -> None:
    box = morphology.box_of(mask, margin)
    if box is None:
        assert not mask.any()
        return
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    expected = [
        (max(0, part.start - margin), min(size, part.stop + margin))
        for part, size in zip(found, mask.shape, strict=True)
    ]
    assert [(part.start, part.stop) for part in box] == expected


def ring() -> Labels:
    """A hollow box of label 1 with an island of it, a box of label 2 with a tunnel through it."""
    mask = np.zeros((20, 20, 30), np.uint8)
    mask[2:9, 2:9, 2:9], mask[4:7, 4:7, 4:7], mask[15, 15, 15] = 1, 0, 1
    mask[10:19, 2:10, 20:29], mask[10:19, 5, 25] = 2, 0
    return mask


@both
def test_islands_go_and_holes_are_filled_but_tunnels_stay(library: str) -> None:
    done = finish(shares(np.stack([ring() == k for k in range(3)]), library), [steps.Argmax()])
    assert isinstance(done, Labelled)
    done = labels.fill_holes(labels.largest_component(done, steps.LargestComponent()), steps.FillHoles())
    mask = to_numpy(done.values)
    assert (mask[2:9, 2:9, 2:9] == 1).all() and (mask == 1).sum() == 343
    assert mask[15, 15, 15] == 0
    assert (mask[10:19, 5, 25] == 0).all()


@both
def test_a_hole_that_another_label_fills_is_left_to_it(library: str) -> None:
    mask = ring()
    mask[4:7, 4:7, 4:7] = 2
    mask[10:19, 2:10, 20:29] = 0
    found = to_numpy(labels.fill_holes(labelled(mask, library), steps.FillHoles()).values)
    assert (found[4:7, 4:7, 4:7] == 2).all()


@both
def test_labels_taken_together_are_one_component(library: str) -> None:
    mask = np.zeros((3, 4, 12), np.uint8)
    mask[..., :3], mask[..., 3:5], mask[..., 8:12] = 1, 2, 1
    found = to_numpy(labels.largest_component(labelled(mask, library), steps.LargestComponent(together=True)).values)
    assert np.array_equal(found, np.where(np.arange(12) < 6, mask, 0))
    apart = to_numpy(labels.largest_component(labelled(mask, library), steps.LargestComponent()).values)
    assert np.array_equal(apart, np.where(np.arange(12) > 2, mask, 0))


@both
def test_small_components_go_by_their_millilitres(library: str) -> None:
    mask = np.zeros((9, 9, 9), np.uint8)
    mask[0, 0, :8], mask[4:6, 4:6, 4:6], mask[8, 8, :7] = 1, 2, 1
    found = to_numpy(labels.drop_small(labelled(mask, library, 5.0), steps.DropSmall(1.0)).values)
    assert np.array_equal(found, np.where((np.arange(9) == 8)[:, None, None], 0, mask))


@both
def test_closing_gives_a_label_what_no_other_claims(library: str) -> None:
    mask = np.zeros((7, 9, 30), np.uint8)
    for start, number in ((2, 1), (6, 1), (13, 1), (17, 2)):
        mask[1:6, 2:7, start : start + 3] = number
    found = to_numpy(labels.close(labelled(mask, library), steps.Close(1.0)).values)
    assert (found[2:5, 3:6, 5] == 1).all()
    assert (found[..., 16] == 0).all()
    likely = np.stack([mask == k for k in range(3)]) * 0.9 + 0.03
    closed = labels.close(shares(likely, library), steps.Close(1.0))
    assert isinstance(closed, Sampled)
    assert np.array_equal(to_numpy(closed.values).argmax(axis=0), found)


def test_nothing_stays_nothing() -> None:
    nothing = labelled(np.zeros((4, 5, 6)))
    for step in (steps.LargestComponent(), steps.LargestComponent(True), steps.DropSmall(1.0), steps.FillHoles()):
        done = finish(shares(np.zeros((2, 4, 5, 6))), [steps.Argmax(), step])
        assert np.array_equal(done.values, nothing.values)
    assert not labels.close(nothing, steps.Close(5.0)).values.any()


def test_steps_in_the_wrong_order_are_told() -> None:
    with pytest.raises(ConfigurationError, match="fill_holes cannot be made here: it finds shares"):
        finish(shares(logits()), [steps.FillHoles()])
    with pytest.raises(ConfigurationError, match="softmax cannot be made here: it finds labels"):
        finish(shares(logits()), [steps.Argmax(), steps.Softmax()])
