"""Training samples: normalised cases in memory, and random changed crops of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from training.brain.layout import SEQUENCES, Case, Facts
from training.brain.regions import Labels
from training.brain.shapes import Float, Rng, Shape


@dataclass(frozen=True)
class Augmentation:
    """The largest random changes of a sample, or the chance of one; names carry the units.

    `brightness` and `contrast` are shares of a standard deviation, `drop_sequence` the chance that T1, T2 or FLAIR is
    absent. T1 with contrast agent never is: nothing else shows what enhances.
    """

    flip: float
    turn: float
    rotation_deg: float
    scale: tuple[float, float]
    brightness: float
    contrast: float
    gamma: tuple[float, float]
    bias: float
    noise: float
    thick_slices: float
    drop_sequence: float


@dataclass(frozen=True)
class Ready:
    """A case as the network wants it: z-scored (16-bit floats, to save memory), cut to the box around what is not 0."""

    name: str
    voxels: npt.NDArray[np.float16]
    labels: Labels
    facts: Facts


def z_score(voxels: Float) -> Float:
    """Each sequence (axis 0) with mean 0 and deviation 1 over its voxels other than 0, which stay 0."""
    return np.stack([_z_score(sequence) for sequence in voxels])


def ready(case: Case) -> Ready:
    """`case` for training; nothing of it is 0 outside the box that is kept."""
    inside = ndimage.find_objects(np.any(case.voxels != 0, axis=0).astype(np.uint8))
    box = inside[0] if inside else (slice(None),) * 3
    voxels = z_score(case.voxels)[(slice(None), *box)]
    return Ready(case.name, voxels.astype(np.float16), case.labels[box].copy(), case.facts)


def draw(rng: Rng, cases: Sequence[Ready], crop: Shape, on_lesion: float, change: Augmentation) -> tuple[Float, Labels]:
    """A changed crop of a random case, with the chance `on_lesion` around one of its tumour's voxels if it has any."""
    case = cases[int(rng.integers(len(cases)))]
    middle = _middle(rng, case, crop, on_lesion)
    voxels, labels = _view(rng, case, middle, crop, change)
    for axis in range(3):
        if rng.random() < change.flip:
            voxels, labels = np.flip(voxels, axis + 1), np.flip(labels, axis)
    return _repaint(rng, np.ascontiguousarray(voxels), change), np.ascontiguousarray(labels)


def _z_score(sequence: Float) -> Float:
    inside = sequence != 0
    if not inside.any():
        return np.zeros_like(sequence, np.float32)
    values = sequence[inside].astype(np.float64)
    deviation = values.std() or 1.0
    return np.asarray(np.where(inside, (sequence - values.mean()) / deviation, 0), np.float32)


def _middle(rng: Rng, case: Ready, crop: Shape, on_lesion: float) -> npt.NDArray[Any]:
    """Where (voxels) the crop's middle lies in the case."""
    shape, size = np.array(case.labels.shape), np.array(crop)
    tumour = np.flatnonzero(case.labels)
    if len(tumour) and rng.random() < on_lesion:
        at = np.array(np.unravel_index(rng.choice(tumour), case.labels.shape))
        return np.asarray(at + rng.uniform(-0.35, 0.35, 3) * size)
    # A window of the whole picture may hold much of the nothing around a head, so crops do, too.
    room = np.maximum(shape - size, 0.5 * size)
    return np.asarray(shape / 2 + rng.uniform(-0.5, 0.5, 3) * room)


def _view(
    rng: Rng, case: Ready, middle: npt.NDArray[Any], crop: Shape, change: Augmentation
) -> tuple[npt.NDArray[Any], Labels]:
    """The crop around `middle`, with the chance `turn` turned and stretched; 0 outside the case."""
    if rng.random() >= change.turn:
        return _cut(case, np.rint(middle - np.array(crop) / 2).astype(int), crop)
    turn = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * change.rotation_deg, degrees=True).as_matrix()
    low, high = np.log(change.scale).tolist()
    matrix = turn @ np.diag(1 / np.exp(rng.uniform(low, high, 3)))
    offset = middle - matrix @ (np.array(crop) / 2)
    near = {"matrix": matrix, "offset": offset, "output_shape": crop, "prefilter": False}
    voxels = [ndimage.affine_transform(one.astype(np.float32), order=1, **near) for one in case.voxels]
    return np.stack(voxels), np.asarray(ndimage.affine_transform(case.labels, order=0, **near))


def _cut(case: Ready, start: npt.NDArray[Any], crop: Shape) -> tuple[npt.NDArray[Any], Labels]:
    voxels = np.zeros((len(SEQUENCES), *crop), np.float32)
    labels = np.zeros(crop, np.uint8)
    low, high = np.maximum(start, 0), np.minimum(start + crop, case.labels.shape)
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    target = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    if (high > low).all():
        voxels[(slice(None), *target)] = case.voxels[(slice(None), *source)]
        labels[target] = case.labels[source]
    return voxels, labels


def _repaint(rng: Rng, voxels: Float, change: Augmentation) -> Float:
    changed = np.stack([np.where(one != 0, _faults(rng, one, change), 0) for one in voxels])
    if rng.random() < change.drop_sequence:
        changed[rng.choice([SEQUENCES.index(name) for name in ("t1", "t2", "flair")])] = 0
    return changed


def _faults(rng: Rng, sequence: Float, change: Augmentation) -> Float:
    """One sequence with another gamma, contrast, brightness, coil, slice thickness and noise."""
    low, high = sequence.min(), sequence.max()
    if high > low:
        power = np.float32(np.exp(rng.uniform(*np.log(change.gamma))))
        sequence = ((sequence - low) / (high - low)) ** power * (high - low) + low
    gain = 1 + np.float32(change.bias) * _field(rng, sequence.shape)
    sequence = sequence * gain * np.float32(1 + rng.uniform(-1, 1) * change.contrast)
    sequence = sequence + np.float32(rng.uniform(-1, 1) * change.brightness)
    if rng.random() < change.thick_slices:
        sequence = ndimage.uniform_filter1d(sequence, rng.integers(2, 4), axis=rng.integers(3))
    return sequence + rng.standard_normal(sequence.shape, np.float32) * np.float32(rng.uniform(0, change.noise))


def _field(rng: Rng, shape: tuple[int, ...]) -> Float:
    """A plane that rises from -1 to 1 across the crop in a random direction: the coil's bias, locally."""
    lines = [np.linspace(-1, 1, n, dtype=np.float32) * rng.uniform(-1, 1) for n in shape]
    parts = np.meshgrid(*lines, indexing="ij", sparse=True)
    return np.asarray(sum(parts) / np.float32(3), np.float32)
