"""Which way a department hangs an image: the patient's right at the viewer's left, as if one faced the patient.

Axial images lie with the patient's front above, whether the patient lay on the back or prone. Sagittal and lateral
images stay as they are: departments differ. What is stored the other way round is mirrored or turned about, with all
that lies over it; the letters at the edges say what is where.
"""

from typing import TypeVar

import numpy as np
from PIL import Image

Edges = tuple[str, str, str, str]
Array = TypeVar("Array", bound=np.ndarray)


def turns(edges: Edges) -> tuple[bool, bool]:
    """Whether the image is mirrored from left to right, and from top to bottom.

    `edges` say which way of the patient the left, right, top and bottom edges lie ("R", "LA", ...), "" where unknown.
    """
    left, right, top, bottom = (one[:1] for one in edges)
    frontal = {left, right} == {"L", "R"}
    return frontal and left == "L", frontal and (top, bottom) == ("P", "A")


def turned_edges(edges: Edges) -> Edges:
    """The edges of the image as it hangs."""
    left, right, top, bottom = edges
    across, down = turns(edges)
    return (*((right, left) if across else (left, right)), *((bottom, top) if down else (top, bottom)))


def turned(array: Array, edges: Edges) -> Array:
    """Rows and columns as the image hangs, a view."""
    across, down = turns(edges)
    return array[:: -1 if down else 1, :: -1 if across else 1]  # type: ignore[return-value]


def turned_image(image: Image.Image, edges: Edges) -> Image.Image:
    """The picture as the image hangs."""
    across, down = turns(edges)
    image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if across else image
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if down else image
