"""Nodules made by code and put into lungs, and the other random changes of a view."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.enclosed import enclosed
from training.nodules.lungs import AIR, SPACING, Ball, Bool, Float, Lungs, Rng
from training.nodules.recipe import Change, Made, Recipe

_APART = 6.0  # mm between two nodules that are put in
_DENSE_HU = -400.0


def view(rng: Rng, lungs: Lungs, recipe: Recipe) -> Lungs:
    """`lungs` mirrored or not, with nodules put in, noisier, softer, denser."""
    turned = _mirrored(lungs) if rng.random() < 0.5 else lungs
    return _changed(rng, inserted(rng, turned, recipe.made), recipe.change)


def _mirrored(lungs: Lungs) -> Lungs:
    """Left and right exchanged; the affine, which nothing asks for here, stays."""
    width = lungs.nodules.shape[2]
    balls = tuple(replace(one, middle=np.array([*one.middle[:2], width - 1 - one.middle[2]])) for one in lungs.balls)
    body = Sampled(np.ascontiguousarray(lungs.body.stored[..., ::-1]), lungs.body.affine)
    return Lungs(body, np.ascontiguousarray(lungs.nodules[..., ::-1]), balls)


def inserted(rng: Rng, lungs: Lungs, made: Made) -> Lungs:
    """`lungs` with `made.count` more nodules, or as many as there is room for."""
    values = np.array(lungs.body.values[0], np.float32)
    places = np.argwhere(enclosed(values, lungs.body.affine, AIR))
    mask, balls = lungs.nodules.copy(), list(lungs.balls)
    for _ in range(20 * made.count):
        if len(balls) - len(lungs.balls) >= made.count:
            break
        middle = places[rng.integers(len(places))] + rng.uniform(-0.5, 0.5, 3)
        ball = Ball(middle, float(np.exp(rng.uniform(*np.log(made.radius_mm)))))
        if not any(_near(ball, other) for other in balls) and _put(rng, values, mask, ball, made):
            balls.append(ball)
    return Lungs(Sampled(values[None], lungs.body.affine), mask, tuple(balls))


def _near(one: Ball, other: Ball) -> bool:
    apart = float(np.linalg.norm(one.middle - other.middle)) * SPACING
    return apart < one.radius + other.radius + _APART


def _put(rng: Rng, values: Float, mask: Bool, ball: Ball, made: Made) -> bool:
    """Whether there is room for `ball`, mostly air; then it is there, rough and stretched as nodules are."""
    reach = ball.radius * 1.6 / SPACING + 2
    low = np.maximum(np.floor(ball.middle - reach).astype(int), 0)
    box = tuple(slice(int(a), int(np.ceil(b + reach)) + 1) for a, b in zip(low, ball.middle, strict=True))
    part = values[box]
    at = np.indices(part.shape) + low[:, None, None, None] - ball.middle[:, None, None, None]
    share = rough_ball(rng, at * SPACING, ball.radius)
    if (part[share > 0.5] < _DENSE_HU).mean() < 0.6:
        return False
    value = rng.uniform(*made.density_hu)
    part += share * np.maximum(value - part, 0)
    mask[box] |= share > 0.5
    return True


def rough_ball(rng: Rng, mm: npt.NDArray[np.float64], radius: float) -> Float:
    """The share of each place (3, z, y, x), in mm from the middle, of a stretched ball with a bumpy, soft rim."""
    stretch = np.exp(rng.normal(0, 0.12, 3))
    stretch /= np.cbrt(stretch.prod())
    distance = np.sqrt(sum((one / factor) ** 2 for one, factor in zip(mm, stretch, strict=True)))
    waves = rng.normal(0, 1, (3, 3)) / radius * 2.0
    bumps = sum(np.sin(np.tensordot(wave, mm, 1) + rng.uniform(0, 6.3)) for wave in waves) / 3
    edge = radius * (1 + 0.12 * bumps) - distance
    return np.asarray(np.clip(0.5 + edge / (1.2 * SPACING), 0, 1), np.float32)


def _changed(rng: Rng, lungs: Lungs, change: Change) -> Lungs:
    values = np.asarray(lungs.body.values[0], np.float32)
    aired = np.clip((-400 - values) / 400, 0, 1) * (values > -980)
    shifted = values + aired * np.float32(rng.uniform(-1, 1) * change.lung_shift_hu)
    soft = np.asarray(ndimage.gaussian_filter(shifted, rng.uniform(0, change.blur_voxels), truncate=3), np.float32)
    soft += rng.normal(size=soft.shape).astype(np.float32) * np.float32(rng.uniform(0, change.noise_hu))
    return replace(lungs, body=Sampled(soft[None], lungs.body.affine))
