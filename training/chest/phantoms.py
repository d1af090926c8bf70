"""Phantom radiographs made by code: findings drawn by rule, people made up, no radiograph of a person in them.

They teach a network that the path works. What it then knows of a real chest is nothing.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from training.chest.anatomy import Chest, Field, Rng, draw_anatomy, draw_build
from training.chest.findings import FINDINGS
from training.chest.lesions import BUILDS, SIGNS


@dataclass(frozen=True)
class Look:
    """How one maker's detector renders: exponent of its curve, edge enhancement, relative noise."""

    gamma: float
    sharpen: float
    noise: float


# Made-up makers; the names say so.
VENDORS = MappingProxyType(
    {"Vendor A": Look(1.0, 0.0, 1.0), "Vendor B": Look(1.35, 0.6, 0.7), "Vendor C": Look(0.75, 0.2, 1.6)}
)


@dataclass(frozen=True)
class Phantom:
    """One image (side, side) in arbitrary units, dense is bright; labels in the order of FINDINGS; a made-up person."""

    image: Field
    labels: Field
    age: float
    sex: str
    vendor: str


def phantom(rng: Rng, side: int, prevalence: float, healthy: float) -> Phantom:
    """A random phantom: without any finding with chance `healthy`, else with each one with chance `prevalence`."""
    drawn = rng.random(len(FINDINGS)) < (0 if rng.random() < healthy else prevalence)
    present = {name for name, there in zip(FINDINGS, drawn, strict=True) if there}
    sex, vendor = str(rng.choice(["F", "M"])), str(rng.choice(list(VENDORS)))
    image = render(rng, side, present, sex, VENDORS[vendor])
    return Phantom(image, drawn.astype(np.float32), float(rng.integers(18, 91)), sex, vendor)


def render(rng: Rng, side: int, present: AbstractSet[str], sex: str, look: Look) -> Field:
    """The image of a chest with the findings `present`."""
    return located(rng, side, present, sex, look)[0]


def located(rng: Rng, side: int, present: AbstractSet[str], sex: str, look: Look) -> tuple[Field, Field]:
    """The image that `render` makes, and by how many cm the signs in it made the chest thicker or thinner.

    What only changes how the chest is built, as a large heart does, is not in the second.
    """
    build = draw_build(rng, sex == "F")
    for name, change in BUILDS.items():
        if name in present:
            build = change(rng, build)
    chest = Chest(rng, build, side)
    draw_anatomy(chest)
    healthy = chest.depth()
    for name, draw in SIGNS.items():
        if name in present:
            draw(chest)
    depth = chest.depth()
    laid, changed = _laid(rng, depth, np.abs(depth - healthy))
    return _exposed(rng, laid, look), changed


def _laid(rng: Rng, *fields: Field) -> list[Field]:
    """The patient turned, moved and nearer or farther."""
    depth = fields[0]
    angle, zoom = np.deg2rad(rng.normal(0, 3)), rng.uniform(0.92, 1.12)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * zoom
    middle = np.array(depth.shape) / 2
    offset = middle - turn @ middle + rng.normal(0, 0.02, 2) * depth.shape[0]
    return [
        np.asarray(ndimage.affine_transform(one, turn, offset, order=1, mode="nearest"), np.float32) for one in fields
    ]


def _exposed(rng: Rng, depth: Field, look: Look) -> Field:
    """What the detector shows of `depth` cm: scatter, quantum noise, edge enhancement, the maker's curve."""
    shown = depth + 0.12 * (ndimage.gaussian_filter(depth, 12) - depth)
    # Behind more tissue fewer quanta arrive, and the noise of their logarithm is larger.
    noise = look.noise * rng.uniform(0.04, 0.16) * np.exp(np.clip(shown, 0, 30) / 22)
    shown = shown + noise * ndimage.gaussian_filter(rng.normal(size=depth.shape), 0.5)
    shown = shown + look.sharpen * (shown - ndimage.gaussian_filter(shown, 2))
    return np.asarray(np.clip(shown / 25, 0, 1.6) ** (look.gamma * rng.uniform(0.85, 1.2)), np.float32)
