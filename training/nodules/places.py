"""Places that the detector looks at, with their features and whether a nodule is there: what the classifier learns."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from inference_worker.engines.protocol import Engine
from inference_worker.transforms.inputs import prepare
from training.nodules.lungs import SPACING, TO_LUNGS, Bool, Float, Lungs, Rng
from training.nodules.network import FEATURES

_CORE = 0.5  # share of a nodule's radius in which a place is its middle, and at least
_CORE_MM = 2.6


@dataclass(frozen=True, eq=False)
class Places:
    """Features (n, FEATURES) of places in the core of a nodule and of others; `outlined` are of readers' nodules."""

    nodules: Float
    others: Float
    outlined: Float = field(default_factory=lambda: np.zeros((0, FEATURES), np.float32))


def none() -> Places:
    """No place."""
    empty = np.zeros((0, FEATURES), np.float32)
    return Places(empty, empty)


def joined(some: list[Places]) -> Places:
    """All of them."""
    known = [none(), *some]
    return Places(
        *(np.concatenate([getattr(one, name) for one in known]) for name in ("nodules", "others", "outlined"))
    )


def places_of(rng: Rng, lungs: Lungs, looking: Engine, others: int) -> Places:
    """Those of one view: all in the core of a nodule, `others` at the most of those in none.

    `looking` runs the network of `training.nodules.network.Looking`.
    """
    prepared = prepare({"": lungs.body}, TO_LUNGS)
    given = looking.infer(np.ascontiguousarray(prepared.values, np.float32)[None])
    at = np.argwhere(given["looked"][0, 0] > 0)
    known = given["features"][0][:, *at.T].T
    # The middle of a coarse voxel lies between two fine ones; the crop of the lungs moves both against the body.
    moved = np.linalg.solve(lungs.body.affine, prepared.affine)[:3, 3]
    core, apart = _sorted(2 * at + 0.5 + moved, lungs)
    rest = known[apart]
    return Places(known[core], rest[rng.permutation(len(rest))[:others]])


def _sorted(at: npt.NDArray[np.float64], lungs: Lungs) -> tuple[Bool, Bool]:
    """Which of the places are in the core of a nodule, and which are in no part of any."""
    core, apart = np.zeros(len(at), np.bool_), np.ones(len(at), np.bool_)
    for ball in lungs.balls:
        mm = np.linalg.norm(at - ball.middle, axis=1) * SPACING
        core |= mm <= max(_CORE_MM, _CORE * ball.radius)
        apart &= mm > ball.radius + 2.0
    index = tuple(np.clip(np.round(at).astype(int).T, 0, np.array(lungs.nodules.shape)[:, None] - 1))
    return core, apart & ~core & ~lungs.nodules[index]
