"""Whether there is text in the pixels of a picture, and where: it may name the patient, so none leaves with it.

The one importer of `rapidocr`, whose networks find lines of text and read them. A marker of lead is no name: a letter
or two in one place, and few in all, are let through. Everything else that reads as text is refused, whatever it says.
"""

import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.errors import ConfigurationError, NotSuitable

Picture = NDArray[np.uint8]  # (rows, columns), as it would leave
Box = tuple[int, int, int, int]  # what a line of text takes, in pixels: top, bottom, left, right

# Letters and digits that are let through: of one line of text, and of all.
_IN_A_LINE = 2
_IN_ALL = 4
# Of a picture, what a letter takes at most: a skull or a field of view is read as an O.
_LETTER = 0.05
# How sure the reader is of a line, 0 to 1; ribs are taken for letters with less.
_SURE = 0.5
# Letters of little contrast are evened out with what lies around them: pixels of the Gaussians that the mean and the
# deviation are taken by, the least deviation that is no noise, and grey levels that a deviation becomes.
_MEAN, _DEVIATION = 5.0, 10.0
_NOISE = 2.0
_BECOMES = 50.0
_MIDDLE = 128.0


class TextReader:
    """Finds text. Raises ConfigurationError where rapidocr is not installed. For use by several threads."""

    def __init__(self, threads: int = 0) -> None:
        """With `threads` of the CPU (0: all)."""
        try:
            library = import_module("rapidocr")
        except ImportError as error:
            raise ConfigurationError(
                "what finds text in pixels is not installed, so no image may leave: pip install 'dicom-node[vision]' "
                "to show images to a general model, 'dicom-node[deidentify]' to export them without their persons"
            ) from error
        wanted = {"EngineConfig.onnxruntime.intra_op_num_threads": threads or -1, "Global.text_score": _SURE}
        # It logs what it reads.
        self._read: Any = library.RapidOCR(params={**wanted, "Global.log_level": "critical"})
        self._one = threading.Lock()

    def refuse(self, picture: Picture) -> None:
        """Raise NotSuitable where there is text in `picture`, upright or turned by 90°; what it says is not told."""
        if any(is_text([text for text, _ in lines]) for lines in self._lines(picture)):
            raise NotSuitable("text is burned into the image's pixels, which may name the patient: nobody is shown it")

    def find(self, picture: Picture) -> list[Box]:
        """Where text stands in `picture`, upright or turned by 90°; none of a marker of lead."""
        return [box for lines in self._lines(picture) for box in _boxes(lines, _LETTER * picture.size)]

    def _lines(self, picture: Picture) -> Iterator[list[tuple[str, Box]]]:
        """What is read, and where, in each of the ways in which the picture is looked at."""
        for seen in (picture, evened(picture)):
            for turns in (0, 1):
                turned = np.ascontiguousarray(np.rot90(seen, turns))
                with self._one:
                    found = self._read(np.repeat(turned[..., None], 3, axis=2))
                corners = found.boxes if found.txts else ()
                yield [
                    (text, _turned_back(_around(four), seen.shape[1]) if turns else _around(four))
                    for text, four in zip(found.txts or (), corners, strict=True)
                ]


def _boxes(lines: list[tuple[str, Box]], most: float) -> list[Box]:
    """Lines of text, and letters that stand alone where they are many; none larger than `most` pixels is a letter."""
    counted = [(sum(letter.isalnum() for letter in text), box) for text, box in lines]
    alone = [(count, box) for count, box in counted if 0 < count <= _IN_A_LINE and _area(box) <= most]
    many = sum(count for count, _ in alone) > _IN_ALL
    return [box for count, box in counted if count > _IN_A_LINE] + [box for _, box in alone if many]


def _area(box: Box) -> int:
    top, bottom, left, right = box
    return (bottom - top) * (right - left)


def _around(corners: NDArray[np.float32]) -> Box:
    """The box around the four corners (x, y) of a line."""
    left, top = np.floor(corners.min(axis=0)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    return max(0, int(top)), int(bottom) + 1, max(0, int(left)), int(right) + 1


def _turned_back(box: Box, columns: int) -> Box:
    """A box of a picture that was turned by 90° (numpy.rot90), in the picture as it was, `columns` wide."""
    top, bottom, left, right = box
    return left, right, max(0, columns - bottom), max(0, columns - top)


def is_text(lines: list[str]) -> bool:
    """Whether what was read is more than a marker of lead."""
    counts = [sum(letter.isalnum() for letter in line) for line in lines]
    return max(counts, default=0) > _IN_A_LINE or sum(counts) > _IN_ALL


def evened(picture: Picture) -> Picture:
    """The picture with one contrast everywhere: what a bright edge, or little difference, would hide stands out."""
    values = picture.astype(np.float32)
    fast = values - ndimage.gaussian_filter(values, _MEAN)
    deviation = np.sqrt(ndimage.gaussian_filter(fast * fast, _DEVIATION))
    return np.asarray(np.clip(np.rint(fast / (deviation + _NOISE) * _BECOMES + _MIDDLE), 0, 255), np.uint8)
