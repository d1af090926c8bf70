"""The batch of any step, from the seed and the step alone, so that a run can go on where it stopped."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from training.chest.radiographs import Collection
from training.chest.recipe import Augmentation, Recipe
from training.fit import Batch


class Batches:
    """Each radiograph once an epoch, in an order of the epoch's own, changed as the recipe says."""

    def __init__(self, collection: Collection, recipe: Recipe) -> None:
        self.collection, self.recipe = collection, recipe

    def __call__(self, step: int) -> Batch:
        """Images (batch, 1, side, side) and labels (batch, 14)."""
        size = self.recipe.schedule.batch
        chosen = [self._chosen(at) for at in range(step * size, (step + 1) * size)]
        images = torch.from_numpy(np.stack(list(self._readers.map(self.collection.image, chosen))))[:, None]
        rng = np.random.default_rng([self.recipe.seed, 1, step])
        changed = augmented(images, self.recipe.augmentation, rng)
        return changed.to(memory_format=torch.channels_last), torch.from_numpy(self.collection.labels[chosen])

    def _chosen(self, at: int) -> int:
        epoch, place = divmod(at, len(self.collection.labels))
        return int(_order(self.recipe.seed, epoch, len(self.collection.labels))[place])

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.recipe.readers)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, 0, epoch]).permutation(count)


def augmented(images: torch.Tensor, change: Augmentation, rng: np.random.Generator) -> torch.Tensor:
    """Images (n, 1, side, side) turned, stretched, moved, with another contrast and noise; still 0 to 1."""
    count = len(images)
    angle = np.deg2rad(rng.uniform(-1, 1, count) * change.rotation_deg)
    scale = _between(rng, change.scale, (count,))
    # In the coordinates of affine_grid the side is 2 long.
    shift = rng.uniform(-2, 2, (count, 2)) * change.shift
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    rows = np.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], axis=1).reshape(count, 2, 3)
    matrix = torch.from_numpy(rows.astype(np.float32))
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    laid = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    gamma = torch.from_numpy(_between(rng, change.gamma, (count, 1, 1, 1)))
    noise = rng.standard_normal(images.shape, np.float32) * rng.uniform(0, change.noise, (count, 1, 1, 1))
    return torch.clamp(torch.clamp(laid, 0, 1) ** gamma + torch.from_numpy(noise.astype(np.float32)), 0, 1)


def _between(rng: np.random.Generator, ends: tuple[float, float], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Factors whose logarithm is uniform: twice is as likely as half."""
    return np.asarray(np.exp(rng.uniform(math.log(ends[0]), math.log(ends[1]), shape)), np.float32)
