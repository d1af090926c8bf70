"""The way back: whatever was done to the grid, labels land on the source's own voxels."""

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # its users' name for it
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from inference_worker.transforms.arrays import Labelled, Sampled, to_numpy
from inference_worker.transforms.grids import Grid, between, lines
from inference_worker.transforms.inputs import prepare
from inference_worker.transforms.inverse import to_source, values_on_source
from inference_worker.transforms.outputs import finish
from inference_worker.transforms.weights import weights
from models import steps
from tests.support.arrays import LIBRARIES, given, sampled
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom

Float = NDArray[np.float32]

both = pytest.mark.parametrize("library", LIBRARIES)

SHAPE = (50, 60, 70)
# Each chain ends on another grid than it began with.
CHAINS: dict[str, list[Any]] = {
    "nothing": [],
    "spacing": [steps.Orientation("SPL"), steps.Spacing((3.0, 3.0, 3.0)), steps.Pad(multiple=16)],
    "flips": [steps.Orientation("IRA"), steps.Spacing((1.5, 1.5, 1.5))],
    "crop": [steps.Orientation("LIA"), steps.CropForeground(0.01, margin=2), steps.Pad(size=(96, 96, 96), both=True)],
    "centre": [steps.CentreCrop((46, 50, 64)), steps.Resize((40, 44, 48))],
    "blocks": [steps.BlockMean(2)],
    "conform": [steps.Conform(size=100, mm=1.3)],
    "conform and crop": [steps.Conform(size=100, mm=1.3, axes="RAS"), steps.CropForeground(0.01, margin=1)],
}


def truth() -> NDArray[np.uint8]:
    labels = np.zeros(SHAPE, np.uint8)
    labels[8:25, 9:31, 12:40], labels[30:44, 20:50, 35:60] = 1, 2
    return labels


def forth(chain: list[Any], affine: NDArray[np.float64], library: str) -> Sampled:
    """Shares of background and two labels on the network's grid, as a network sure of itself would give them."""
    raw = {str(k): sampled((truth() == k).astype(np.float32), library, affine) for k in (1, 2)}
    boxed = [steps.Stack(), *chain]
    made = prepare(raw, boxed)
    xp = np if library == "numpy" else __import__("torch")
    values = made.values / max(1.0, float(made.values.max()))
    return Sampled(xp.concatenate([1 - values.sum(0, keepdims=True), values]), made.affine)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.parametrize(
    ("library", "direction"),
    [("numpy", AXIAL), ("numpy", SAGITTAL), ("numpy", CORONAL), ("numpy", OBLIQUE), ("torch", OBLIQUE)],
)
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("form", ["shares", "labels", "nearest"])
def test_a_mask_comes_home_to_the_voxels_that_it_was_made_of(
    library: str, direction: tuple[float, ...], chain: str, form: str
) -> None:
    phantom = Phantom(orientation=direction, slices=50, size=(60, 70), spacing=(2.0, 1.5, 1.2))
    source = Grid(SHAPE, phantom.affine())
    shares = forth(CHAINS[chain], source.affine, library)
    forms: dict[str, list[steps.After]] = {
        "shares": [steps.ToSource()],
        "labels": [steps.Argmax(), steps.ToSource("linear")],
        "nearest": [steps.Argmax(), steps.ToSource("nearest")],
    }
    done = finish(shares, forms[form], source)
    assert isinstance(done, Labelled)
    assert isinstance(done.values, np.ndarray)
    assert done.values.shape == SHAPE and done.values.dtype == np.uint8
    coarse = chain in ("spacing", "blocks")
    least = (0.94 if form == "shares" else 0.88) if coarse else (0.97 if form == "shares" else 0.95)
    for number in (1, 2):
        assert dice(done.values == number, truth() == number) > least


@both
def test_labels_agree_with_interpolation_of_the_whole_volume(library: str) -> None:
    rng = np.random.default_rng(3)
    source = Grid((21, 30, 26), Phantom(spacing=(2.0, 1.3, 0.9)).affine())
    chain: list[steps.Before] = [steps.Orientation("SPL"), steps.Spacing((3.0, 3.0, 3.0))]
    grid = prepare({"": sampled(np.zeros(source.shape, np.float32), affine=source.affine)}, chain)
    logits = rng.normal(size=(3, *grid.grid.shape)).astype(np.float32) * 3
    shares = np.exp(logits) / np.exp(logits).sum(axis=0)
    found = lines(grid.grid, source)
    assert found is not None
    matrices = [weights("mean", found[0][found[1].index(axis)]) for axis in range(3)]
    fine = np.einsum("ai,bj,ck,lijk->labc", *matrices, shares, optimize=True)
    done = to_source(Sampled(given(shares, library), grid.affine), steps.ToSource(), source)
    assert np.mean(done.values == fine.argmax(axis=0)) > 0.9999


def test_shares_on_a_turned_grid_are_those_of_simpleitk() -> None:
    rng = np.random.default_rng(3)
    grid = Grid((20, 22, 24), Phantom(slices=20, size=(22, 24), spacing=(2.0, 2.0, 2.0)).affine())
    source = Grid((12, 30, 28), Phantom(orientation=OBLIQUE, slices=12, size=(30, 28), spacing=(2, 1.1, 1.3)).affine())
    logits = rng.normal(size=(3, *grid.shape)).astype(np.float32) * 3
    shares = np.exp(logits) / np.exp(logits).sum(axis=0)
    done = to_source(Sampled(shares, grid.affine), steps.ToSource(), source)
    fine = []
    for share in shares:
        matrix = between(grid, source)
        index = np.stack(np.meshgrid(*map(np.arange, source.shape), indexing="ij"), axis=-1)
        at = index @ matrix[:3, :3].T + matrix[:3, 3]
        field = sitk.GetImageFromArray(share)
        points = at[..., ::-1].reshape(-1, 3)
        fine.append([field.EvaluateAtContinuousIndex(tuple(point), sitk.sitkLinear) if inside else 0.0
                     for point, inside in zip(points, _inside(at, grid).ravel(), strict=True)])  # fmt: skip
    expected = np.array(fine).argmax(axis=0).reshape(source.shape)
    assert np.mean(done.values == expected) > 0.999


def _inside(at: NDArray[np.float64], grid: Grid) -> NDArray[np.bool_]:
    return np.asarray(((at >= 0) & (at <= np.array(grid.shape) - 1)).all(axis=-1))


@both
@pytest.mark.parametrize("how", ["linear", "nearest"])
def test_outside_a_crop_is_background(library: str, how: str) -> None:
    labels = np.ones((10, 10, 10), np.uint8)
    source = Grid((20, 20, 20), np.eye(4))
    affine = np.eye(4)
    affine[:3, 3] = 5
    done = to_source(Labelled(given(labels, library), affine), steps.ToSource(how), source)
    expected = np.zeros((20, 20, 20), np.uint8)
    expected[5:15, 5:15, 5:15] = 1
    assert np.array_equal(done.values, expected)


def test_what_was_filled_up_beyond_the_source_never_comes_back() -> None:
    source = Grid((10, 10, 10), np.eye(4))
    made = prepare({"": sampled(np.zeros((10, 10, 10), np.float32))}, [steps.Pad(multiple=16)])
    shares = np.zeros((2, 16, 16, 16), np.float32)
    shares[0], shares[1, 10:], shares[0, 10:] = 1, 1, 0
    assert not to_source(Sampled(shares, made.affine), steps.ToSource(), source).values.any()


@settings(max_examples=30)
@drawn(seed=st.integers(0, 10**6), labels=st.integers(1, 5))
def test_going_to_the_same_grid_changes_no_label(seed: int, labels: int) -> None:
    values = np.random.default_rng(seed).integers(0, labels + 1, (6, 7, 8)).astype(np.uint8)
    grid = Grid((6, 7, 8), Phantom(orientation=OBLIQUE).affine())
    for how in ("linear", "nearest"):
        assert np.array_equal(to_source(Labelled(values, grid.affine), steps.ToSource(how), grid).values, values)


@both
def test_one_channel_is_the_share_of_label_1(library: str) -> None:
    share = np.linspace(0, 1, 11, dtype=np.float32).reshape(1, 1, 1, 11)
    done = to_source(Sampled(given(share, library), np.eye(4)), steps.ToSource(), Grid((1, 1, 11), np.eye(4)))
    assert done.values.ravel().tolist() == [0] * 6 + [1] * 5


def test_a_source_of_other_directions_is_a_wrong_package() -> None:
    with pytest.raises(ConfigurationError, match="2 axes for 3"):
        to_source(Labelled(np.zeros((4, 4), np.uint8), np.eye(3)), steps.ToSource(), Grid((4, 4, 4), np.eye(4)))


@both
def test_a_map_of_a_picture_lies_where_the_network_looked(library: str) -> None:
    picture = np.zeros((60, 80), np.float32)
    picture[20:30, 40:60] = 1
    chain: list[steps.Before] = [
        steps.CentreCrop((50, 50)),
        steps.Resize((100, 100)),
        steps.Pad(size=(128, 128), both=True),
    ]
    made = prepare({"": sampled(picture, library)}, chain)
    found = values_on_source(made, Grid((60, 80), np.eye(3)))[0]
    assert found.shape == (60, 80) and found.dtype == np.float32
    assert found == pytest.approx(picture, abs=0.5)
    assert np.abs(found - picture).mean() < 0.01
    assert not to_numpy(found)[:, :15].any() and not to_numpy(found)[:, 65:].any()
