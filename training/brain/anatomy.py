"""Heads made by code: scalp, skull, brain with grey and white matter, ventricles, vessels, eyes.

They are crude on purpose: enough that a lesion must be told from scalp fat, sinuses, ventricles, eyes and the spots
that age leaves in white matter, none of which is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.brain.shapes import Float, Rng, Space

Layer = tuple[str, Float]


@dataclass(frozen=True)
class Person:
    """Whose head it is, as far as a phantom is anybody's: age in years, sex F or M, made-up vendor of the scanner."""

    age: float
    sex: str
    vendor: str


@dataclass(frozen=True)
class Head:
    """Tissues in the order in which they are painted, each with its share of every voxel; and two maps of the brain.

    `depth` is how far (mm) a voxel lies inside the brain, negative outside; `white` the share of white matter.
    """

    layers: tuple[Layer, ...]
    depth: Float
    white: Float


def draw_person(rng: Rng) -> Person:
    """Somebody: ages lie evenly between 5 and 90."""
    return Person(float(rng.uniform(5, 90)), str(rng.choice(["F", "M"])), str(rng.choice(["A", "B", "C"])))


def draw_head(space: Space, person: Person) -> Head:
    """A head of about the size that `person` would have."""
    rng = space.rng
    size = rng.normal(1.03 if person.sex == "M" else 0.98, 0.03) * min(1.0, 0.9 + person.age / 150)
    outside = _brain(space, size) + space.noise(35)
    layers = [*_shell(space, outside, size), *_eyes(space, size)]
    cortex, sulci, white = _matter(space, -outside, person.age)
    layers += [("csf", space.share(outside - rng.uniform(1.0, 3.0) - max(0.0, person.age - 60) / 30)),
               ("grey", cortex), ("white", white), ("csf", sulci)]  # fmt: skip
    layers += [*_deep(space, size, person.age), *_vessels(space, outside), *_spots(space, white, person.age)]
    return Head(tuple(layers), -outside, white)


def _brain(space: Space, size: float) -> Float:
    """Distance to hemispheres with a flat base, cerebellum and brain stem."""
    rng = space.rng
    high, long, wide = size * np.array([68, 84, 67]) * rng.normal(1, 0.03, 3)
    base = rng.uniform(-38, -30) * size
    cut = np.maximum(space.ellipsoid((0, 0, 0), (high, long, wide)), base - space.mm[0])
    back = space.ellipsoid((base - 12, 42 * size, 0), (24 * size, 34 * size, 48 * size))
    stem = np.hypot(space.mm[1] - 14 * size, space.mm[2]) - 12 * size
    stem = np.maximum(stem, np.abs(space.mm[0] - base + 25) - 45)
    return np.asarray(np.minimum(np.minimum(cut, back), stem), np.float32)


def _shell(space: Space, outside: Float, size: float) -> Iterator[Layer]:
    """Face and neck, scalp, and skull with marrow, all around the brain."""
    rng = space.rng
    skull, scalp = rng.uniform(5, 9), rng.uniform(4, 9)
    face = space.ellipsoid((-75 * size, -35, 0), (65, 60, 62)) + 4 * space.noise(30)
    neck = np.maximum(np.hypot(space.mm[1] - 25, space.mm[2]) - 55, space.mm[0] + 40)
    edge = outside + 2 * space.noise(40)
    yield "fat", space.share(np.minimum(np.minimum(edge - skull - scalp, face), neck))
    yield "muscle", space.share(np.minimum(face + 7, neck + 6))
    yield "bone", space.share(edge - skull)
    yield "marrow", space.share(np.abs(edge - skull / 2) - skull / 5)
    yield "air", space.share(space.ellipsoid((-60 * size, -78 * size, 0), (15, 14, 18)) + 3 * space.noise(15))


def _eyes(space: Space, size: float) -> Iterator[Layer]:
    for side in (-1, 1):
        yield "csf", space.share(space.ellipsoid((-42 * size, -80 * size, side * 32 * size), (12, 12, 12)))


def _matter(space: Space, depth: Float, age: float) -> tuple[Float, Float, Float]:
    """Grey matter as a folded ribbon, the fluid in its furrows (more with age), and the white matter inside it."""
    folds = np.abs(space.noise(12)) + 0.4 * np.abs(space.noise(7))
    reach = np.clip((26 - depth) / 6, 0, 1)
    ribbon = np.clip((5.5 - depth) / 2 + 0.5, 0, 1)
    furrow = 0.12 + 0.002 * max(0.0, age - 40)
    inside = space.share(-depth)
    cortex = inside * np.maximum(ribbon, reach * np.clip((0.7 - folds) * 5, 0, 1))
    sulci = inside * reach * np.clip((furrow - folds) * 10, 0, 1)
    return inside, np.asarray(sulci, np.float32), np.asarray(inside - cortex, np.float32)


def _deep(space: Space, size: float, age: float) -> Iterator[Layer]:
    """Thalami, lentiform nuclei, and ventricles that widen with age."""
    rough = 1.5 * space.noise(12)
    wide = space.rng.uniform(0.8, 1.3) * (1 + max(0.0, age - 50) / 60)
    for side in (-1, 1):
        yield "grey", space.share(space.ellipsoid((-4, 12 * size, side * 11 * size), (9, 14, 8)) + rough)
        yield "grey", space.share(space.ellipsoid((0, -8 * size, side * 24 * size), (10, 18, 6)) + rough)
    for side in (-1, 1):
        body = space.ellipsoid((16 * size, -5, side * 8 * wide), (7 * wide, 30, 5 * wide))
        horn = space.ellipsoid((8 * size, 30, side * 20), (8 * wide, 14, 5 * wide))
        yield "csf", space.share(np.minimum(body, horn) + rough)
    yield "csf", space.share(space.ellipsoid((0, 2, 0), (9, 12, 2.0 * wide)))


def _vessels(space: Space, outside: Float) -> Iterator[Layer]:
    """The sagittal sinus and a few vessels, which take up contrast as a tumour's rim does."""
    sinus = np.maximum(np.hypot(outside - 2, space.mm[2]) - 4, 10 - space.mm[0])
    yield "vessel", space.share(np.asarray(sinus, np.float32))
    crossing = np.hypot(space.noise(14), space.noise(14))
    yield "vessel", np.asarray(space.share(outside) * np.clip((0.12 - crossing) * 8, 0, 1), np.float32)


def _spots(space: Space, white: Float, age: float) -> Iterator[Layer]:
    """Spots in white matter that are bright on T2 and FLAIR; more of them with age."""
    level = 2.6 - 0.9 * np.clip((age - 40) / 50, 0, 1)
    yield "spot", np.asarray(white * np.clip((space.noise(10) - level) * 3, 0, 1), np.float32)
