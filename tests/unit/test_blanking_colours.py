"""In which pictures text is looked for: whatever its colour, it stands out in one of them."""

import random
from itertools import permutations

import numpy as np
import pytest
from pydicom import Dataset

from benchmarks.deidentification.planted import image
from inference_worker.blanking import pictures

WHITE, BLACK, RED, BLUE, YELLOW, MAGENTA, GREEN = (
    (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 130, 0),
)  # fmt: skip
PLACE = np.s_[20:30, 8:60]


def stands_out(frame: np.ndarray, dataset: Dataset) -> bool:
    return any(np.ptp(one[10:40]) > 100 for one in pictures(frame, dataset))


def coloured() -> Dataset:
    made = image(random.Random(7))
    made.PhotometricInterpretation, made.SamplesPerPixel = "RGB", 3
    return made


@pytest.mark.parametrize(
    ("ground", "ink"), list(permutations((WHITE, BLACK, RED, BLUE, YELLOW, MAGENTA, GREEN), 2)), ids=str
)
def test_text_of_any_colour_on_any_other_is_seen(ground: tuple[int, ...], ink: tuple[int, ...]) -> None:
    frame = np.full((64, 64, 3), ground, np.uint8)
    frame[PLACE] = ink

    assert stands_out(frame, coloured())


def test_text_that_only_a_palette_shows_is_seen() -> None:
    made = image(random.Random(7))
    made.PhotometricInterpretation = "PALETTE COLOR"
    table = np.zeros(256, np.uint16)
    table[1] = 0xFFFF
    for colour in ("Red", "Green", "Blue"):
        setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(made, f"{colour}PaletteColorLookupTableData", table.tobytes())
    frame = np.tile(np.linspace(2, 255, 64).astype(np.uint8), (64, 1))
    frame[10:40] = 0
    frame[PLACE] = 1

    assert stands_out(frame, made)


def test_a_picture_of_grey_in_three_samples_is_looked_at_once() -> None:
    frame = np.repeat(np.random.default_rng(1).integers(0, 255, (64, 64, 1), np.uint8), 3, axis=2)

    assert len(pictures(frame, coloured())) == 1
