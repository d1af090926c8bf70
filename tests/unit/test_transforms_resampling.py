"""Resampling against SimpleITK, nibabel, Pillow and numerical integration, in both libraries."""

import nibabel
import nibabel.processing
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # its users' name for it
from hypothesis import given as drawn
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from inference_worker.transforms import shapes
from inference_worker.transforms.arrays import Sampled, to_numpy
from inference_worker.transforms.grids import Grid, Line, spaced
from inference_worker.transforms.intensities import window
from inference_worker.transforms.resampling import resample
from inference_worker.transforms.weights import mean_weights, weights
from models import steps
from tests.support.arrays import LIBRARIES, sampled
from tests.support.phantoms import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom, plain

Float = NDArray[np.float32]

both = pytest.mark.parametrize("library", LIBRARIES)


def noise(*shape: int) -> Float:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def itk(values: Float, grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    steps_ = np.linalg.norm(grid.affine[:3, :3], axis=0)
    image.SetSpacing(steps_[::-1].tolist())
    image.SetDirection((grid.affine[:3, :3] / steps_)[:, ::-1].ravel().tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    return image


def by_itk(values: Float, source: Grid, target: Grid, how: int) -> Float:
    reference = itk(np.zeros(target.shape, np.float32), target)
    return np.asarray(
        sitk.GetArrayFromImage(sitk.Resample(itk(values, source), reference, sitk.Transform(), how, -9.0))
    )


@drawn(count=st.integers(1, 40), size=st.integers(1, 40), step=st.floats(0.1, 10))
def test_weights_are_a_mean(count: int, size: int, step: float) -> None:
    made = mean_weights(count, step, size)
    assert made.sum(axis=1) == pytest.approx(np.ones(count), abs=1e-5)
    assert made.min() >= -1e-6


@drawn(
    how=st.sampled_from(["mean", "linear", "nearest", "antialias"]),
    count=st.integers(1, 30), size=st.integers(1, 30), first=st.floats(-3, 3), step=st.floats(-4, 4).filter(abs),
)  # fmt: skip
def test_weights_run_backwards_as_they_run_forwards(how: str, count: int, size: int, first: float, step: float) -> None:
    if how == "nearest":
        first += 0.123456  # a tie is broken to one side
    backwards = Line(count, size, first + step * (count - 1), -step)
    assert weights(how, Line(count, size, first, step)) == pytest.approx(weights(how, backwards)[::-1], abs=1e-5)


@drawn(size=st.integers(8, 60), step=st.floats(0.2, 4))
def test_a_linear_ramp_stays_exact_away_from_the_ends(size: int, step: float) -> None:
    count = max(1, round(size / step))
    middles = (np.arange(count) - (count - 1) / 2) * step + (size - 1) / 2
    inside = (middles - step / 2 >= 0) & (middles + step / 2 <= size - 1)
    found = mean_weights(count, step, size) @ np.arange(size)
    assert found[inside] == pytest.approx(middles[inside], abs=1e-4)


def test_a_step_of_whole_samples_is_the_trapezoid_rule() -> None:
    signal = np.random.default_rng(1).normal(size=40)
    # The mean of the linear interpolant from sample 4n - 0.5 to 4n + 3.5, by fine numerical integration.
    fine = (np.arange(40 * 1000) + 0.5) / 1000 - 0.5
    expected = np.interp(fine, np.arange(40), signal).reshape(10, 4000).mean(axis=1)
    assert mean_weights(10, 4.0, 40) @ signal == pytest.approx(expected, abs=1e-5)


@both
def test_a_volume_is_resampled_where_it_lies_whatever_its_axes(library: str) -> None:
    for direction in (AXIAL, SAGITTAL, CORONAL):
        phantom = Phantom(body=plain, orientation=direction, slices=40, size=(40, 40), spacing=(2.0, 2.0, 2.0))
        turned = shapes.orientation(sampled(phantom.hounsfield(), library, phantom.affine()), steps.Orientation("SPL"))
        found = to_numpy(shapes.spacing(turned, steps.Spacing((4.0, 4.0, 4.0))).values)[0]
        at = (np.arange(20) - 9.5) * 4
        z, y, x = np.meshgrid(at, at, at, indexing="ij")
        inner = (slice(1, -1),) * 3
        assert found[inner] == pytest.approx((x + 2 * y + 3 * z)[inner], abs=0.01)


@both
@pytest.mark.parametrize("direction", [AXIAL, SAGITTAL, OBLIQUE])
@pytest.mark.parametrize(("how", "judge"), [("linear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)])
def test_another_spacing_is_what_simpleitk_makes(
    library: str, direction: tuple[float, ...], how: str, judge: int
) -> None:
    phantom = Phantom(orientation=direction, slices=12, size=(17, 21), spacing=(2.5, 0.8, 0.7))
    values, source = noise(12, 17, 21), Grid((12, 17, 21), phantom.affine())
    target = spaced(source, (1.1, 1.3, 1.7))
    found = to_numpy(resample(sampled(values, library, source.affine), target, how).values)[0]
    close = np.abs(found - by_itk(values, source, target, judge)) < 2e-3
    assert close.mean() > (0.97 if how == "nearest" else 0.9999)  # of two as near, each may take another


@both
@pytest.mark.parametrize(("how", "judge"), [("linear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)])
def test_a_turned_grid_is_filled_as_simpleitk_fills_it(library: str, how: str, judge: int) -> None:
    source = Grid(
        (20, 24, 28), Phantom(orientation=OBLIQUE, slices=20, size=(24, 28), spacing=(2.0, 1.5, 1.0)).affine()
    )
    target = Grid((30, 30, 30), Phantom(slices=30, size=(30, 30), spacing=(1.3, 1.3, 1.3)).affine())
    values = noise(*source.shape)
    found = to_numpy(resample(sampled(values, library, source.affine), target, how, (0.0, 0.0), -9.0).values)[0]
    expected = by_itk(values, source, target, judge)
    # SimpleITK goes on to the voxels' outer edges, this to their centres.
    inside = found != -9
    assert 0.5 < inside.mean() < 1
    assert (expected[inside] != -9).all()
    assert np.mean(np.abs(found - expected)[inside] < 2e-3) > (0.999 if how == "linear" else 0.99)


@both
def test_a_coarser_turned_grid_does_not_alias(library: str) -> None:
    values = np.zeros((60, 60, 60), np.float32)
    values[::2] = 1  # one half on the whole, and nothing that lies between the two remains on a coarse grid
    phantom = Phantom(orientation=OBLIQUE, slices=60, size=(60, 60), spacing=(1.0, 1.0, 1.0))
    target = Grid((10, 10, 10), Phantom(slices=10, size=(10, 10), spacing=(4.0, 4.0, 4.0)).affine())
    made = resample(sampled(values, library, phantom.affine()), target, "mean")
    assert to_numpy(made.values)[0][2:-2, 2:-2, 2:-2] == pytest.approx(0.5, abs=0.08)


@both
@pytest.mark.parametrize("direction", [AXIAL, OBLIQUE])
def test_conforming_puts_a_volume_where_nibabel_does(library: str, direction: tuple[float, ...]) -> None:
    phantom = Phantom(orientation=direction, slices=30, size=(34, 38), spacing=(2.0, 1.5, 1.2))
    values = phantom.hounsfield().astype(np.float32) + 10 * noise(30, 34, 38)
    ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    step = steps.Conform(size=64, mm=1.0, axes="LIA", top=0.0)
    found = shapes.conform(sampled(values, library, phantom.affine()), step)
    target = nibabel.Nifti1Image(np.zeros((64, 64, 64), np.float32), ras @ found.affine)
    image = nibabel.Nifti1Image(values, ras @ phantom.affine())
    judged = nibabel.processing.resample_from_to(image, target, order=1, cval=float(values.min())).get_fdata()
    expected = np.round((judged - values.min()) / (values.max() - values.min()) * 255)
    assert np.mean(np.abs(to_numpy(found.values)[0] - expected) > 1) < 1e-4


@both
def test_conforming_clips_the_brightest_and_ends_at_255(library: str) -> None:
    values = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    found = to_numpy(
        shapes.conform(sampled(values, library), steps.Conform(size=10, mm=1.0, axes="LPS", top=0.1)).values
    )
    assert (found.min(), found.max()) == (0, 255)
    assert np.sort(found.ravel())[1000 - 100] == 255 and np.sort(found.ravel())[1000 - 110] < 255


@both
@pytest.mark.parametrize("size", [(150, 87), (37, 90), (300, 301)])
def test_a_picture_of_any_shape_is_resized_as_pillow_does_columns_first(library: str, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (224, 131), np.uint8)
    columns = Image.fromarray(picture).resize((size[1], 224), Image.Resampling.BILINEAR)
    expected = np.asarray(columns.resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
    step = steps.Resize(size, "antialias", levels=255)
    found = np.round(to_numpy(shapes.resize(sampled(picture / np.float32(255), library), step).values)[0] * 255)
    assert np.abs(found - expected).max() <= 1
    assert np.mean(found != expected) < 0.02  # halves, which floats round to either side


@both
@pytest.mark.parametrize(
    ("how", "mode"), [("linear", "bilinear"), ("antialias", "bilinear"), ("nearest", "nearest-exact")]
)
def test_resizing_is_torch_s_interpolation(library: str, how: str, mode: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra torch` installs it")
    values = noise(60, 47)
    expected = torch.nn.functional.interpolate(
        torch.asarray(values)[None, None], (25, 70), mode=mode, **({"antialias": True} if how == "antialias" else {})
    )[0, 0]
    found = to_numpy(shapes.resize(sampled(values, library), steps.Resize((25, 70), how)).values)[0]
    assert found == pytest.approx(expected.numpy(), abs=1e-4)


@both
def test_a_window_on_the_way_is_that_of_the_whole(library: str) -> None:
    phantom = Phantom(noise=300)
    values, step = phantom.hounsfield(), steps.Window(-1000.0, 400.0, (-1.0, 1.0))
    source = sampled(values, library, phantom.affine())
    late = shapes.spacing(window(source, step), steps.Spacing((6.0, 4.0, 5.0)))
    clipped = (np.clip(values.astype(np.float32), -1000, 400) + 1000) / 700 - 1
    early = shapes.spacing(sampled(clipped, library, phantom.affine()), steps.Spacing((6.0, 4.0, 5.0)))
    assert to_numpy(late.values) == pytest.approx(to_numpy(early.values), abs=1e-5)


def test_channels_are_resampled_each_by_itself() -> None:
    values, affine = noise(3, 12, 14, 16), Phantom(orientation=OBLIQUE).affine()
    target = Grid((10, 10, 10), Phantom(slices=10, size=(10, 10)).affine())
    for grid in (target, spaced(Grid((12, 14, 16), affine), (8.0, 2.0, 4.0))):
        together = resample(Sampled(values, affine), grid, "linear").values
        for k in range(3):
            assert np.array_equal(together[k], resample(Sampled(values[k : k + 1], affine), grid, "linear").values[0])
