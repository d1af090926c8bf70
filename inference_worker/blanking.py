"""Text in the pixels of images that are to leave: found, blanked, and looked for again.

The one place that changes pixels. A frame is looked at as a viewer shows it; where a line of text stands, with a
margin, its pixels become black. Bits above those that are stored, in which graphics may hide (PS3.5 8.1.1, retired
overlays in pixel data), are cleared by the decoder.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import get_nr_frames

from dicom_node.attributes import codestreams, jpeg
from dicom_node.attributes.files import by_pydicom
from domain.errors import NotSuitable, UnusableInput
from inference_worker.burned_in import Box

codestreams.register()
jpeg.register()

# Where text stands in a picture; `inference_worker.burned_in.TextReader.find` is one.
Find = Callable[[NDArray[np.uint8]], Sequence[Box]]

_MARGIN = 4  # pixels beyond what was found
_MOST_SHARE = 0.25  # of a frame that is text: then it is a page, and blanking leaves nothing of it
_ROUNDS = 3
_WHITE = 255.0
_LARGEST = 1 << 30  # bytes of pixels that are held in memory
_REFUSAL = "its pixels cannot be decoded"


@dataclass(frozen=True)
class Blanked:
    """What was done to an object's pixels."""

    frames: int
    regions: int


def blank(dataset: Dataset, find: Find) -> Blanked:
    """Decode the pixels of `dataset` and blank the text in them, in place; native pixels stand there then.

    Looks again after each change. Raises NotSuitable where text is left or takes more than a quarter of a frame,
    UnusableInput where the pixels cannot be decoded.
    """
    if _size(dataset) > _LARGEST:
        raise NotSuitable(f"its pixels take more than {_LARGEST >> 20} MiB, which are not looked through")
    stored = _decoded(dataset)
    regions = sum(_blanked(frame, dataset, find) for frame in stored)
    _put(dataset, stored)
    return Blanked(len(stored), regions)


def native(dataset: Dataset) -> None:
    """Make the pixels native, in place, where they are compressed: masks and maps, in which nobody writes."""
    if by_pydicom(lambda: dataset.file_meta.TransferSyntaxUID.is_compressed, _REFUSAL):
        by_pydicom(lambda: dataset.decompress(generate_instance_uid=False), _REFUSAL)


def _blanked(frame: NDArray[np.generic], dataset: Dataset, find: Find) -> int:
    count = 0
    least = _black(frame, dataset)
    for _ in range(_ROUNDS):
        boxes = _found(frame, dataset, find)
        if not boxes:
            return count
        count += len(boxes)
        covered = np.zeros(frame.shape[:2], bool)
        for top, bottom, left, right in boxes:
            place = np.s_[max(0, top - _MARGIN) : bottom + _MARGIN, max(0, left - _MARGIN) : right + _MARGIN]
            covered[place] = True
        if covered.mean() > _MOST_SHARE:
            raise NotSuitable("text takes more than a quarter of a picture: it is a page")
        frame[covered] = least
    if _found(frame, dataset, find):
        raise NotSuitable("text in the pixels could not be blanked")
    return count


def _black(frame: NDArray[np.generic], dataset: Dataset) -> NDArray[np.generic]:
    """What is black in a frame: the least value, or the greatest where that is (PS3.3 C.7.6.3.1.2)."""
    if str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1":
        return np.asarray(frame.max())
    return np.asarray(frame.min() if frame.ndim == 2 else frame.min(axis=(0, 1)))


def _found(frame: NDArray[np.generic], dataset: Dataset, find: Find) -> list[Box]:
    return [box for picture in pictures(frame, dataset) for box in find(picture)]


def pictures(frame: NDArray[np.generic], dataset: Dataset) -> list[NDArray[np.uint8]]:
    """A frame as pictures of grey, in one of which text stands out whatever its colour and that of what is behind it.

    Red, green and blue, each alone where they differ; a palette's colours, and its numbers.
    """
    if frame.ndim == 2:
        return [_grey(frame), *_by_palette(frame, dataset)]
    return _channels(frame)


def _by_palette(frame: NDArray[np.generic], dataset: Dataset) -> list[NDArray[np.uint8]]:
    if str(dataset.get("PhotometricInterpretation")) != "PALETTE COLOR":
        return []
    return _channels(by_pydicom(lambda: apply_color_lut(frame, dataset), "its palette cannot be read"))


def _channels(frame: NDArray[np.generic]) -> list[NDArray[np.uint8]]:
    made: list[NDArray[np.uint8]] = []
    for index in range(min(frame.shape[2], 3)):
        channel = _grey(frame[..., index])
        if not any(np.array_equal(channel, one) for one in made):
            made.append(channel)
    return made


def _grey(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """8 bits of grey, from the least to the greatest value but for one in two hundred at either end."""
    grey = values.astype(np.float32)
    low, high = np.percentile(grey, (0.5, 99.5))
    if high <= low:
        low, high = float(grey.min()), float(grey.max())
    scaled = np.clip((grey - low) / max(high - low, 1e-6), 0, 1) * _WHITE
    return np.asarray(scaled, np.uint8)


def _size(dataset: Dataset) -> int:
    """Bytes that the pixels take when they are native."""
    counted = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames")
    return by_pydicom(lambda: math.prod(int(dataset.get(one) or 1) for one in counted) // 8, _REFUSAL)


def _decoded(dataset: Dataset) -> list[NDArray[np.generic]]:
    """The frames as they are stored, bits that are not stored cleared."""
    decoder = by_pydicom(lambda: get_decoder(dataset.file_meta.TransferSyntaxUID), _REFUSAL)
    count = by_pydicom(lambda: get_nr_frames(dataset, warn=False), _REFUSAL)
    frames = []
    for index in range(count):
        found, meta = by_pydicom(partial(decoder.as_array, dataset, index=index), _REFUSAL)
        dataset.PhotometricInterpretation = meta["photometric_interpretation"]
        frames.append(np.array(found))
    if not frames:
        raise UnusableInput(_REFUSAL)
    return frames


def _put(dataset: Dataset, frames: Sequence[NDArray[np.generic]]) -> None:
    """Native pixels (PS3.5 8.1.1), colour by pixel."""
    content = b"".join(np.ascontiguousarray(one).tobytes() for one in frames)
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated <= 8 else "OW"
    if int(dataset.get("SamplesPerPixel") or 1) > 1:
        dataset.PlanarConfiguration = 0
