"""Whether there is text in the pixels of a picture: it may name the patient, so such a picture leaves for nobody.

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

# Letters and digits that are let through: of one line of text, and of all.
_IN_A_LINE = 2
_IN_ALL = 4
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
                "what finds text in pixels is not installed, so no image may leave: pip install 'dicom-node[vision]'"
            ) from error
        wanted = {"EngineConfig.onnxruntime.intra_op_num_threads": threads or -1, "Global.text_score": _SURE}
        # It logs what it reads.
        self._read: Any = library.RapidOCR(params={**wanted, "Global.log_level": "critical"})
        self._one = threading.Lock()

    def refuse(self, picture: Picture) -> None:
        """Raise NotSuitable where there is text in `picture`, upright or turned by 90°; what it says is not told."""
        if any(is_text(lines) for lines in self._lines(picture)):
            raise NotSuitable("text is burned into the image's pixels, which may name the patient: nobody is shown it")

    def _lines(self, picture: Picture) -> Iterator[list[str]]:
        """What is read in each of the ways in which the picture is looked at."""
        for seen in (picture, evened(picture)):
            for turns in (0, 1):
                turned = np.ascontiguousarray(np.rot90(seen, turns))
                with self._one:
                    found = self._read(np.repeat(turned[..., None], 3, axis=2))
                yield list(found.txts or ())


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
