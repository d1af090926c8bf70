"""What one training run of the brain tumour network states in its TOML file."""

from dataclasses import dataclass
from pathlib import Path

from training.brain.samples import Augmentation
from training.recipe import Schedule

RECIPE = Path(__file__).with_name("brain_tumor.toml")


@dataclass(frozen=True)
class Data:
    """The network's grid (mm), the crops that it learns from (voxels z, y, x), and how often one lies on a tumour.

    Every `validate_each`-th case is kept for validation.
    """

    spacing_mm: float
    crop: tuple[int, int, int]
    on_lesion: float
    validate_each: int


@dataclass(frozen=True)
class Loss:
    """How much the focal loss bends: its gamma."""

    gamma: float


@dataclass(frozen=True)
class Recipe:
    """One run: seed, CPU threads, channels of the network's levels, and the tables above."""

    seed: int
    threads: int
    channels: tuple[int, ...]
    data: Data
    loss: Loss
    schedule: Schedule
    augmentation: Augmentation
