"""What guards must not be moved by: one pixel, words in a corner, a collimator's border, an inverted film, padding."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from inference_worker.guards import measures, template
from inference_worker.guards.robust import field
from inference_worker.volume import Volume
from models.steps import Detail, Enclosed, Likeness, NoScreenCapture
from tests.support.phantoms import LUNG_ML, Phantom
from tests.unit.test_guards import BRAINS, MAGNITUDE, distance, npy, picture, refusal, scanned, smooth, volume

Float = NDArray[np.float32]
Change = Callable[[Float], Float]

FILM = smooth(size=512)
SCREEN, LIKE = NoScreenCapture(), Likeness("template.npy", 0.5)
TEMPLATE = npy(template([FILM]))


WORDS = "Series 3 Zoom 87 % W 400 L 40 Heart size is normal"


def lettered(values: Float, lines: int, size: int, words: str = WORDS) -> Float:
    """`values` (0 to 1) with lines of white words from the upper left corner on."""
    image = Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))
    for line in range(lines):
        ImageDraw.Draw(image).text((4, 4 + (size + 3) * line), words, fill=255, font=ImageFont.load_default(size))
    return np.asarray(np.asarray(image, np.float32) / 255, np.float32)


def framed(values: Float, value: float, wide: int = 80) -> Float:
    return np.pad(values, wide, constant_values=value)


def turned(values: Float) -> Float:
    """A collimator that lies aslant."""
    return np.asarray(ndimage.rotate(framed(values, 0.0), 3, reshape=False, order=0), np.float32)


def with_one(values: Float, value: float, at: tuple[int, ...]) -> Float:
    changed = values.copy()
    changed[at] = value
    return changed


BORDERS: Mapping[str, Change] = {
    "black border": lambda film: framed(film, 0.0),
    "white border": lambda film: framed(film, 1.0),
    "border on one side": lambda film: np.pad(film, ((0, 0), (120, 0))),
    "border with a marker": lambda film: lettered(framed(film, 0.0), 1, 20, "R"),
    "padded low": lambda film: framed(film, -2000.0),
    "padded high": lambda film: framed(film, 65535.0),
}
ALL: Mapping[str, Change] = {
    **BORDERS,
    "as it is": lambda film: film,
    "border aslant": turned,
    "one bright pixel": lambda film: with_one(film, 1e6, (100, 200)),
    "one dark pixel": lambda film: with_one(film, -1e6, (100, 200)),
    "inverted": lambda film: 1 - film,
}


def words_in_a_corner(film: Float) -> Float:
    return lettered(film, 2, 10, "Ward 3, 07:45")


@pytest.mark.parametrize("change", [*ALL.values(), words_in_a_corner], ids=[*ALL, "words in a corner"])
def test_a_film_is_no_screen_capture_whatever_is_around_it_or_odd_in_it(change: Change) -> None:
    assert not refusal(SCREEN, picture(change(FILM)))


@pytest.mark.parametrize("change", ALL.values(), ids=ALL)
@pytest.mark.parametrize("grey", [0.4, 1.0])
def test_a_screen_is_refused_whatever_is_around_it_or_odd_in_it(change: Change, grey: float) -> None:
    assert "looks like a screen capture" in refusal(SCREEN, picture(change(lettered(FILM * grey, 24, 11))))


def measured(values: Float) -> tuple[float, float, float]:
    seen = picture(values)
    return measures.strokes(seen), measures.share_above(seen, 0.5), measures.quantile(seen, 0.9)


BARE, DRAWN = smooth(), lettered(smooth(), 12, 11)
MEASURED = [(values, measured(values)) for values in (BARE, DRAWN)]


@given(value=st.floats(-1e9, 1e9, width=32), row=st.integers(0, 255), column=st.integers(0, 255))
@example(value=1e9, row=0, column=0)
@settings(max_examples=12, deadline=None)
def test_no_single_pixel_moves_what_is_measured_of_a_picture(value: float, row: int, column: int) -> None:
    for values, before in MEASURED:
        assert measured(with_one(values, value, (row, column))) == pytest.approx(before, rel=0.01, abs=1e-3)


@pytest.mark.parametrize("change", BORDERS.values(), ids=BORDERS)
def test_a_border_does_not_count_as_values_of_the_picture(change: Change) -> None:
    bare, bordered = picture(lettered(FILM, 0, 9)), picture(change(FILM))
    assert measures.share_above(bordered, 0.5) == pytest.approx(measures.share_above(bare, 0.5), abs=0.01)
    assert measures.quantile(bordered, 0.3) == pytest.approx(measures.quantile(bare, 0.3), abs=0.01)


SAME = {**ALL, "words in a corner": words_in_a_corner}
del SAME["inverted"]


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_a_film_is_like_its_kind_whatever_is_around_it_or_odd_in_it(change: Change) -> None:
    assert not refusal(replace(LIKE, least=0.7), picture(change(FILM)), TEMPLATE)


@pytest.mark.parametrize("change", BORDERS.values(), ids=BORDERS)
def test_an_inverted_film_is_unlike_its_kind_whatever_is_around_it(change: Change) -> None:
    assert "does not look like" in refusal(LIKE, picture(1 - FILM), TEMPLATE)
    assert "does not look like" in refusal(LIKE, picture(change(1 - FILM)), TEMPLATE)


def test_a_picture_of_one_value_has_no_frame_and_no_letters() -> None:
    blank = np.full((60, 40), 7.0, np.float32)
    assert field(blank).shape == blank.shape
    assert not refusal(SCREEN, picture(blank))


def test_of_a_framed_picture_the_field_is_what_lies_inside() -> None:
    assert np.array_equal(field(framed(FILM, 3.0)), FILM)


def head() -> Float:
    folds = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(90, 90, 90)), 1.5)
    return np.asarray((distance() < 75) * (100 + 25 * np.sign(folds)) + MAGNITUDE, np.float32)


def sphere() -> Float:
    return np.asarray((distance() < 75) * 100 + MAGNITUDE, np.float32)


def corner(values: Float) -> Float:
    changed = values.copy()
    changed[:, :15, :25] = 2 * values.max()
    return changed


ODD: Mapping[str, Change] = {
    "one bright voxel": lambda values: with_one(values, 32767, (45, 45, 45)),
    "one dark voxel": lambda values: with_one(values, -32768, (45, 45, 45)),
    "a bright corner": corner,
    "padded with zeros": lambda values: np.pad(values, 20),
    "padded low": lambda values: np.pad(values, 20, constant_values=-2000),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_a_brain_has_its_detail_and_a_phantom_has_none_whatever_is_around_them_or_odd_in_them(change: Change) -> None:
    assert not refusal(BRAINS, volume(change(head())))
    assert "not the structure of a living body" in refusal(Detail(least=0.04), volume(change(sphere())))


CHEST = scanned(Phantom(slices=100, size=(200, 200), spacing=(3.0, 2.0, 2.0)))
ODD_CHESTS: Mapping[str, Change] = {
    "one bright voxel": lambda values: with_one(values, 32767, (50, 100, 60)),
    "one dark voxel": lambda values: with_one(values, -32768, (50, 100, 100)),
    "padded low": lambda values: np.pad(values, ((0, 0), (20, 20), (20, 20)), constant_values=-2000),
    "a bright corner": corner,
}


@pytest.mark.parametrize("change", ODD_CHESTS.values(), ids=ODD_CHESTS)
def test_lungs_are_measured_the_same_whatever_is_around_the_body_or_odd_in_it(change: Change) -> None:
    odd = Volume(change(CHEST.voxels.astype(np.float32)), CHEST.affine, CHEST.frames, "")
    assert not refusal(Enclosed(-400, 1.9 * float(LUNG_ML), 2.1 * float(LUNG_ML)), odd)
