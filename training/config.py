"""The training run's settings, read from a TOML file whose comments explain them."""

from dataclasses import dataclass
from pathlib import Path

from models.tables import Document


@dataclass(frozen=True)
class Data:
    """Which CT, on which grids (mm), in crops of how many voxels (z, y, x), with what share of phantoms."""

    train: str
    cache_spacing_mm: float
    spacing_mm: float
    crop: tuple[int, int, int]
    phantom_share: float
    window_hu: tuple[float, float]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: steps, samples a step, warm-up steps, AdamW's rates.

    Batch statistics are no longer updated after the share `freeze_statistics_at` of the steps, so that the network
    learns at last with the very statistics that it will have when it is used.
    """

    steps: int
    batch: int
    warm_up: int
    learning_rate: float
    weight_decay: float
    freeze_statistics_at: float


@dataclass(frozen=True)
class Augmentation:
    """The largest random changes of a sample; names carry the units."""

    rotation_deg: float
    scale: tuple[float, float]
    shift_mm: tuple[float, float, float]
    flip: float
    truncate: float
    shift_hu: float
    scale_hu: tuple[float, float]
    lung_shift_hu: float
    noise_hu: float
    blur_voxels: float


@dataclass(frozen=True)
class Config:
    """One training run: seed, CPU threads, channels of the network's levels, and the tables above."""

    seed: int
    threads: int
    channels: tuple[int, ...]
    data: Data
    schedule: Schedule
    augmentation: Augmentation


def read_config(path: Path) -> Config:
    """The settings in `path`; raises ConfigurationError with file and line."""
    return Document(path.read_text("utf-8"), path).build(Config)
