"""What the run of ct_nodules states in its TOML file."""

from dataclasses import dataclass
from pathlib import Path

from training.recipe import Schedule

# That of the package that ships.
RECIPE = Path(__file__).with_name("ct_nodules.toml")


@dataclass(frozen=True)
class Made:
    """Nodules that are put into lungs: how many a view, of what radius (mm) and density (HU)."""

    count: int
    radius_mm: tuple[float, float]
    density_hu: tuple[float, float]


@dataclass(frozen=True)
class Change:
    """The largest random changes of a view: noise, shift of the lungs' density (HU), and blur (voxels)."""

    noise_hu: float
    lung_shift_hu: float
    blur_voxels: float


@dataclass(frozen=True)
class Recipe:
    """One run: seed, CPU threads, views drawn of each CT and of phantoms (more where they are alone), and the tables.

    Of a view's places that are no nodule `others` are kept at the most. `share` of each batch are nodules, of those
    that readers outlined a share of `outlined` where there are any.
    """

    seed: int
    threads: int
    cases: tuple[str, ...]
    views: int
    phantoms: int
    phantoms_alone: int
    phantom_shape: tuple[int, int, int]
    others: int
    share: float
    outlined: float
    made: Made
    change: Change
    schedule: Schedule
