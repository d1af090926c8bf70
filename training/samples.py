"""Training samples: random views of one CT, and phantoms, on the network's grid."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.inputs import prepare
from inference_worker.volume import Volume
from models.steps import Before, Orientation, Spacing, Window
from training import phantoms
from training.cases import Labels
from training.config import Augmentation, Data
from training.lung_labels import LEFT, RIGHT
from training.phantoms import Float, Rng, Sample


def on_grid(source: Volume, labels: Labels, spacing: float, window: tuple[float, float]) -> Sample:
    """A CT and its labels (both in the source's order) on an isotropic grid of `spacing` mm, in canonical order."""
    turn, grid = Orientation("SPL"), Spacing((spacing, spacing, spacing))

    def sampled(values: npt.NDArray[Any], *steps: Before) -> Float:
        return np.asarray(prepare({"": Sampled(values[None], source.affine)}, steps).values[0])

    shares = [sampled(labels == side, turn, grid) for side in (RIGHT, LEFT)]
    return Sample(sampled(source.voxels, turn, Window(*window, to=window), grid), np.stack(shares))


def draw(rng: Rng, real: Sample, data: Data, change: Augmentation) -> Sample:
    """One sample of the network's crop, of the CT or a phantom, scaled to 0..1."""
    if rng.random() < data.phantom_share:
        sample = phantoms.phantom(rng, data.crop, data.spacing_mm)
    else:
        sample = view(rng, real, data, change)
    phantoms.add_nodules(rng, sample, data.spacing_mm)
    return _perturb(rng, sample, data, change)


def view(rng: Rng, real: Sample, data: Data, change: Augmentation) -> Sample:
    """The CT turned, stretched, moved, perhaps mirrored, on the network's crop; air where it ends."""
    turn = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * change.rotation_deg, degrees=True).as_matrix()
    stretch = np.exp(rng.uniform(*np.log(change.scale)) + rng.uniform(-0.08, 0.08, 3))
    mirrored = rng.random() < change.flip
    stretch[2] *= -1 if mirrored else 1
    matrix = turn @ np.diag(1 / stretch) * (data.spacing_mm / data.cache_spacing_mm)
    middle = np.array(real.voxels.shape) / 2 + rng.uniform(-1, 1, 3) * change.shift_mm / data.cache_spacing_mm
    offset = middle - matrix @ (np.array(data.crop) / 2)

    def look(field: Float, outside: float) -> Float:
        return np.asarray(
            ndimage.affine_transform(field, matrix, offset, data.crop, order=1, cval=outside, prefilter=False)
        )

    lungs = np.stack([look(share, 0) for share in real.lungs])
    return Sample(look(real.voxels, phantoms.AIR), lungs[::-1].copy() if mirrored else lungs)


def _perturb(rng: Rng, sample: Sample, data: Data, change: Augmentation) -> Sample:
    low, high = data.window_hu
    voxels, lungs = sample.voxels, sample.lungs
    voxels += lungs.sum(axis=0) * rng.uniform(-0.3, 1) * change.lung_shift_hu
    voxels = ndimage.gaussian_filter(voxels, rng.uniform(0, change.blur_voxels), truncate=3)
    voxels += rng.normal(size=voxels.shape).astype(np.float32) * np.float32(rng.uniform(0, change.noise_hu))
    voxels = voxels * rng.uniform(*change.scale_hu) + rng.uniform(-1, 1) * change.shift_hu
    voxels = ((np.clip(voxels, low, high) - low) / (high - low)).astype(np.float32)
    if rng.random() < change.truncate:
        end = rng.integers(voxels.shape[0] // 4, voxels.shape[0])
        gone = slice(end, None) if rng.random() < 0.5 else slice(None, voxels.shape[0] - end)
        voxels[gone], lungs[:, gone] = 0, 0
    return Sample(voxels, lungs)
