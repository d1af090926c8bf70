"""Radiographs with labels, from a pool of phantoms or from files, ready to be stacked for the network."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from domain.errors import UnusableInput
from training.chest.phantoms import phantom
from training.chest.recipe import Phantoms, Preparation

Field: TypeAlias = npt.NDArray[np.float32]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Person:
    """Whom a radiograph shows, as far as the strata need it. `age` in years, NaN where unknown."""

    patient: str
    age: float = float("nan")
    sex: str = "unknown"
    vendor: str = "unknown"
    view: str = "unknown"


class Collection(Protocol):
    """Radiographs of one split: `labels` (n, 14), 1 present, 0 absent, NaN unknown."""

    @property
    def labels(self) -> Field: ...

    @property
    def people(self) -> Sequence[Person]: ...

    def image(self, at: int) -> Field:
        """One radiograph, prepared: (side, side), 0 to 1."""


def normalised(image: npt.NDArray[Any], quantiles: tuple[float, float]) -> Field:
    """Values between the two quantiles as 0 to 1; a flat image becomes 0."""
    low, high = np.quantile(image, quantiles)
    return np.asarray(np.clip((image - low) / max(float(high - low), 1e-6), 0, 1), np.float32)


@dataclass(frozen=True)
class Pool:
    """Phantoms in memory, as 8-bit images (n, side, side)."""

    images: npt.NDArray[np.uint8]
    labels: Field
    people: Sequence[Person]

    def image(self, at: int) -> Field:
        return np.asarray(self.images[at] / np.float32(255))


@dataclass(frozen=True)
class Radiograph:
    """One file and what its collection says of it."""

    path: Path
    labels: tuple[float, ...]
    person: Person


@dataclass(frozen=True)
class Files:
    """PNG or JPEG files, read when they are wanted."""

    radiographs: Sequence[Radiograph]
    preparation: Preparation

    @cached_property
    def labels(self) -> Field:
        return np.array([one.labels for one in self.radiographs], np.float32)

    @cached_property
    def people(self) -> Sequence[Person]:
        return [one.person for one in self.radiographs]

    def image(self, at: int) -> Field:
        return prepare(read_image(self.radiographs[at].path), self.preparation)


def read_image(path: Path) -> Field:
    """The grey values (rows, columns) of an image file; raises UnusableInput naming it where it cannot be read."""
    try:
        with Image.open(path) as image:
            # Some files of ChestX-ray14 are RGBA; 16-bit files keep their values.
            grey = image if image.mode.startswith("I") else image.convert("L")
            return np.asarray(grey, np.float32)
    except (OSError, UnidentifiedImageError) as error:
        raise UnusableInput(f"{path}: is not an image that can be read: {error}") from error


def prepare(image: Field, preparation: Preparation) -> Field:
    """Any image as the network wants it: resized edge to edge with Pillow's triangle filter, then normalised."""
    size = (preparation.side, preparation.side)
    small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return normalised(np.asarray(small, np.float32), preparation.quantiles)


def phantom_pool(split: str, plan: Phantoms, preparation: Preparation, seed: int, folder: Path) -> Pool:
    """The phantoms of one split, from the cache in `folder` or made (20 ms each) and put there."""
    count = getattr(plan, split)
    stated = f"{split} {asdict(plan)} {asdict(preparation)} {seed}"
    path = folder / f"phantoms-{split}-{hashlib.sha256(stated.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        images, labels, people = _made(split, count, plan, preparation, seed)
        np.savez(partial, images=images, labels=labels, people=people)
        partial.replace(path)
    return _kept(path, split)


def _kept(path: Path, split: str) -> Pool:
    with np.load(path) as kept:
        people = [Person(f"{split} {at}", float(age), str(sex), str(vendor), "PA")
                  for at, (age, sex, vendor) in enumerate(kept["people"])]  # fmt: skip
        return Pool(kept["images"], kept["labels"], people)


def _made(
    split: str, count: int, plan: Phantoms, preparation: Preparation, seed: int
) -> tuple[npt.NDArray[np.uint8], Field, npt.NDArray[np.str_]]:
    images = np.empty((count, preparation.side, preparation.side), np.uint8)
    labels, people = [], []
    for at in tqdm(range(count), unit="phantom", desc=split, mininterval=10):
        rng = np.random.default_rng([seed, SPLITS.index(split), at])
        made = phantom(rng, preparation.side, plan.prevalence, plan.healthy)
        images[at] = np.rint(normalised(made.image, preparation.quantiles) * 255)
        labels.append(made.labels)
        people.append((str(made.age), made.sex, made.vendor))
    return images, np.array(labels, np.float32), np.array(people)
