"""Values against SimpleITK and NumPy, in both libraries."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  # its users' name for it
from hypothesis import given as drawn
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from domain.findings import SourceFrame
from inference_worker.images import Picture
from inference_worker.transforms import inputs, intensities
from inference_worker.transforms.arrays import Sampled, to_numpy
from models import steps
from tests.support.arrays import LIBRARIES, given, sampled

Float = NDArray[np.float32]

both = pytest.mark.parametrize("library", LIBRARIES)


def ct() -> NDArray[np.int16]:
    return np.random.default_rng(5).normal(-300, 500, (9, 10, 11)).astype(np.int16)


def judged(values: NDArray[Any], filter_: Any) -> Float:
    return np.asarray(sitk.GetArrayFromImage(filter_.Execute(sitk.GetImageFromArray(values.astype(np.float32)))))


def done(step: Callable[[Sampled, Any], Sampled], values: NDArray[Any], wanted: Any, library: str) -> Float:
    return np.asarray(to_numpy(step(sampled(values, library), wanted).values)[0])


@both
@pytest.mark.parametrize("low", [-1000.0, -1000.5])
def test_a_window_is_simpleitk_s(library: str, low: float) -> None:
    window = sitk.IntensityWindowingImageFilter()
    window.SetWindowMinimum(low), window.SetWindowMaximum(400.0)
    window.SetOutputMinimum(-1.0), window.SetOutputMaximum(2.0)
    found = done(intensities.window, ct(), steps.Window(low, 400.0, (-1.0, 2.0)), library)
    assert found == pytest.approx(judged(ct(), window), abs=1e-5)
    assert found.dtype == np.float32


@both
def test_two_windows_follow_each_other(library: str) -> None:
    first = intensities.window(sampled(ct(), library), steps.Window(-1000.0, 0.0))
    found = to_numpy(intensities.window(first, steps.Window(0.25, 0.5, (0.0, 2.0))).values)[0]
    assert found == pytest.approx((np.clip((np.clip(ct(), -1000, 0) + 1000) / 1000, 0.25, 0.5) - 0.25) * 8, abs=1e-5)


@both
def test_a_z_score_is_simpleitk_s_but_for_its_sample_deviation(library: str) -> None:
    values = ct()
    expected = judged(values, sitk.NormalizeImageFilter()) * np.sqrt(values.size / (values.size - 1))
    assert done(intensities.z_score, values, steps.ZScore(), library) == pytest.approx(expected, abs=1e-4)


@both
def test_a_z_score_of_what_is_not_background_leaves_the_background(library: str) -> None:
    values = ct().astype(np.float32)
    values[:5] = 0
    found = done(intensities.z_score, values, steps.ZScore(nonzero=True), library)
    inside = values != 0
    assert (found[~inside] == 0).all()
    assert (found[inside].mean(), found[inside].std()) == (pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-4))
    assert not done(intensities.z_score, values * 0, steps.ZScore(nonzero=True), library).any()


@both
@pytest.mark.parametrize("clip", [False, True])
def test_quantiles_go_where_they_are_told(library: str, clip: bool) -> None:
    found = done(intensities.quantiles, ct(), steps.Quantiles(0.05, 0.95, (-1.0, 1.0), clip), library)
    low, high = np.percentile(ct(), (5, 95))
    expected = (ct() - low) / (high - low) * 2 - 1
    assert found == pytest.approx(np.clip(expected, -1, 1) if clip else expected, abs=1e-4)


@both
@drawn(values=arrays(np.float32, st.integers(1, 50), elements=st.floats(-1000, 1000, width=32)), share=st.floats(0, 1))
def test_quantiles_are_numpy_s(library: str, values: Float, share: float) -> None:
    found = intensities.quantiles_of(given(values, library), (share,))
    assert found == pytest.approx([float(np.quantile(values, share))], rel=1e-4, abs=1e-3)


@both
def test_minimum_and_maximum_go_where_they_are_told(library: str) -> None:
    rescale = sitk.RescaleIntensityImageFilter()
    rescale.SetOutputMinimum(-2.0), rescale.SetOutputMaximum(3.0)
    found = done(intensities.min_max, ct(), steps.MinMax((-2.0, 3.0)), library)
    assert found == pytest.approx(judged(ct(), rescale), abs=1e-5)


@both
@pytest.mark.parametrize(
    ("step", "wanted", "expected"),
    [
        (intensities.min_max, steps.MinMax((2.0, 3.0)), 2.0),
        (intensities.quantiles, steps.Quantiles(0.1, 0.9), 0.0),
        (intensities.z_score, steps.ZScore(), 0.0),
        (intensities.divide_by_max, steps.DivideByMax(), 1.0),
    ],
)
def test_a_series_of_one_value_stays_finite(library: str, step: Any, wanted: Any, expected: float) -> None:
    assert done(step, np.full((3, 4), 7, np.int16), wanted, library) == pytest.approx(expected)


@both
def test_each_channel_is_scaled_by_itself(library: str) -> None:
    values = np.stack([ct(), 3 * ct() + 5]).astype(np.float32)
    both_channels = Sampled(given(values, library), np.eye(4))
    each: tuple[tuple[Any, Any], ...] = (
        (intensities.z_score, steps.ZScore()),
        (intensities.min_max, steps.MinMax()),
        (intensities.quantiles, steps.Quantiles(0.1, 0.9)),
    )
    for step, wanted in each:
        made = to_numpy(step(both_channels, wanted).values)
        assert made[0] == pytest.approx(made[1], abs=1e-4)


@both
def test_arithmetic(library: str) -> None:
    values = np.array([[0.0, 0.0019, 0.002, 0.5, 1.0]], np.float32)
    assert done(intensities.rounded, values, steps.Round(255), library) * 255 == pytest.approx(
        np.array([[0, 0, 1, 128, 255]])
    )
    assert done(intensities.divide_by_max, values * 4, steps.DivideByMax(), library) == pytest.approx(values)
    assert done(intensities.affine, values, steps.Affine(2.0, -1.0), library) == pytest.approx(2 * values - 1)
    repeated = intensities.repeat_channels(sampled(values, library), steps.RepeatChannels(3))
    assert to_numpy(repeated.values) == pytest.approx(np.stack([values] * 3))


@both
def test_each_channel_has_a_scale_and_an_offset_of_its_own_where_they_are_listed(library: str) -> None:
    values = np.stack([np.full((2, 3), 1.0), np.full((2, 3), 10.0)]).astype(np.float32)
    listed = Sampled(given(values, library), np.eye(3))
    made = to_numpy(intensities.affine(listed, steps.Affine((2.0, 0.5), (0.0, -1.0))).values)
    assert (made[0] == 2).all() and (made[1] == 4).all()
    with pytest.raises(ConfigurationError, match="3 numbers for 2 channels"):
        intensities.affine(listed, steps.Affine((1.0, 2.0, 3.0)))


def test_a_picture_is_taken_as_displayed_only_where_that_is_wanted() -> None:
    picture = Picture(np.full((2, 3), 1000, np.float32), np.full((2, 3), 0.25, np.float32), SourceFrame("1.2"), None)
    assert (inputs.of_picture(picture, ()).values == 1000).all()
    assert (inputs.of_picture(picture, (steps.Display(),)).values == 0.25).all()
