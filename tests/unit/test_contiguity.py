"""What seems to be missing between the images of a series."""

import pytest

from domain.contiguity import Placed, gap
from domain.layout import Plane

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slices(*depths: float, first: int = 1) -> list[Placed]:
    return [Placed(first + at, Plane((0.0, 0.0, depth), AXIAL)) for at, depth in enumerate(depths)]


@pytest.mark.parametrize(
    "images",
    [
        slices(0, 5, 10, 15),
        list(reversed(slices(0, 5, 10, 15, first=0))),
        [Placed(1), Placed(2)],  # radiographs
        [Placed(1)],  # frames of one image
        [Placed(1, Plane((0.0, 0.0, 0.0), (0, 1, 0, 0, 0, -1)), scout=True)],
        slices(0, 5, 10, 0, 5, 10),  # two phases
        slices(7, 7, 7),  # the same slice again and again
    ],
)
def test_nothing_is_missing_of_a_series_without_a_gap(images: list[Placed]) -> None:
    assert gap(images) == ""


@pytest.mark.parametrize(
    ("images", "why"),
    [
        (slices(0, 5, 10, 20, 25, 30), "of the slices of a series 1 seem to be missing"),
        (slices(0, 5, 10, first=4), "the first image of a series has number 4"),
        ([Placed(1), Placed(2), Placed(4)], "1 of the image numbers 1 to 4 of a series is missing"),
        ([Placed(1), Placed(None)], "images of a series have no number"),
        (slices(5), "a single slice tells nothing"),
        (slices(0, 5, 10, 0, 5), "not equally many images"),
        (slices(0, 0, 0, 5, first=1), "not equally many images"),
        ([*slices(0, 5), Placed(3, Plane((0.0, 0.0, 10.0), (0, 1, 0, 0, 0, -1)))], "cannot be told"),
    ],
)
def test_a_gap_is_named_and_so_is_why_it_cannot_be_told(images: list[Placed], why: str) -> None:
    assert why in gap(images)
