"""What a run on chest radiographs states in its TOML file."""

from dataclasses import dataclass
from pathlib import Path

from training.recipe import Schedule

# That of the package that ships.
RECIPE = Path(__file__).with_name("densenet_small.toml")


@dataclass(frozen=True)
class Shape:
    """Channels of the stem, channels that each layer adds, layers of each dense block, width of a bottleneck.

    DenseNet-121 is stem 64, growth 32, blocks 6, 12, 24, 16, bottleneck 4. The network's stride is 2 to the power of
    the number of blocks plus one.
    """

    stem: int
    growth: int
    blocks: tuple[int, ...]
    bottleneck: int = 4


@dataclass(frozen=True)
class Preparation:
    """The network's input: resized to `side` pixels each way, edge to edge; the `quantiles` become 0 and 1.

    What lies beyond the values at the two quantiles is clipped. The steps of the package's manifest say the same.
    """

    side: int
    quantiles: tuple[float, float]


@dataclass(frozen=True)
class Phantoms:
    """How many phantoms each split has, the share of them with no finding, and the chance of each finding in others."""

    train: int
    validation: int
    test: int
    healthy: float
    prevalence: float


@dataclass(frozen=True)
class Augmentation:
    """The largest random changes of a training image; `shift` is a share of the side, `noise` of the range 0 to 1."""

    rotation_deg: float
    scale: tuple[float, float]
    shift: float
    gamma: tuple[float, float]
    noise: float


@dataclass(frozen=True)
class Recipe:
    """One run: seed, CPU threads of the network and of reading images, the most a rare label weighs, and the tables."""

    seed: int
    threads: int
    readers: int
    most_weight: float
    network: Shape
    image: Preparation
    phantoms: Phantoms
    schedule: Schedule
    augmentation: Augmentation
