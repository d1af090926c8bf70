"""Whether there is text in the pixels of a picture, and where: it may name the patient, so none leaves with it.

The one importer of `rapidocr`, whose networks find lines of text and read them. A marker of lead is no name: a letter
or two in one place, and few in all, are let through. Everything else that reads as text is refused, whatever it says.
"""

import threading
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import product
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
# A line in letters that the reader does not know (it knows Latin and Chinese ones) is seen and not read. Nothing of a
# body looks so: so many times as long as high, lower than a share of the picture (and than pixels), so sure.
_LONG = 3.0
_LOW, _LOW_PIXELS = 0.06, 48.0
_SURE_OF_LINE = 0.6
_UNREAD = "unread"
# Larger pictures are made smaller by the reader, and small letters are lost: they are looked at in pieces as well, as
# large as this, with so much in common that a line of small letters is whole in one of them or seen in both.
_PIECE, _COMMON = 1536, 256
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
        return [
            (top + y, bottom + y, left + x, right + x)
            for y, x, piece in pieces(picture)
            for lines in self._lines(piece)
            for top, bottom, left, right in _boxes(lines, _LETTER * piece.size)
        ]

    def _lines(self, picture: Picture) -> Iterator[list[tuple[str, Box]]]:
        """What is read, and where, in each of the ways in which the picture is looked at."""
        for seen in (picture, evened(picture)):
            for turns in (0, 1):
                turned = np.ascontiguousarray(np.rot90(seen, turns))
                yield [
                    (text, _turned_back(box, seen.shape[1]) if turns else box) for text, box in self._looked_at(turned)
                ]

    def _looked_at(self, picture: Picture) -> list[tuple[str, Box]]:
        """Lines that are read, and lines that are seen and cannot be."""
        colours = np.repeat(picture[..., None], 3, axis=2)
        with self._one:  # what is asked for stays set until the next call
            seen = self._read(colours, use_det=True, use_cls=False, use_rec=False)
            if seen.boxes is None or len(seen.boxes) == 0:
                return []
            found = self._read(colours, use_det=True, use_cls=True, use_rec=True)
        lines = [(text, _around(four)) for text, four in zip(found.txts or (), _corners(found), strict=True)]
        read = {box for _, box in lines}
        unread = (
            _around(four)
            for four, sure in zip(seen.boxes, seen.scores, strict=True)
            if sure >= _SURE_OF_LINE and _is_a_line(_around(four), picture)
        )
        return lines + [(_UNREAD, box) for box in unread if box not in read]


def _corners(found: Any) -> Iterable[NDArray[np.float32]]:
    return found.boxes if found.txts else ()


def _is_a_line(box: Box, picture: Picture) -> bool:
    top, bottom, left, right = box
    low, long = sorted((bottom - top, right - left))
    return long >= _LONG * low and low <= max(_LOW * min(picture.shape), _LOW_PIXELS)


def pieces(picture: Picture) -> Iterator[tuple[int, int, Picture]]:
    """The picture, and pieces of it where it is large, each with the row and the column that it begins at."""
    yield 0, 0, picture
    if max(picture.shape) > _PIECE + _COMMON:
        for top, left in product(*(_begins(length) for length in picture.shape)):
            yield top, left, picture[top : top + _PIECE, left : left + _PIECE]


def _begins(length: int) -> Iterable[int]:
    """Where pieces of a side of this length begin, the last as large as the others."""
    last = max(0, length - _PIECE)
    return (*range(0, last, _PIECE - _COMMON), last)


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
