"""What every training run states in its TOML file: how long, how fast, how often it is looked at.

A run's own recipe (its data, network and augmentation) is a frozen dataclass that holds a `Schedule`.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from config.tables import Document

T = TypeVar("T")


@dataclass(frozen=True)
class Schedule:
    """Steps, samples a step, and AdamW's rates.

    The rate rises linearly over `warm_up` steps and falls to nothing as half a cosine. Gradients longer than
    `gradient_norm` are shortened to it. Batch statistics are no longer updated after the share `freeze_statistics_at`
    of the steps, so that the network learns at last with the very statistics that it will have when it is used.
    `mixed_precision` multiplies in bfloat16 on a CPU and in float16, with a scaled loss, on a GPU. The loss is reported
    every `report_every` steps; validation and checkpoints come every so many steps (0: never, and at the end).
    """

    steps: int
    batch: int
    warm_up: int
    learning_rate: float
    weight_decay: float = 1e-4
    gradient_norm: float = 1.0
    freeze_statistics_at: float = 1.0
    mixed_precision: bool = True
    report_every: int = 20
    validate_every: int = 0
    checkpoint_every: int = 0


def rate_at(step: int, plan: Schedule) -> float:
    """The share of the learning rate at `step`: linear warm-up, then a half cosine down to nothing."""
    if step < plan.warm_up:
        return (step + 1) / plan.warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)))


def read_recipe(path: Path, wanted: type[T]) -> T:
    """The dataclass `wanted` from the TOML file `path`; raises ConfigurationError with file and line."""
    return Document(path.read_text("utf-8"), path).build(wanted)
