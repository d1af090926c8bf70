"""What the source's images are called (domain/image_names.py), read when somebody names one of them."""

import math
from functools import cached_property

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import numbers_of, text_of
from domain.image_names import ImageName, series_names
from sr_writer.source import Instance, Source

_READ = ["InstanceNumber", "SliceLocation", "SeriesNumber"]
# Modalities whose patient lies on a table that the console counts by.
_ON_A_TABLE = frozenset({"CT", "PT"})
# Where each axis of the patient leads, and where it comes from (PS3.3 C.7.6.2.1.1).
_WAYS = (("left", "right"), ("posterior", "anterior"), ("towards the head", "towards the feet"))


class ImageNames:
    """The names of a source's images; `told` says that the series belongs to a name, since results read several.

    That of images that lie in several series always does.
    """

    def __init__(self, source: Source, told: bool = False) -> None:
        self._source, self._told = source, told or len({one.series_uid for one in source.instances}) > 1
        self._headers: dict[Instance, Dataset] = {}

    def __call__(self, index: int) -> ImageName:
        """The name of the image at this index of the findings' frames; raises Retryable where its file is shut."""
        frame = self._source.frames[index]
        header = self._header(frame.instance)
        return ImageName(
            number=_whole(header, "InstanceNumber"),
            frame=frame.number if frame.instance.multi_frame else None,
            series=self.series[frame.instance.series_uid] if self._told else "",
            location=self._location(header, index),
            place="table position" if self._is_on_a_table else "slice location",
            side=self._side(header, index),
        )

    @cached_property
    def series(self) -> dict[str, str]:
        """What the series of the images are called, by UID, in the order of their first images."""
        first = {one.series_uid: one for one in reversed(self._source.instances)}
        uids = dict.fromkeys(one.series_uid for one in self._source.instances)
        return series_names({uid: _whole(self._header(first[uid]), "SeriesNumber") for uid in uids})

    def _header(self, instance: Instance) -> Dataset:
        if instance not in self._headers:
            self._headers[instance] = opened(instance.file, "a file of the source", _READ)
        return self._headers[instance]

    def _location(self, header: Dataset, index: int) -> float | None:
        """Slice Location, or of slices across the table its position; the origin of any other count is unknown."""
        stated = _number(header, "SliceLocation")
        if stated is not None or not self._is_on_a_table:
            return stated
        return _finite(float(self._middle(index) @ self._normal))

    def _side(self, header: Dataset, index: int) -> str:
        """Where the image lies along the way of the patient that its slices follow, as consoles say it (L32.0).

        Of an axial image that states its Slice Location, which says the same, nothing.
        """
        if self._source.volume is None:
            return ""
        axis = int(np.abs(self._normal).argmax())
        if axis == 2 and self._location(header, index) is not None:
            return ""
        place = _finite(float(self._middle(index)[axis]))
        return "" if place is None else f"{abs(place):.1f} mm {_WAYS[axis][place < 0]}"

    def _middle(self, index: int) -> np.ndarray:
        """The middle of the image in the patient (mm): of an oblique one its corners lie elsewhere."""
        volume = self._source.volume
        assert volume is not None
        directions = np.asarray(volume.orientation, float).reshape(2, 3)
        between_rows, between_columns = map(float, volume.pixel_spacing)
        sides = ((volume.columns - 1) / 2 * between_columns, (volume.rows - 1) / 2 * between_rows)
        return np.asarray(volume.positions[index], float) + sides @ directions

    @cached_property
    def _normal(self) -> np.ndarray:
        assert self._source.volume is not None
        direction = np.asarray(self._source.volume.orientation, float)
        return np.cross(direction[:3], direction[3:])

    @cached_property
    def _is_on_a_table(self) -> bool:
        """Whether the slices lie across the table, so that the console counts them by its position."""
        across = self._source.volume is not None and abs(self._normal[2]) > 0.9
        return across and self._source.modality in _ON_A_TABLE


def _finite(number: float) -> float | None:
    return number + 0.0 if math.isfinite(number) else None


def _number(header: Dataset, keyword: str) -> float | None:
    numbers = numbers_of(text_of(header, keyword))
    return numbers[0] if numbers and len(numbers) == 1 else None


def _whole(header: Dataset, keyword: str) -> int | None:
    value = _number(header, keyword)
    return None if value is None else int(value)
