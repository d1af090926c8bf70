"""A CT on disk and the lungs that the classical method sees in it."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from inference_worker import volume
from inference_worker.transforms.grids import orientation_of, spacings_of
from inference_worker.volume import Volume
from training.lung_labels import lung_labels

Labels: TypeAlias = npt.NDArray[np.uint8]


def read(folder: Path) -> Volume:
    """The volume of the one series whose `*.dcm` files lie in `folder`."""
    return volume.build(sorted(folder.glob("*.dcm")))


def spacing_of(source: Volume) -> tuple[float, float, float]:
    """Distance (mm) between neighbours towards head, back and left."""
    steps = spacings_of(source.affine)
    head, back, left = (float(steps[axis]) for axis in orientation_of(source.affine).order)
    return head, back, left


def canonical(source: Volume) -> npt.NDArray[Any]:
    """The voxels in canonical order, contiguous."""
    return np.ascontiguousarray(orientation_of(source.affine).canonical(source.voxels))


def classical(source: Volume) -> Labels:
    """The classical method's labels, in the source's own order."""
    labels = lung_labels(canonical(source), spacing_of(source))
    return np.ascontiguousarray(orientation_of(source.affine).source(labels))
