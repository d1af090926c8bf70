"""Text in the pixels of a picture is found by the real reader, however it stands; markers of lead are no text."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from domain.errors import ConfigurationError, NotSuitable
from inference_worker import images
from inference_worker.burned_in import TextReader, is_text, pieces
from inference_worker.vision import rendered
from tests.support.counterparts import data, missing

Picture = NDArray[np.uint8]
SIDE = 512


@pytest.fixture(scope="module")
def reader() -> TextReader:
    try:
        return TextReader(1)
    except ConfigurationError:
        missing("rapidocr", "make everything")


@pytest.fixture(scope="module")
def radiograph() -> Picture:
    """A real one, without a marker."""
    return picture("cxr_nih_dx/00000129_000.dcm", SIDE)


def picture(name: str, most: int = 1024) -> Picture:
    (one,) = images.build([data(*name.split("/"))]).pictures
    return rendered(one, (most, most))


def lettered(base: Picture, text: str, corner: str, height: int, contrast: int, turns: int = 0) -> Picture:
    """`base` with `text` added to it: letters so many pixels high, so much brighter or darker than what is there."""
    turned = np.rot90(base, turns)
    rows, columns = turned.shape
    font = ImageFont.load_default(height)
    width = round(font.getlength(text))
    left = {"w": 4, "e": columns - width - 4, "m": (columns - width) // 2}[corner[1]]
    top = {"n": 4, "s": rows - 2 * height, "m": rows // 2}[corner[0]]
    ink = Image.new("L", (columns, rows))
    ImageDraw.Draw(ink).text((left, top), text, fill=255, font=font)
    written = turned + np.asarray(ink) / 255 * contrast
    return np.ascontiguousarray(np.rot90(np.clip(written, 0, 255).astype(np.uint8), -turns))


# Text, corner (compass; "mm" is the middle), height of its letters in pixels, contrast of 255, turns by 90 degrees.
TEXTS = [
    ("DOE^JANE 12345", "nw", 9, 90, 0),
    ("MUELLER, HANS", "ne", 12, 40, 0),
    ("1961-04-12", "sw", 12, 60, 1),
    ("ID 48213377", "se", 14, -60, 0),
    ("Wei Li", "nw", 18, 40, 3),
    ("DOE^JANE 12345", "mm", 24, 90, 1),
    ("1961-04-12 09:15", "nw", 16, 25, 0),
    ("HOSPITAL 7", "sw", 48, 120, 2),
]


@pytest.mark.parametrize(("text", "corner", "height", "contrast", "turns"), TEXTS)
def test_text_in_the_pixels_is_refused_wherever_it_stands_and_its_words_are_not_repeated(
    reader: TextReader, radiograph: Picture, text: str, corner: str, height: int, contrast: int, turns: int
) -> None:
    with pytest.raises(NotSuitable, match="text is burned into the image's pixels") as caught:
        reader.refuse(lettered(radiograph, text, corner, height, contrast, turns))
    assert not any(word in str(caught.value) for word in text.split())


@pytest.mark.parametrize(
    "name",
    [
        "cxr_nih_dx/00000129_000.dcm",  # without a marker
        "cxr_nih_dx/00000211_000.dcm",  # a marker and two initials
        "cxr_paediatric_cr/IM-0010-0001.dcm",
        "cxr_paediatric_cr/IM-0013-0001.dcm",  # an R
    ],
)
def test_a_real_radiograph_with_a_marker_or_none_passes(reader: TextReader, name: str) -> None:
    reader.refuse(picture(name, SIDE))


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ([], False),
        (["R"], False),
        (["L", "HB"], False),
        (["--", "."], False),
        (["HSA"], True),
        (["\u9648\u5c0f\u660e"], True),
        (["L", "HB", "7O"], True),
    ],
)
def test_a_letter_or_two_are_a_marker_and_more_are_text(lines: list[str], refused: bool) -> None:
    assert is_text(lines) is refused


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_where_text_stands_is_found_upright_and_turned_and_a_marker_is_no_place(
    reader: TextReader, radiograph: Picture, turns: int
) -> None:
    base = lettered(radiograph, "R", "ne", 24, 120)
    written = lettered(base, "DOE^JANE 12345", "sw", 16, 90, turns)
    inked = written != base

    found = np.zeros(written.shape, bool)
    for top, bottom, left, right in reader.find(written):
        found[top:bottom, left:right] = True

    assert (found & inked).sum() > 0.95 * inked.sum()
    assert found.mean() < 0.1
    assert reader.find(base) == []


@pytest.mark.parametrize("shape", [(2600, 2000), (4000, 4000), (1800, 500)])
def test_a_large_radiograph_is_looked_at_in_pieces_that_the_reader_makes_no_smaller(shape: tuple[int, int]) -> None:
    """And a short line anywhere is whole in one of them."""
    base = np.arange(shape[0] * shape[1]).reshape(shape)  # each pixel tells where it stands
    whole, *cut = pieces(base)  # type: ignore[arg-type]

    assert whole == (0, 0, whole[2]) and whole[2].shape == shape
    assert all(max(piece.shape) < 2000 and piece[0, 0] == base[top, left] for top, left, piece in cut)
    for top, left in product(range(0, shape[0] - 40, 40), range(0, shape[1] - 200, 40)):
        assert any(
            y <= top and x <= left and top + 40 <= y + len(piece) and left + 200 <= x + piece.shape[1]
            for y, x, piece in cut
        )


def test_a_line_in_letters_that_nobody_here_can_read_is_found_and_refused(reader: TextReader) -> None:
    name = "\u0426\u0432\u0438\u043a\u0435\u043b\u044c \u0410\u043d\u043d\u0430"
    written = lettered(np.zeros((200, 400), np.uint8), name, "nw", 24, 255)

    assert reader.find(written)
    with pytest.raises(NotSuitable):
        reader.refuse(written)
