"""From one grid to another: along each axis by itself where axes are parallel, else linearly in space."""

from collections.abc import Sequence

import numpy as np
from array_api_compat import array_namespace, is_torch_array
from scipy import ndimage, sparse

from inference_worker.transforms.arrays import Array, Float, Sampled, each_slab, floats
from inference_worker.transforms.grids import Box, Grid, Real, between, covered, lines, moved
from inference_worker.transforms.weights import ENDLESS, Reach, smoothing, weights

# Planes turned to floats at once: 4 of 512 x 512 take 4 MB, which a cache holds; a GPU would be idle with so few.
SLAB, SLAB_ON_GPU = 4, 64


def thickness(array: Array) -> int:
    """Planes of a slab."""
    return SLAB_ON_GPU if is_torch_array(array) else SLAB


def resample(source: Sampled, target: Grid, how: str, reach: Reach = ENDLESS, outside: float = 0.0) -> Sampled:
    """`source` on the grid `target`, a value of `outside` farther than `reach` samples from the source's own.

    Grids that are turned against each other reach to the outermost samples' centres.
    """
    found = lines(source.grid, target)
    if found is None:
        return Sampled(turned(source, target, how, outside), target.affine)
    matrices = [weights(how, line, reach) for line in found[0]]
    made = _separably(source, matrices)
    xp = array_namespace(made)
    axes = found[1]
    out = xp.permute_dims(made, (0, *(1 + axes.index(axis) for axis in range(len(axes)))))
    if outside and reach != ENDLESS:
        out = out + outside * (1 - _inside(out, [matrices[axes.index(axis)] for axis in range(len(axes))]))
    return Sampled(out, target.affine)


def _inside(like: Array, matrices: Sequence[Float]) -> Array:
    """1 where every axis has weights, else 0."""
    xp = array_namespace(like)
    made = xp.ones_like(like)
    for axis, matrix in enumerate(matrices):
        shape = [1] * like.ndim
        shape[1 + axis] = -1
        made = made * xp.reshape(xp.asarray(matrix.sum(axis=1), device=like.device), tuple(shape))
    return made


def _separably(source: Sampled, matrices: Sequence[Float]) -> Array:
    """The values with `matrices` applied to each axis of space, in slabs of the first."""
    stored = source.stored
    xp = array_namespace(stored)
    operators = [operator(matrix, stored) for matrix in matrices]
    planes = xp.empty(
        (*stored.shape[:2], *(matrix.shape[0] for matrix in matrices[1:])), dtype=xp.float32, device=stored.device
    )

    def work(slab: slice) -> None:
        part = source.read(stored[:, slab])
        for axis in range(len(operators) - 1, 0, -1):
            part = along(part, operators[axis], axis + 1)
        planes[:, slab] = part

    each_slab(work, stored.shape[1], thickness(stored), stored)
    return along(planes, operators[0], 1)


def operator(matrix: Float, like: Array) -> Array:
    """`matrix` as `along` wants it: few of its elements are not 0, which counts on a CPU."""
    if is_torch_array(like):
        return array_namespace(like).asarray(matrix, device=like.device)
    return sparse.csr_array(matrix)


def along(values: Array, matrix: Array, axis: int) -> Array:
    """`matrix` (count, size), made by `operator`, applied to one axis of `values`."""
    xp = array_namespace(values)
    first = xp.moveaxis(values, axis, 0)
    made = matrix @ xp.reshape(first, (first.shape[0], -1))
    return xp.moveaxis(xp.reshape(made, (matrix.shape[0], *first.shape[1:])), 0, axis)


def turned(source: Sampled, target: Grid, how: str, outside: float = 0.0) -> Array:
    """The values (channels, *target.shape) where axes are not parallel; `outside` beyond the outermost centres.

    With "mean" the source is smoothed along its own axes before, as far as the target's voxels are larger.
    """
    stored = source.values
    xp = array_namespace(stored)
    made = xp.full((stored.shape[0], *target.shape), outside, dtype=xp.float32, device=stored.device)
    box = covered(target, source.grid)
    if box is None:
        return made
    if how in ("mean", "antialias"):
        stored = smoothed(stored, between(source.grid, target))
    matrix = between(source.grid, target.part(box))
    look = _look_torch if is_torch_array(stored) else _look
    for channel in range(stored.shape[0]):
        made[(channel, *box)] = look(stored[channel], matrix, _shape(box), 0 if how == "nearest" else 1, outside)
    return made


def _shape(box: Box) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in box)


def smoothed(values: Array, matrix: Real) -> Array:
    """`values` (channels, *space), averaged over the voxels of a coarser target; `matrix` leads from its index."""
    for axis, width in enumerate(np.linalg.norm(matrix[:-1, :-1], axis=1)):
        # Interpolation between samples is itself as broad as a voxel; only what the target has more is smoothed away.
        more = float(np.sqrt(max(0.0, width**2 - 1)))
        if more > 0.1:
            values = along(values, operator(smoothing(values.shape[axis + 1], more), values), axis + 1)
    return values


def _look(values: Array, matrix: Real, shape: tuple[int, ...], order: int, outside: float) -> Float:
    made = np.empty(shape, np.float32)
    ndimage.affine_transform(
        values, matrix[:-1, :-1], matrix[:-1, -1], shape, made, order=order, cval=outside, prefilter=False
    )
    return made


def _look_torch(values: Array, matrix: Real, shape: tuple[int, ...], order: int, outside: float) -> Array:
    import torch  # noqa: PLC0415  # a worker without a GPU has none

    made = torch.empty(shape, dtype=torch.float32, device=values.device)
    size = torch.tensor(values.shape, dtype=torch.float64, device=values.device)
    field = floats(values)[None, None]

    def work(slab: slice) -> None:
        part = torch.tensor(moved(matrix, [slab.start] + [0] * (len(shape) - 1)), device=values.device)
        axes = [
            torch.arange(n, dtype=torch.float64, device=values.device) for n in (slab.stop - slab.start, *shape[1:])
        ]
        at = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1) @ part[:-1, :-1].T + part[:-1, -1]
        inside = ((at >= 0) & (at <= size - 1)).all(dim=-1)
        scaled = at * 2 / (size - 1).clamp(min=1) - 1
        mode = "bilinear" if order else "nearest"
        found = torch.nn.functional.grid_sample(
            field, scaled.flip(-1)[None].float(), mode=mode, padding_mode="border", align_corners=True
        )
        made[slab] = torch.where(inside, found[0, 0], outside)

    each_slab(work, shape[0], SLAB_ON_GPU, values)
    return made
