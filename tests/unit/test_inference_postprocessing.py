"""The way back: labels land on the source's own voxels, and what is measured in them is right."""

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from domain.findings import Code, Segment
from inference_worker.postprocessing import Labels, clean, close, label, measure
from inference_worker.preprocessing import grid_for, resample
from models.manifest import Postprocessing, Wanted
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom

BOTH = Postprocessing(close_mm=0.0, largest_component=True, fill_holes=True)
NEITHER = Postprocessing(close_mm=0.0, largest_component=False, fill_holes=False)
ML, HU = Code("ml", "UCUM", "milliliter"), Code("[hnsf'U]", "UCUM", "Hounsfield unit")
WANTED = (Wanted("volume", Code("1", "X", "V"), ML), Wanted("mean", Code("2", "X", "M"), HU))
SEGMENT = Segment(1, "box", Code("3", "X", "C"), Code("4", "X", "T"), (0, 0, 0))


def logits_of(likely: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits whose softmax is `likely` (labels without background, z, y, x), padded as the network's output is."""
    shares = np.concatenate([1 - likely.sum(axis=0, keepdims=True), likely])
    padding = [(0, 0), *((0, -size % 16) for size in likely.shape[1:])]
    return np.pad(np.log(np.clip(shares, 1e-6, 1)), padding)[None].astype(np.float32)


@pytest.mark.parametrize("direction", [AXIAL, SAGITTAL, CORONAL, OBLIQUE])
def test_a_mask_comes_home_to_the_voxels_that_it_was_made_of(direction: tuple[float, ...]) -> None:
    phantom = Phantom(orientation=direction, slices=50, size=(60, 70), spacing=(2.5, 1.0, 1.0))
    truth = np.zeros((50, 60, 70), np.uint8)
    truth[8:25, 9:31, 12:40], truth[30:44, 20:50, 35:60] = 1, 2
    grid = grid_for(truth.shape, phantom.affine(), (3.0, 3.0, 3.0))
    likely = np.stack([resample(truth == number, grid, (0, 1)) for number in (1, 2)])
    mask = label(logits_of(likely), grid, 3)
    assert mask.shape == truth.shape and mask.dtype == np.uint8
    for number in (1, 2):
        common = ((mask == number) & (truth == number)).sum()
        assert 2 * common / ((mask == number).sum() + (truth == number).sum()) > 0.97


def test_labels_agree_with_interpolation_of_the_whole_volume() -> None:
    rng = np.random.default_rng(3)
    shape, affine = (21, 30, 26), Phantom(spacing=(2.0, 1.3, 0.9)).affine()
    grid = grid_for(shape, affine, (3.0, 3.0, 3.0))
    logits = rng.normal(size=(1, 3, 16, 16, 16)).astype(np.float32) * 3
    sizes = [axis.new_size for axis in grid.axes]
    powers = np.exp(logits[0, :, : sizes[0], : sizes[1], : sizes[2]])
    likely = powers / powers.sum(axis=0)
    fine = np.einsum("ai,bj,ck,lijk->labc", *(axis.back() for axis in grid.axes), likely, optimize=True)
    assert np.mean(label(logits, grid, 3) == fine.argmax(axis=0)) > 0.9999


def test_where_nothing_is_likely_nothing_is_labelled() -> None:
    grid = grid_for((9, 9, 9), np.eye(4), (3.0, 3.0, 3.0))
    assert not label(logits_of(np.zeros((2, 3, 3, 3), np.float32)), grid, 3).any()


def test_another_number_of_labels_than_the_manifest_s_is_a_wrong_package() -> None:
    with pytest.raises(ConfigurationError, match="3 labels, its manifest 2"):
        label(np.zeros((1, 3, 16, 16, 16), np.float32), grid_for((9, 9, 9), np.eye(4), (3.0, 3.0, 3.0)), 2)


def test_closing_takes_in_a_bite_at_the_border_and_leaves_what_two_labels_share() -> None:
    shares = np.zeros((2, 30, 30, 40), np.float32)
    shares[0, 5:25, 5:25, 5:18], shares[1, 5:25, 5:25, 20:35] = 1, 1
    bite = (slice(13, 16), slice(13, 16), slice(5, 9))
    shares[0][bite] = 0
    before = shares.copy()
    close(shares, (3.0, 3.0, 3.0), 9.0)
    gained = (shares - before)[0] > 0
    # At the face itself a ball of three voxels enters an opening of three by one voxel.
    assert gained[13:16, 13:16, 6:9].all() and gained.sum() == 27
    assert np.array_equal(shares[1], before[1])


def test_closing_by_nothing_changes_nothing() -> None:
    shares = np.random.default_rng(2).random((2, 9, 9, 9), np.float32)
    before = shares.copy()
    close(shares, (3.0, 3.0, 3.0), 0.0)
    assert np.array_equal(shares, before)


def ring() -> Labels:
    """A hollow box of label 1, an island of it, a box of label 2 with a tunnel through it."""
    mask = np.zeros((20, 20, 30), np.uint8)
    mask[2:9, 2:9, 2:9], mask[4:7, 4:7, 4:7], mask[15, 15, 15] = 1, 0, 1
    mask[10:19, 2:10, 20:29], mask[10:19, 5, 25] = 2, 0
    return mask


def test_islands_go_and_holes_are_filled_but_tunnels_stay() -> None:
    mask = ring()
    clean(mask, 2, BOTH)
    assert (mask[2:9, 2:9, 2:9] == 1).all() and (mask == 1).sum() == 343
    assert mask[15, 15, 15] == 0
    assert (mask[10:19, 5, 25] == 0).all()


def test_a_hole_that_another_label_fills_is_left_to_it() -> None:
    mask = ring()
    mask[4:7, 4:7, 4:7] = 2
    mask[10:19, 2:10, 20:29] = 0
    clean(mask, 2, BOTH)
    assert (mask[4:7, 4:7, 4:7] == 2).all()


def test_what_the_package_does_not_want_is_not_done() -> None:
    mask = ring()
    clean(mask, 2, NEITHER)
    assert np.array_equal(mask, ring())


def test_a_box_of_known_size_has_its_volume_and_mean() -> None:
    mask, voxels = np.zeros((10, 20, 20), np.uint8), np.zeros((10, 20, 20), np.int16)
    mask[2:6, 5:15, 5:15] = 1
    voxels[2:4, 5:15, 5:15], voxels[4:6, 5:15, 5:15] = -900, -700
    affine = Phantom(orientation=OBLIQUE, spacing=(2.5, 0.8, 0.5)).affine()
    volume, mean = measure(SEGMENT, mask, voxels, affine, WANTED)
    assert volume.value == pytest.approx(400 * 2.5 * 0.8 * 0.5 / 1000, rel=1e-5)
    assert mean.value == -800
    assert (volume.unit, mean.unit) == (ML, HU)


def test_a_segment_without_voxels_has_no_volume_and_no_mean() -> None:
    (volume,) = measure(SEGMENT, np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 2)), np.eye(4), WANTED)
    assert volume.value == 0
