"""Give models/brain_tumor its golden sample: a small phantom, and what the node makes of it.

python -m training.brain.package models/brain_tumor
"""

import sys
from pathlib import Path

import numpy as np

from domain.findings import SourceFrame
from inference_worker import golden
from inference_worker.engines.openvino import OpenVinoEngine
from inference_worker.pipeline import Pipeline
from inference_worker.volume import Volume, digest
from models.digests import write_digests
from models.registry import load_package
from training.brain.layout import SEQUENCES, Case
from training.brain.phantoms import phantom

# A head in voxels of 4 mm is small enough to ship, and its tumour is still found.
_SHAPE, _SPACING_MM, _SEED = (48, 56, 48), 4.0, 5


def volumes_of(case: Case, spacing_mm: float) -> dict[str, Volume]:
    """The sequences of a case as the node would have read them from four series of transverse slices."""
    slices = case.labels.shape[0]
    middle = [-spacing_mm * (size - 1) / 2 for size in case.labels.shape]
    affine = np.eye(4)
    # Indices (slice, row, column) lead towards head, back and left: z, y and x of the patient.
    affine[:3, :3], affine[:3, 3] = spacing_mm * np.eye(3)[::-1], middle[::-1]
    volumes = {}
    for at, (name, voxels) in enumerate(zip(SEQUENCES, case.voxels.astype(np.int16), strict=True)):
        frames = tuple(SourceFrame(f"2.25.{at * slices + k + 1}") for k in range(slices))
        volumes[name] = Volume(voxels, affine, frames, digest(voxels, affine, frames))
    return volumes


def write_golden(folder: Path, case: Case, spacing_mm: float) -> None:
    """Keep `case` and what the package in `folder` makes of it there, and renew the digests."""
    # The manifest names the sample, so the package is whole only once there is one, whatever it holds.
    for name in (golden.INPUT, golden.EXPECTED):
        (folder / name).touch()
    write_digests(folder)
    package = load_package(folder)
    sources = volumes_of(case, spacing_mm)
    golden.write(folder, package.manifest, sources, Pipeline(package, OpenVinoEngine()).run(sources))
    write_digests(folder)


def main() -> None:
    """Make the sample of the package that the first argument names."""
    sample = phantom(np.random.default_rng(_SEED), "golden", _SHAPE, _SPACING_MM, healthy=0.0)
    write_golden(Path(sys.argv[1]), sample, _SPACING_MM)


if __name__ == "__main__":
    main()
