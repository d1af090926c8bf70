"""Volumes to NIfTI files and back, and a bundle's result to the grid of the series that it was made of.

A NIfTI file's index is (i, j, k), fastest first, and its affine leads to RAS mm (NIfTI-1, "orientation information");
a Volume's is (k, j, i) and leads to LPS mm (PS3.3 C.7.6.2.1.1). Nothing here takes the order of a file's axes for
granted: where a voxel lies is what its affine says.
"""

from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from domain.errors import ConfigurationError, Permanent
from inference_worker.transforms.grids import Grid, Real, between, lines, spacings_of

Numbers = npt.NDArray[Any]
Labels = npt.NDArray[np.uint8]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

# Header and grid differ by this share of a voxel through the rounding of sform, which has 32 bits.
_ROUNDING = 0.02


def needed(module: str) -> ModuleType:
    """The module of that name; raises ConfigurationError naming the extra where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"a MONAI bundle needs {module.partition('.')[0]}, which is not installed; install dicom-node[monai]"
        ) from error


def write_nifti(values: Numbers, affine: Real, path: Path) -> None:
    """Write `values` (k, j, i) as they are, int16 or float32; `affine` leads from their index to LPS mm."""
    nibabel = needed("nibabel")
    image = nibabel.Nifti1Image(values.T, flipped(affine))
    image.header.set_xyzt_units("mm")
    # Both say the same; code 1 is "scanner anatomical".
    image.set_sform(flipped(affine), 1)
    image.set_qform(flipped(affine), 1)
    nibabel.save(image, path)


def read_nifti(path: Path) -> tuple[Numbers, Grid]:
    """The values (k, j, i) of a file, and where they lie; raises Permanent where it holds no single volume."""
    nibabel = needed("nibabel")
    try:
        image = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise Permanent(f"what the bundle saved cannot be read: {error}") from error
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        shape = " x ".join(map(str, values.shape))
        raise Permanent(f"what the bundle saved is no volume of labels: its shape is {shape}")
    return values.T, Grid(values.T.shape, flipped(image.affine))


def whole_numbers(values: Numbers) -> Labels:
    """`values` as labels; raises Permanent where they are none.

    Looked at plane by plane: a bundle saves 32-bit floats, of which a long series has half a gigabyte.
    """
    made = np.empty(values.shape, np.uint8)
    for plane, labels in zip(values, made, strict=True):
        if not _whole(plane) or plane.min() < 0 or plane.max() > 255:
            raise Permanent("what the bundle saved are no labels: its values are not whole numbers from 0 to 255")
        labels[:] = plane
    return made


def _whole(values: Numbers) -> bool:
    return bool(np.isfinite(values).all() and (values == np.rint(values)).all())


def flipped(affine: Real) -> Real:
    """An affine of (k, j, i) to LPS as one of (i, j, k) to RAS, and the other way round."""
    return np.asarray(_LPS_TO_RAS @ affine[:, [2, 1, 0, 3]])


def to_source(labels: Labels, lies: Grid, source: Grid) -> tuple[Labels, bool]:
    """`labels`, which lie on the grid `lies`, on the grid `source`; and whether each voxel had one of its own there.

    Where the grids are the same up to order and direction of the axes, voxels are carried over; otherwise each takes
    the nearest. Raises Permanent where `lies` does not cover `source`.
    """
    _refuse_elsewhere(lies, source)
    found = lines(lies, source)
    if found is None:
        matrix = between(lies, source)
        turn, shift = matrix[:3, :3], matrix[:3, 3]
        # "grid-constant" reads the outer half of the first and last voxels, where "constant" reads nothing.
        moved = ndimage.affine_transform(labels, turn, shift, source.shape, order=0, mode="grid-constant")
        return np.asarray(moved, np.uint8), False
    made, axes = found
    nearest = [np.floor(line.positions + 0.5).astype(np.intp) for line in made]
    own = all(
        line.count == line.size and np.abs(line.positions - at).max() < _ROUNDING
        for line, at in zip(made, nearest, strict=True)
    )
    inside = [(at >= 0) & (at < line.size) for at, line in zip(nearest, made, strict=True)]
    kept = [np.clip(at, 0, line.size - 1) for at, line in zip(nearest, made, strict=True)]
    picked = labels[np.ix_(*kept)] * inside[0][:, None, None] * inside[1][:, None] * inside[2]
    return np.ascontiguousarray(picked.transpose(np.argsort(axes))), own


def _refuse_elsewhere(lies: Grid, source: Grid) -> None:
    """Raise where a corner voxel of the source lies more than a voxel (the larger of the two) outside of `lies`."""
    matrix = between(lies, source)
    corners = np.array([[*corner, 1.0] for corner in product(*((0.0, size - 1.0) for size in source.shape))])
    at = (matrix @ corners.T)[:3].T
    allowed = 0.5 + np.maximum(1.0, np.abs(matrix[:3, :3]).sum(axis=1))
    if (at < -allowed).any() or (at > np.array(lies.shape) - 1 + allowed).any():
        raise Permanent(
            f"what the bundle saved ({_described(lies)}) does not cover the series ({_described(source)}); "
            "its shape and its affine do not fit together, or it was cropped and not brought back"
        )


def _described(grid: Grid) -> str:
    sizes = zip(grid.shape, spacings_of(grid.affine), strict=True)
    return " x ".join(f"{size * step:.0f}" for size, step in sizes) + " mm in " + " x ".join(map(str, grid.shape))


def onto(values: Numbers, lies: Grid, grid: Grid) -> Numbers:
    """`values` interpolated to `grid` (linear, 32-bit floats), 0 outside; as they are where that is their grid."""
    same = (
        lies.shape == grid.shape and np.abs((between(lies, grid) - np.eye(4))[:3] @ [*grid.shape, 1]).max() < _ROUNDING
    )
    if same:
        return values
    matrix = between(lies, grid)
    moved = ndimage.affine_transform(
        values.astype(np.float32), matrix[:3, :3], matrix[:3, 3], grid.shape, order=1, mode="grid-constant"
    )
    return np.asarray(moved, np.float32)
