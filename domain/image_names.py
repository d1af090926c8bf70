"""How an image is named to people: as their PACS names it, by its own number and where it lies."""

from collections.abc import Mapping
from dataclasses import dataclass

# Characters at the end of a UID that are shown where a number does not tell one series from another.
_UID_END = 12


@dataclass(frozen=True)
class ImageName:
    """What tells one image from the others of a study on a viewer's screen; what is None is not known or not needed.

    `series` is what its series is called (`series_names`), "" where that is not needed; `number` is Instance Number,
    `frame` counts from 1 in an instance of several.
    `location` (mm) is Slice Location, or where the console's table stood, and `place` what readers call that. `side`
    says where the image lies in the patient's terms, from the origin of its frame of reference: `32.0 mm left`.
    """

    number: int | None = None
    frame: int | None = None
    series: str = ""
    location: float | None = None
    place: str = "slice location"
    side: str = ""

    def __str__(self) -> str:
        """`image 85, table position -137.5 mm`, with `series 3, ` before it where the series is told."""
        return ", ".join(filter(None, (self.series, self.short, *self.where)))

    @property
    def short(self) -> str:
        """`image 85`, `image 1 frame 12`; an image without a number is told by its place alone."""
        number = "image" if self.number is None else f"image {self.number}"
        if self.frame is not None:
            return f"{number} frame {self.frame}"
        return number if self.number is not None or self.where else "image without a number"

    @property
    def where(self) -> tuple[str, ...]:
        """`table position -137.5 mm`, else `32.0 mm left`, where it is known."""
        if self.location is not None:
            return (f"{self.place} {self.location:z.1f} mm",)
        return (self.side,) if self.side else ()

    @property
    def beside(self) -> tuple[str, ...]:
        """The side, where a place is said that does not tell it: a sagittal image shows neither left nor right."""
        return (self.side,) if self.side and self.location is not None else ()

    @property
    def capital(self) -> str:
        """As a sentence begins."""
        said = str(self)
        return said[0].upper() + said[1:]


def series_names(series: Mapping[str, int | None]) -> dict[str, str]:
    """Each series by UID, by its Series Number: `series 3`, and by the end of its UID if that tells not all.

    Many a device gives each of its series the same number.
    """
    numbers = list(series.values())
    if len(set(numbers)) == len(numbers) and (None not in numbers or len(numbers) == 1):
        return {uid: _numbered(number) for uid, number in series.items()}
    length = next(length for length in range(_UID_END, 65) if len({uid[-length:] for uid in series}) == len(series))
    return {uid: f"{_numbered(number)} (...{uid[-length:]})" for uid, number in series.items()}


def _numbered(number: int | None) -> str:
    return "series without a number" if number is None else f"series {number}"
