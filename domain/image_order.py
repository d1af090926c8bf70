"""The order of series and images by what is on them, whoever reads them and in whatever order they came.

Numbers come first, what has none last, then UIDs, part by part.
"""

import re

SeriesPlace = tuple[bool, int, list[int]]
ImagePlace = tuple[SeriesPlace, bool, int, list[int]]


def uid_parts(uid: str) -> list[int]:
    """What a UID is compared by: 1.2.10 comes after 1.2.9."""
    return [int(part) for part in re.findall(r"[0-9]+", uid)]


def series_place(number: int | None, uid: str) -> SeriesPlace:
    """Where a series stands by its Series Number and Series Instance UID."""
    return number is None, number or 0, uid_parts(uid)


def image_place(series: SeriesPlace, number: int | None, uid: str) -> ImagePlace:
    """Where an image stands among those of all series, by its Instance Number and SOP Instance UID."""
    return series, number is None, number or 0, uid_parts(uid)
