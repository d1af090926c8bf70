"""Guards on bodies and pictures that the tests draw: what each check measures, and the sentence of its refusal."""

import io
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from domain.errors import ConfigurationError, UnusableInput
from domain.findings import SourceFrame
from inference_worker.guards import refuse_input, refuse_output, template
from inference_worker.images import Picture
from inference_worker.volume import Volume
from models.steps import (
    Detail,
    Enclosed,
    Extent,
    Guard,
    Likeness,
    NoScreenCapture,
    QuantileBetween,
    SegmentVolume,
    ValueShare,
)
from tests.support.phantoms import LUNG_ML, SAGITTAL, Phantom

Float = NDArray[np.float32]


def picture(values: NDArray[np.generic], spacing: tuple[float, float] | None = None) -> Picture:
    shown = (values - values.min()) / (np.ptp(values) or 1)
    return Picture(values.astype(np.float32), shown.astype(np.float32), SourceFrame("1.2.3"), spacing)


def volume(values: NDArray[np.generic], mm: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> Volume:
    """`values` (z, y, x) towards head, back and left."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], range(4)] = (*mm, 1.0)
    return Volume(values.astype(np.float32), affine, (SourceFrame("1.2.3"),), "")


def scanned(phantom: Phantom) -> Volume:
    return Volume(phantom.hounsfield(), phantom.affine(), (SourceFrame("1.2.3"),), "")


def no_file(name: str) -> bytes:
    raise AssertionError(f"the package has no file {name}")


def refusal(guard: Guard, source: Volume | Picture, file: bytes = b"") -> str:
    """Why the guard refuses `source`; "" where it does not."""
    try:
        refuse_input([guard], source, (lambda _name: file) if file else no_file)
    except UnusableInput as error:
        return str(error)
    return ""


def npy(values: NDArray[np.generic], pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=pickled)
    return stream.getvalue()


RAMP = np.linspace(0, 1, 101)[None].repeat(4, axis=0)


def test_the_share_of_values_above_a_limit_is_bounded_on_both_sides() -> None:
    said = "the picture does not look like what the model was made for: the share of its values above 0.75 is 0.248"
    assert refusal(ValueShare(0.75, 0.3), picture(RAMP)) == f"{said}, at least 0.3 is wanted (check value_share)"
    assert refusal(ValueShare(0.75, 0.0, 0.2), picture(RAMP)) == f"{said}, at most 0.2 is accepted (check value_share)"
    assert not refusal(ValueShare(0.75, 0.2, 0.3), picture(RAMP))


def test_a_quantile_is_bounded_on_both_sides() -> None:
    assert not refusal(QuantileBetween(0.5, 0.4, 0.6), picture(RAMP))
    assert "quantile 0.9 of its values is 0.9, at most 0.8" in refusal(QuantileBetween(0.9, 0, 0.8), picture(RAMP))
    assert "quantile 0.9 of its values is 900, at least 1000" in refusal(
        QuantileBetween(0.9, 1000, 2000), volume(RAMP[None] * 1000)
    )


def test_extent_follows_the_patient_and_not_the_order_of_the_indices() -> None:
    body = scanned(Phantom(slices=10, size=(20, 30), spacing=(4.0, 2.0, 3.0), orientation=SAGITTAL))
    assert not refusal(Extent((39.9, 89.9, 39.9), (40.1, 90.1, 40.1)), body)
    assert refusal(Extent(least=(0, 100, 0)), body) == (
        "the volume measures from front to back 90 mm, at least 100 mm is wanted (check extent)"
    )


def test_a_picture_is_measured_along_its_rows_and_columns_where_it_states_its_spacing() -> None:
    values = np.zeros((100, 200))
    assert not refusal(Extent((9.9, 500, 39.9), (10.1, 600, 40.1)), picture(values, (0.1, 0.2)))
    assert "from right to left 40 mm" in refusal(Extent(most=(100, 100, 30)), picture(values, (0.1, 0.2)))
    assert "does not state its pixel spacing" in refusal(Extent(), picture(values))


def smooth(seed: int = 1, size: int = 256) -> Float:
    """A picture without edges, from 0 to 1, as films have it."""
    rough = np.random.default_rng(seed).normal(size=(size, size))
    soft = ndimage.gaussian_filter(rough, size / 12)
    return np.asarray((soft - soft.min()) / np.ptp(soft), np.float32)


def with_letters(values: Float, lines: int) -> Float:
    image = Image.fromarray((values * 255).astype(np.uint8))
    for line in range(lines):
        text = "Study 1024 Series 3 Zoom 87 % W 400 L 40"
        ImageDraw.Draw(image).text((4, 4 + 14 * line), text, fill=255, font=ImageFont.load_default(11))
    return np.asarray(image, np.float32)


def test_letters_and_lines_make_a_screen_capture_and_two_words_of_a_marker_do_not() -> None:
    assert not refusal(NoScreenCapture(), picture(smooth()))
    noisy = smooth() + np.random.default_rng(2).normal(0, 0.03, (256, 256)).astype(np.float32)
    assert not refusal(NoScreenCapture(), picture(noisy))
    said = refusal(NoScreenCapture(), picture(with_letters(smooth() * 0.5, 16)))
    assert re.fullmatch(
        r"the picture looks like a screen capture: the share of neighbouring pixels in letters and lines is 0\.\d+, "
        r"at most 0\.003 is accepted \(check no_screen_capture\)",
        said,
    )
    marked = Image.fromarray((smooth(size=1024) * 128).astype(np.uint8))
    ImageDraw.Draw(marked).text((40, 40), "R PA", fill=255, font=ImageFont.load_default(48))
    assert not refusal(NoScreenCapture(), picture(np.asarray(marked)))


LIKE = Likeness("template.npy", 0.5, "a frontal blob")


def test_what_looks_like_the_template_passes_whatever_its_window_gamma_and_small_shift() -> None:
    file = npy(template([smooth()]))
    for seen in (smooth(), smooth() ** 3, smooth() * 4000 - 1000, np.roll(smooth(), 12, axis=0)):
        assert not refusal(LIKE, picture(seen), file)


def test_what_looks_otherwise_is_refused_by_its_name_and_its_likeness() -> None:
    file = npy(template([smooth()]))
    said = refusal(LIKE, picture(1 - smooth()), file)
    assert re.fullmatch(
        r"the picture does not look like a frontal blob: likeness -\d\.\d+, at least 0\.5 is wanted \(check likeness\)",
        said,
    )
    for seen in (smooth(5), np.rot90(smooth()), np.full((64, 64), 7.0), np.random.default_rng(0).normal(size=(99, 77))):
        assert "does not look like" in refusal(LIKE, picture(seen), file)


def test_a_template_of_many_is_what_they_have_in_common_and_of_their_size() -> None:
    noise = np.random.default_rng(1)
    seen = [smooth() + ndimage.gaussian_filter(noise.normal(0, 1, (256, 256)), 8) for _ in range(8)]
    made = template(seen, size=12)
    assert (made.shape, made.dtype) == ((12, 12), np.dtype(np.float32))
    assert not refusal(LIKE, picture(smooth()), npy(made))


def test_a_volume_is_compared_head_up_however_its_slices_lie() -> None:
    upright = Phantom(slices=40, size=(40, 40), spacing=(8.0, 8.0, 8.0))
    file = npy(template([upright.hounsfield()]))
    turned = Phantom(slices=40, size=(40, 40), spacing=(8.0, 8.0, 8.0), orientation=SAGITTAL)
    likeness = Likeness("template.npy", 0.95)
    assert not refusal(likeness, scanned(turned), file)
    mistaken = volume(turned.hounsfield(), (8.0, 8.0, 8.0))
    assert "the volume does not look like what the model was made for" in refusal(likeness, mistaken, file)


@pytest.mark.parametrize(
    "file",
    [
        b"no array",
        npy(np.array([{}]), pickled=True),
        npy(np.zeros((16, 16), np.int16)),
        npy(np.full((16, 16), np.nan, np.float32)),
        npy(np.zeros((16, 16, 16), np.float32)),
    ],
    ids=["text", "pickle", "whole numbers", "not finite", "three axes"],
)
def test_a_file_that_is_no_template_for_such_input_is_a_mistake_of_the_package(file: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"^template\.npy: "):
        refuse_input([LIKE], picture(smooth()), lambda _name: file)


def distance(shape: tuple[int, int, int] = (90, 90, 90), mm: float = 2.0) -> NDArray[np.float64]:
    """mm from the middle."""
    axes = [(np.arange(size) - (size - 1) / 2) * mm for size in shape]
    return np.asarray(np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij"))))


BRAINS = Detail(least=0.04, most=0.3)
MAGNITUDE = np.abs(np.random.default_rng(3).normal(0, 5, (90, 90, 90)))


@pytest.mark.parametrize(
    "phantom",
    [
        (distance() < 75) * 100 + MAGNITUDE,
        100 * np.exp(-((distance() / 50) ** 2)) + MAGNITUDE,
        (distance() < 80) * 100.0 - (distance() < 76) * 40 + (distance() < 70) * 40 + MAGNITUDE,
        np.zeros((90, 90, 90)),
    ],
    ids=["sphere", "glow", "shell", "nothing"],
)
def test_a_smooth_phantom_has_not_the_detail_of_a_brain(phantom: NDArray[np.float64]) -> None:
    said = refusal(BRAINS, volume(phantom))
    assert said.startswith("the volume has not the structure of a living body, a phantom perhaps: detail 0")
    assert said.endswith("at least 0.04 is wanted (check detail)")


def test_noise_alone_has_more_detail_than_any_brain() -> None:
    assert "at most 0.3 is accepted (check detail)" in refusal(BRAINS, volume(MAGNITUDE))


def test_folds_of_a_few_mm_have_the_detail_of_a_brain() -> None:
    folds = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(90, 90, 90)), 1.5)
    brain = (distance() < 75) * (100 + 25 * np.sign(folds)) + MAGNITUDE
    assert not refusal(BRAINS, volume(brain))
    assert not refusal(BRAINS, volume(np.kron(brain, np.ones((2, 2, 1))), (1.0, 1.0, 2.0)))


def test_lungs_are_the_air_that_the_body_encloses() -> None:
    chest = scanned(Phantom(slices=100, size=(200, 200), spacing=(3.0, 2.0, 2.0)))
    both = 2 * float(LUNG_ML)
    assert not refusal(Enclosed(-400, 0.95 * both, 1.05 * both), chest)
    assert re.fullmatch(
        rf"the volume does not look like .*: what lies below -400 HU inside the body has {both / 100:.0f}\d\d ml, "
        r"at least 9000 ml is wanted \(check enclosed\)",
        refusal(Enclosed(-400, least=9000), chest),
    )


@pytest.mark.parametrize("values", [(np.indices((40, 90, 90))[2] > 45) * 1000.0 - 1000, np.full((40, 90, 90), -1000.0)])
def test_a_block_of_water_and_air_alone_enclose_nothing(values: NDArray[np.float64]) -> None:
    assert "inside the body has 0 ml" in refusal(Enclosed(-400, least=500), volume(values))


@pytest.mark.parametrize("guard", [Detail(), Enclosed(-400)])
def test_a_check_for_volumes_is_a_mistake_for_a_picture(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match=f"the check {guard.word} is for volumes"):
        refuse_input([guard], picture(RAMP), no_file)


def test_the_check_for_screens_is_a_mistake_for_a_volume() -> None:
    with pytest.raises(ConfigurationError, match="the check no_screen_capture is for images"):
        refuse_input([NoScreenCapture()], volume(RAMP[None]), no_file)


def test_the_first_guard_that_is_broken_speaks_and_those_of_the_output_wait() -> None:
    guards: list[Guard] = [SegmentVolume(1, least=10), ValueShare(0.5, most=0.6), ValueShare(0.5, least=0.7), Extent()]
    with pytest.raises(UnusableInput, match=r"at least 0\.7 is wanted"):
        refuse_input(guards, picture(RAMP), no_file)


def test_a_segment_whose_volume_none_can_have_is_refused() -> None:
    guards: list[Guard] = [Extent((999, 999, 999)), SegmentVolume(2, 5, 50), SegmentVolume(0, 800, 2000)]
    refuse_output(guards, {1: 1000.0, 2: 20.0})
    with pytest.raises(UnusableInput, match=r"segment 2 has 60 ml, at most 50 ml is accepted \(check segment_volume\)"):
        refuse_output(guards, {1: 1000.0, 2: 60.0})
    with pytest.raises(UnusableInput, match="all segments together have 2060 ml, at most 2000 ml"):
        refuse_output(guards, {1: 2050.0, 2: 10.0})
    with pytest.raises(UnusableInput, match="segment 2 has 0 ml, at least 5 ml is wanted"):
        refuse_output(guards, {1: 1000.0})
