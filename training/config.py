"""The settings of ct_lung's training run, read from a TOML file whose comments explain them."""

from dataclasses import dataclass
from pathlib import Path

from training.recipe import Schedule, read_recipe


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
    return read_recipe(path, Config)
