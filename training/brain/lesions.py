"""Lesions made by code: a core, an enhancing rim and oedema, of random place, size, kind and irregular shape."""

from dataclasses import dataclass

import numpy as np

from training.brain.anatomy import Head
from training.brain.regions import CORE, ENHANCING, OEDEMA, Labels
from training.brain.shapes import Float, Rng, Space

# Chances of a lesion's kind: a ring that enhances around necrosis, one that enhances throughout, one that does not.
_KINDS = {"ring": 0.6, "solid": 0.18, "silent": 0.22}
_SEVERAL = 0.15


@dataclass(frozen=True)
class Lesion:
    """Shares of each voxel, and the kind that the core's look depends on."""

    kind: str
    oedema: Float
    enhancing: Float
    core: Float


def draw_lesions(space: Space, head: Head) -> tuple[Lesion, ...]:
    """One lesion, now and then two to four smaller ones."""
    if space.rng.random() >= _SEVERAL:
        return (_lesion(space, head, _radius(space.rng, 15)),)
    return tuple(_lesion(space, head, _radius(space.rng, 8)) for _ in range(space.rng.integers(2, 5)))


def label(lesions: tuple[Lesion, ...], shape: tuple[int, int, int]) -> Labels:
    """Labels (z, y, x): what more than half of a voxel is; oedema of one lesion yields to another's core and rim."""
    labels = np.zeros(shape, np.uint8)
    for lesion in lesions:
        labels[lesion.oedema > 0.5] = OEDEMA
    for lesion in lesions:
        labels[lesion.core + lesion.enhancing > 0.5] = CORE
        labels[lesion.enhancing > np.maximum(0.5 * (lesion.core + lesion.enhancing), 0.25)] = ENHANCING
    return labels


def _radius(rng: Rng, middle: float) -> float:
    return float(np.clip(rng.lognormal(np.log(middle), 0.35), 4, 30))


def _lesion(space: Space, head: Head, radius: float) -> Lesion:
    rng = space.rng
    kind = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    inside = space.share(-head.depth)
    stretch = np.exp(rng.normal(0, 0.2, 3))
    edge = space.ellipsoid(_place(space, head), radius * stretch / stretch.prod() ** (1 / 3))
    edge += radius * (0.16 * space.noise(radius) + 0.08 * space.noise(max(5, radius / 2)))
    whole = space.share(edge) * inside
    rim = rng.uniform(2, 3 + radius / 4) * (1 + 0.35 * space.noise(14))
    hollow = {"ring": space.share(edge + np.maximum(rim, 0.5)), "solid": np.zeros_like(whole), "silent": whole}[kind]
    core = np.minimum(hollow, whole)
    return Lesion(kind, _oedema(space, head, edge, radius) * inside, np.asarray(whole - core, np.float32), core)


def _place(space: Space, head: Head) -> tuple[float, ...]:
    """A point (mm) in white matter, 6 mm or more below the surface."""
    candidates = np.flatnonzero((head.white > 0.8) & (head.depth > 6))
    at = np.unravel_index(space.rng.choice(candidates), space.shape)
    return tuple(float(line.ravel()[k]) for line, k in zip(space.mm, at, strict=True))


def _oedema(space: Space, head: Head, edge: Float, radius: float) -> Float:
    """Around the core, farther into white matter than into cortex."""
    reach = space.rng.uniform(0.1, 1.2) * min(radius, 20) * (0.55 + 0.45 * head.white) * (1 + 0.3 * space.noise(18))
    return space.share(np.asarray(edge - np.maximum(reach, 0.0), np.float32))
