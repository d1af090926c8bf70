"""How an image is named to people: as their PACS names it, by its own number and where it lies."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageName:
    """What tells one image from the others of a study on a viewer's screen; what is None is not known or not needed.

    `series` and `number` are Series Number and Instance Number, `frame` counts from 1 in an instance of several.
    `location` (mm) is Slice Location, else the distance along the slices' normal, and `place` what readers call that.
    """

    number: int | None = None
    frame: int | None = None
    series: int | None = None
    location: float | None = None
    place: str = "slice location"

    def __str__(self) -> str:
        """`image 85, table position -137.5 mm`, with `series 3, ` before it where the series is told."""
        series = () if self.series is None else (f"series {self.series}",)
        return ", ".join((*series, self.short, *self.where))

    @property
    def short(self) -> str:
        """`image 85`, `image 1 frame 12`; an image without a number is told by its place alone."""
        number = "image" if self.number is None else f"image {self.number}"
        if self.frame is not None:
            return f"{number} frame {self.frame}"
        return number if self.number is not None or self.location is not None else "image without a number"

    @property
    def where(self) -> tuple[str, ...]:
        """`table position -137.5 mm`, where it is known."""
        return () if self.location is None else (f"{self.place} {self.location:z.1f} mm",)

    @property
    def capital(self) -> str:
        """As a sentence begins."""
        said = str(self)
        return said[0].upper() + said[1:]
