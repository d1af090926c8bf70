"""The model's input: one volume in the patient's space, from the files of one series. Owns its digest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dicom_node.attributes.files import Source
from domain.errors import UnusableInput
from domain.findings import SourceFrame
from inference_worker.frames import Frame, Slices, called, read
from inference_worker.geometry import Array, Grid, lay_out
from inference_worker.pixels import Voxels, voxels
from inference_worker.units import in_units


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a regular grid in the patient. Holds no identity beyond the instances' UIDs.

    `voxels` has shape (slices, rows, columns) in output units (HU for CT), int16 where that is exact, else float32.
    `affine` (4x4) takes index (k, j, i, 1) to patient LPS mm (x, y, z, 1). `filled` are the indices of slices that the
    series lacks and that were interpolated; the others were read from `frames`, in order. `remarks` are sentences that
    a reader of the results must know of how they were read; `gaps` are the images that each of `filled`
    lies between.
    `digest` is the SHA-256 (hex) of type, shape, voxels, affine and frames: equal input has an equal digest, however it
    was encoded, and the same picture in another series is another input, for results refer to their frames.
    `frame_of_reference` is the UID of the coordinates that the affine leads to, "" where the images state none; `moved`
    says how it came there where it was registered to another volume.
    """

    voxels: Voxels
    affine: Array
    frames: tuple[SourceFrame, ...]
    digest: str
    filled: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    frame_of_reference: str = ""
    moved: str = ""
    gaps: tuple[str, ...] = ()


def build(
    paths: Sequence[Source], missing_slices: int = 0, units: str = "", own_frames_of_reference: bool = False
) -> Volume:
    """The volume that the files of one series make, slices sorted by position along their normal.

    Up to `missing_slices` slices that are missing one by one are interpolated from their two neighbours. The values of
    a PET come in `units`, one of `models.manifest.UNITS`. `own_frames_of_reference` reads images together each of which
    names a frame of reference of its own. What is no slice is left aside, and named in the remarks and in a refusal.
    Raises UnusableInput with the reason in a radiographer's words where the files make no volume, and names no person
    in it; Retryable where a file cannot be opened.
    """
    slices = read(paths, own_frames_of_reference)
    grid = _laid_out(slices, missing_slices)
    frames = in_units([slices.frames[one] for one in grid.order], paths, units)
    values = _with_filled(voxels(frames), grid.missing)
    sources = tuple(frame.source for frame in frames)
    identified = digest(values, grid.affine, sources)
    return Volume(
        values, grid.affine, sources, identified, grid.missing, slices.remarks, _frame_of_reference(frames),
        gaps=tuple(_gap(frames, k - before) for before, k in enumerate(grid.missing)),
    )  # fmt: skip


def _frame_of_reference(frames: Sequence[Frame]) -> str:
    return str(frames[0].dataset.get("FrameOfReferenceUID") or "").strip()


def _gap(frames: Sequence[Frame], after: int) -> str:
    """`between image 30 and image 31`, where a slice is missing before frame `after`."""
    return " and ".join((f"between {called(frames[after - 1])}", called(frames[after])))


def _laid_out(slices: Slices, missing_slices: int) -> Grid:
    try:
        return lay_out([frame.plane for frame in slices.frames], missing_slices)
    except UnusableInput as error:
        raise UnusableInput("; ".join((str(error), *slices.remarks))) from error


def _with_filled(values: Voxels, missing: Sequence[int]) -> Voxels:
    """`values` with a slice at each index of `missing`: the mean of its neighbours, rounded where values are whole."""
    for k in missing:  # ascending, so that each index is that of the whole stack
        between = (values[k - 1].astype(np.float32) + values[k]) / 2
        whole = np.rint(between) if values.dtype == np.int16 else between
        values = np.insert(values, k, whole.astype(values.dtype), axis=0)
    return values


def digest(values: Voxels, affine: Array, frames: Sequence[SourceFrame]) -> str:
    """SHA-256 (hex) of type, shape, values, affine and frames, little-endian and in C order on every machine."""
    hasher = hashlib.sha256(f"{values.dtype.name} {values.shape}".encode("ascii"))
    hasher.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data)
    hasher.update(np.ascontiguousarray(affine, "<f8").data)
    hasher.update("".join(f"{frame.sop_instance_uid} {frame.frame_number}\n" for frame in frames).encode("ascii"))
    return hasher.hexdigest()
