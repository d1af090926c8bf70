"""A result as a picture for people without a viewer: a page as it is, a segmentation in its segments' colours.

Nothing that names the patient is taken out.
"""

from collections import Counter
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread

from dicom_node.attributes.files import by_pydicom
from domain.profiles import SECONDARY_CAPTURE, SEGMENTATION
from sr_writer.reading import SeenSegmentation, read_segmentation

#: Kinds of objects that there is a picture of.
PICTURED = frozenset({SECONDARY_CAPTURE, SEGMENTATION})


def picture_of(part10: bytes, sop_class: str) -> bytes:
    """A PNG of the object in a Part 10 file, whose class is one of PICTURED; raises UnusableInput where it is damaged.

    Of a segmentation it is the plane in which most is segmented, each segment in its colour, without the image beneath.
    """
    if sop_class == SEGMENTATION:
        return _png(_fullest(read_segmentation(part10)))
    return _png(by_pydicom(lambda: _pixels(dcmread(BytesIO(part10))), "it is no picture that can be read"))


def _pixels(dataset: Dataset) -> NDArray[np.uint8]:
    return np.asarray(dataset.pixel_array, np.uint8)


def _fullest(seen: SeenSegmentation) -> NDArray[np.uint8]:
    colours = {one.number: one.colour for one in seen.segments}
    size: Counter[tuple[float, ...]] = Counter()
    for _, position, mask in seen.planes:
        size[position] += int(np.count_nonzero(mask))
    shape = seen.planes[0][2].shape if seen.planes else (1, 1)
    drawn = np.zeros((*shape, 3), np.uint8)
    fullest = size.most_common(1)[0][0] if size else ()
    for number, position, mask in seen.planes:
        if position == fullest:
            drawn[mask > 0] = colours[number]
    return drawn


def _png(pixels: NDArray[np.uint8]) -> bytes:
    written = BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()
