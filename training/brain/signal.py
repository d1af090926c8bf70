"""What an MR scanner makes of tissue: the contrast of four sequences, and the faults of an acquisition."""

import numpy as np
from scipy import ndimage

from training.brain.anatomy import Head
from training.brain.lesions import Lesion
from training.brain.shapes import Float, Rng, Space

# Typical brightness on T1, T1 with contrast agent, T2 and FLAIR; white matter on T1 is 0.8. Only the order counts.
_BRIGHTNESS = {
    "air": (0.0, 0.0, 0.0, 0.0),
    "fat": (1.1, 1.15, 0.8, 0.75),
    "muscle": (0.45, 0.55, 0.3, 0.35),
    "bone": (0.08, 0.08, 0.06, 0.06),
    "marrow": (0.6, 0.65, 0.4, 0.4),
    "csf": (0.2, 0.2, 1.25, 0.12),
    "grey": (0.55, 0.58, 0.68, 0.62),
    "white": (0.8, 0.82, 0.48, 0.5),
    "vessel": (0.35, 1.25, 0.25, 0.3),
    "spot": (0.6, 0.62, 0.8, 0.95),
    "oedema": (0.5, 0.52, 0.98, 1.0),
    "enhancing": (0.5, 1.25, 0.75, 0.85),
    "ring": (0.35, 0.36, 1.05, 0.6),
    "silent": (0.45, 0.47, 0.95, 0.85),
    "solid": (0.45, 0.6, 0.85, 0.85),
}


def paint(space: Space, head: Head, lesions: tuple[Lesion, ...]) -> Float:
    """Brightness (4, z, y, x) of a head with lesions, before any fault; each tissue differs from head to head."""
    voxels = np.zeros((4, *space.shape), np.float32)
    for tissue, share in head.layers:
        _lay(space.rng, voxels, tissue, share)
    for lesion in lesions:
        _lay(space.rng, voxels, "oedema", lesion.oedema, 0.1)
        _lay(space.rng, voxels, lesion.kind, lesion.core, 0.15)
        _lay(space.rng, voxels, "enhancing", lesion.enhancing, 0.1)
    return voxels * (1 + 0.04 * space.noise(6))


def acquire(space: Space, voxels: Float, brain: Float, vendor: str) -> Float:
    """The sequences as a scanner of `vendor` stores them: whole numbers, 0 outside the head or around the brain.

    Half of the heads come with the skull removed, as public collections have them. In the others the air is either
    noise or 0, as scanners differ.
    """
    rng = space.rng
    coil = space.noise(120)
    images = np.stack([_sequence(space, one, coil, vendor) for one in voxels])
    kind = rng.choice(["stripped", "air", "no air"], p=[0.5, 0.25, 0.25])
    if kind == "stripped":
        images *= brain > 0.5
    if kind == "no air":
        images *= ndimage.binary_closing(ndimage.gaussian_filter(voxels.mean(axis=0), 1) > 0.06, iterations=2)
    return np.asarray(np.rint(images), np.float32)


def _lay(rng: Rng, voxels: Float, tissue: str, share: Float, spread: float = 0.06) -> None:
    box = _box(share)
    for channel, value in zip(voxels, _BRIGHTNESS[tissue], strict=True):
        part = channel[box]
        part += share[box] * (np.float32(value * np.exp(rng.normal(0, spread))) - part)


def _box(share: Float) -> tuple[slice, ...]:
    """The smallest box that holds all of a share; most tissues fill little of the grid."""
    found = ndimage.find_objects((share > 0).astype(np.uint8))
    return found[0] if found else (slice(0, 0),) * 3


def _sequence(space: Space, voxels: Float, coil: Float, vendor: str) -> Float:
    rng = space.rng
    strength = {"A": 0.08, "B": 0.16, "C": 0.24}[vendor]
    image = voxels ** rng.uniform(0.85, 1.2) * np.exp(strength * coil + 0.05 * space.noise(80))
    image = _resolve(rng, image, space.spacing)
    image = ndimage.shift(image, rng.uniform(-0.5, 0.5, 3), order=1, mode="nearest", prefilter=False)
    level = rng.uniform(0.005, {"A": 0.03, "B": 0.04, "C": 0.06}[vendor])
    noisy = np.hypot(image + level * space.grain(), level * space.grain())
    return np.asarray(noisy * rng.uniform(150, 1200), np.float32)


def _resolve(rng: Rng, image: Float, spacing: float) -> Float:
    """Four in ten sequences have thick slices, 4 to 6 mm, along one axis; all are a little soft."""
    if rng.random() < 0.4:
        axis = rng.choice(3, p=[0.7, 0.15, 0.15])
        image = ndimage.uniform_filter1d(image, round(rng.uniform(4, 6) / spacing), axis=axis, mode="nearest")
    return np.asarray(ndimage.gaussian_filter(image, rng.uniform(0, 0.5), truncate=3), np.float32)
