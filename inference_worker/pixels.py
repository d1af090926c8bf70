"""Decodes frames and rescales them into one array.

Values at or beyond Pixel Padding Value (PS3.3 C.7.5.1.1.2) are left as they are: they lie outside the
reconstructed circle, carry a very low value there (below air in CT), and to replace them would alter the input that
the digest speaks of. Photometric interpretation MONOCHROME1 turns the display around and not the values.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder

from dicom_node.attributes import codestreams, jpeg
from dicom_node.attributes.files import by_pydicom
from dicom_node.attributes.reader import text_of
from domain.errors import UnusableInput
from inference_worker.frames import Frame, Scale

Voxels = NDArray[np.int16] | NDArray[np.float32]

_INT16 = np.iinfo(np.int16)

jpeg.register()
codestreams.register()


def voxels(frames: Sequence[Frame]) -> Voxels:
    """The frames' values in output units (HU for CT), shape (slices, rows, columns), frames in the order given.

    int16 where that holds every value exactly, else float32. The frames are decoded one after another: the decoders
    hold Python's lock, so that threads gain nothing, and only one frame beside the result is in memory. An instance's
    stored pixels are let go with the last of its frames, so that the result grows as they shrink.
    """
    volume: Voxels = np.empty((0, 0, 0), np.int16)
    left = Counter(id(frame.dataset) for frame in frames)
    for k, frame in enumerate(frames):
        stored = decoded(frame.dataset, frame.index, frame.plane.size, frame.plane.name)
        if k == 0:
            # Not before pixels were seen: Rows and Columns may state any size.
            volume = np.empty((len(frames), *stored.shape), np.int16)
        if volume.dtype == np.int16 and not _fits(stored, frame.scale):
            volume = volume.astype(np.float32)
        _rescale(stored, frame.scale, volume[k])
        left[id(frame.dataset)] -= 1
        if not left[id(frame.dataset)]:
            del frame.dataset.PixelData
    return volume


def decoded(dataset: Dataset, index: int, size: tuple[int, int], name: str) -> NDArray[np.generic]:
    """Stored values, signed or unsigned, with the bits above Bits Stored cleared or sign-extended (PS3.5 8.1.1).

    `index` is the frame, `size` its rows and columns, `name` what errors call it.
    """
    uid = text_of(dataset, "SOPInstanceUID")
    unknown = f"the pixels of {name} cannot be decoded (SOP Instance UID {uid})"
    damaged = (
        f"the pixels of {name} cannot be decoded (cut short or damaged: have it sent again; SOP Instance UID {uid})"
    )
    decoder = by_pydicom(lambda: get_decoder(dataset.file_meta.TransferSyntaxUID), unknown)
    kept, room = by_pydicom(lambda: (int(dataset.BitsStored), int(dataset.BitsAllocated)), damaged)
    if kept > room:
        raise _contradicted(name, f"Bits Stored is {kept} where Bits Allocated is {room} (PS3.5 8.1.1)", uid)
    try:
        stored, _ = by_pydicom(lambda: decoder.as_array(dataset, index=index, raw=True), damaged)
    except UnusableInput as error:
        if said := jpeg.contradiction(error.__cause__):
            raise _contradicted(name, f"{said} (PS3.5 8.2.1)", uid) from error
        raise
    if stored.shape != size:
        raise UnusableInput(f"the pixels of {name} have another shape than stated (SOP Instance UID {uid})")
    return stored


def _contradicted(name: str, said: str, uid: str) -> UnusableInput:
    return UnusableInput(
        f"the pixels of {name} cannot be decoded: {said}: its sender has to correct it, sent again it is the same "
        f"(SOP Instance UID {uid})"
    )


def _fits(stored: NDArray[np.generic], scale: Scale) -> bool:
    """Whether int16 holds every rescaled value exactly."""
    ends = [float(end) * scale.slope + scale.intercept for end in (stored.min(), stored.max())]
    whole = scale.slope.is_integer() and scale.intercept.is_integer()
    return whole and min(ends) >= _INT16.min and max(ends) <= _INT16.max


def _rescale(stored: NDArray[Any], scale: Scale, out: NDArray[Any]) -> None:
    """Writes stored x slope + intercept into `out` (PS3.3 C.11.1.1.2)."""
    if out.dtype == np.float32:
        out[:] = stored * np.float64(scale.slope) + scale.intercept
        return
    # The result fits, so arithmetic modulo 2**16 ends at it whatever happens in between; no wider copy is made.
    np.copyto(out, stored, casting="unsafe")
    if scale.slope != 1:
        out *= np.int64(scale.slope).astype(np.int16)
    out += np.int64(scale.intercept).astype(np.int16)
