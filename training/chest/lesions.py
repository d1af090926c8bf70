"""Each finding as a rule that changes a healthy chest. The rules follow how a textbook draws the sign, no more.

Two tables: `BUILDS` change how the chest is made before it is drawn, `SIGNS` draw into it afterwards.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from training.chest.anatomy import LEFT, SIDES, Build, Chest, Field, Rng


def _cardiomegaly(rng: Rng, build: Build) -> Build:
    """A heart wider than half the chest (Danzer, 1919)."""
    return replace(build, cardiothoracic=rng.uniform(0.54, 0.68))


def _emphysema(rng: Rng, build: Build) -> Build:
    """Long, dark lungs with few vessels over a low, flat diaphragm, and a narrow heart."""
    lower = rng.uniform(22, 45)
    return replace(
        build,
        domes=(build.domes[0] + lower, build.domes[1] + lower),
        flat=rng.uniform(4, 14),
        air=build.air + rng.uniform(1, 2.5),
        vessels=int(rng.integers(4, 8)),
        cardiothoracic=build.cardiothoracic * rng.uniform(0.8, 0.95),
    )


def _small_lungs(rng: Rng, build: Build) -> Build:
    """Fibrosis shrinks the lungs."""
    higher = rng.uniform(8, 28)
    return replace(build, domes=(build.domes[0] - higher, build.domes[1] - higher), air=build.air - rng.uniform(0, 1.5))


def _raised_dome(rng: Rng, build: Build) -> Build:
    """Atelectasis pulls one half of the diaphragm up."""
    domes = list(build.domes)
    domes[rng.integers(2)] -= rng.uniform(10, 32)
    return replace(build, domes=(domes[0], domes[1]))


def _congestion(rng: Rng, build: Build) -> Build:
    """Oedema widens the vessels."""
    return replace(build, vascular=build.vascular * rng.uniform(1.3, 1.9))


def _replace_air(chest: Chest, side: int, share: Field) -> None:
    """Take `share` (0 to 1) of the air out of one lung."""
    chest.air[side] = (chest.air[side] * (1 - np.clip(share, 0, 1))).astype(np.float32)


def _present(chest: Chest, side: int) -> Field:
    return np.asarray(np.clip(chest.air[side] / 4, 0, 1), np.float32)


def _any_side(chest: Chest) -> int:
    return SIDES[chest.rng.integers(2)]


def _spot(chest: Chest, side: int, low: float, high: float, margin: float) -> tuple[float, float]:
    """A random place in one lung's air, at shares `low` to `high` of its height, `margin` mm from the wall."""
    top, bottom = chest.build.apex, chest.dome(side)
    within = (chest.y > top + low * (bottom - top)) & (chest.y < top + high * (bottom - top))
    good = within & (chest.air[side] > 5) & (chest.wall(side) > margin)
    rows, columns = np.nonzero(good if good.any() else chest.air[side] > 0)
    at = chest.rng.integers(len(rows))
    return float(chest.x[rows[at], columns[at]]), float(chest.y[rows[at], columns[at]])


def _atelectasis(chest: Chest) -> None:
    """Dense plates above the raised half of the diaphragm."""
    side = SIDES[int(np.argmin(np.array(chest.build.domes) - (0, 11)))]
    strokes = []
    for _ in range(chest.rng.integers(1, 4)):
        x, y = _spot(chest, side, 0.6, 0.95, 10)
        length, rise = chest.rng.uniform(25, 60), chest.rng.uniform(-12, 12)
        strokes.append(([(x - length / 2, y + rise), (x + length / 2, y - rise)], chest.rng.uniform(3, 7)))
    _replace_air(chest, side, chest.lines(strokes, 0.8) * np.float32(chest.rng.uniform(0.2, 0.4)))


def _effusion(chest: Chest) -> None:
    """Fluid over the diaphragm, whose upper edge climbs the wall: a meniscus."""
    rng = chest.rng
    for side in SIDES if rng.random() < 0.3 else (_any_side(chest),):
        level = chest.dome(side) + chest.build.flat - rng.uniform(18, 110)
        climb = rng.uniform(20, 45) * np.exp(-np.clip(chest.wall(side), 0, None) / 22)
        fluid = ndimage.gaussian_filter((chest.y > level - climb).astype(np.float32), 1.2)
        _replace_air(chest, side, fluid * np.float32(rng.uniform(0.65, 0.95)))


def _infiltration(chest: Chest) -> None:
    """Faint mottled shadows in several places."""
    for _ in range(chest.rng.integers(2, 5)):
        side = _any_side(chest)
        patch = chest.ellipse(_spot(chest, side, 0.3, 0.95, 5), tuple(chest.rng.uniform(22, 45, 2))) ** 1.5
        mottled = np.clip(0.6 + 0.6 * chest.texture(12), 0, 1.5)
        _replace_air(chest, side, patch * mottled * np.float32(chest.rng.uniform(0.12, 0.24)))


def _ball(chest: Chest, radius: float) -> None:
    side = _any_side(chest)
    centre = _spot(chest, side, 0.05, 0.95, 0.5 * radius)
    ball = chest.ellipse(centre, (radius, radius * chest.rng.uniform(0.85, 1.15)), chest.rng.uniform(0, 3))
    chest.tissue += ball * np.float32(radius / 3.2 * chest.rng.uniform(0.8, 1.1)) * _present(chest, side)


def _mass(chest: Chest) -> None:
    """A ball of more than 3 cm (Hansell et al., Radiology 246:697, 2008)."""
    _ball(chest, chest.rng.uniform(16, 32))


def _nodule(chest: Chest) -> None:
    """One to three balls of up to 3 cm."""
    for _ in range(chest.rng.integers(1, 4)):
        _ball(chest, chest.rng.uniform(5, 13))


def _pneumonia(chest: Chest) -> None:
    """One fuzzy, uneven, denser patch."""
    side = _any_side(chest)
    patch = chest.ellipse(_spot(chest, side, 0.3, 0.95, 5), tuple(chest.rng.uniform(30, 58, 2)))
    uneven = np.clip(0.8 + 0.4 * chest.texture(25) + 0.2 * chest.texture(8), 0, 1.6)
    _replace_air(chest, side, patch * uneven * np.float32(chest.rng.uniform(0.3, 0.5)))


def _pneumothorax(chest: Chest) -> None:
    """The lung has left the wall: a thin pleural line, and only air beyond it."""
    side, rng = _any_side(chest), chest.rng
    down = np.clip((chest.y - chest.build.apex) / (chest.dome(side) - chest.build.apex), 0, 1)
    gap = rng.uniform(12, 48) * (1 - rng.uniform(0.3, 0.9) * down)
    depth = chest.wall(side)
    beyond = (depth < gap) & (depth > 0) & (chest.air[side] > 0)
    empty = chest.build.air * np.sqrt(1 - (1 - np.clip(depth / 45, 0, 1)) ** 2) * 1.12 + 0.8
    soft = ndimage.gaussian_filter(beyond.astype(np.float32), 0.6)
    line = np.exp(-(((depth - gap) / 1.8) ** 2)) * _present(chest, side)
    collapsed = chest.air[side] * (1 - 0.1 * (1 - soft))
    chest.air[side] = (collapsed * (1 - soft) + soft * np.maximum(empty, chest.air[side])).astype(np.float32)
    chest.tissue += (0.9 * line).astype(np.float32)


def _consolidation(chest: Chest) -> None:
    """A lobe without air, ended sharply by a fissure, with dark bronchi in it."""
    side, rng = _any_side(chest), chest.rng
    top, bottom = chest.build.apex, chest.dome(side) + chest.build.flat
    edge = rng.uniform(0.35, 0.6) * (bottom - top) + top + rng.uniform(-0.3, 0.3) * chest.outward(side)
    upper, reach = rng.random() < 0.5, rng.uniform(60, 110)
    within = np.clip(((edge - chest.y) if upper else (chest.y - edge)) / 3, 0, 1)
    within = within * np.clip((reach - np.abs(chest.y - edge)) / 30, 0, 1)
    x, y = side * rng.uniform(30, 45), float(np.mean(edge)) + (-25 if upper else 25)
    tubes = [([(x, y), (x + side * rng.uniform(20, 55), y + rng.uniform(-40, 40))], 4.0) for _ in range(4)]
    bronchi = chest.lines(tubes, 0.6)
    _replace_air(chest, side, within * (1 - 0.5 * bronchi) * np.float32(rng.uniform(0.55, 0.8)))


def _edema(chest: Chest) -> None:
    """Haze around both hila, and short lines at the wall (Kerley B)."""
    rng, amount = chest.rng, chest.rng.uniform(0.2, 0.42)
    for side in SIDES:
        wing = chest.ellipse((side * rng.uniform(45, 60), rng.uniform(-25, 5)), (rng.uniform(45, 65), 85)) ** 1.2
        _replace_air(chest, side, wing * np.float32(amount) * np.clip(0.9 + 0.25 * chest.texture(20), 0, 1.5))
        ends = [(side * (chest.build.width - 3), rng.uniform(20, chest.dome(side))) for _ in range(6)]
        chest.tissue += 0.6 * chest.lines([([(x - side * 16, y), (x, y)], 1.5) for x, y in ends], 0.5)


def _fibrosis(chest: Chest) -> None:
    """A net of fine lines, densest at the bases and the wall."""
    net = np.exp(-((chest.texture(9) / 0.35) ** 2))
    amount = chest.rng.uniform(0.12, 0.26)
    for side in SIDES:
        down = np.clip((chest.y - chest.build.apex) / (chest.dome(side) - chest.build.apex), 0, 1)
        near = np.exp(-np.clip(chest.wall(side), 0, None) / 40)
        _replace_air(chest, side, net * np.float32(amount) * np.clip(0.2 + down**2 + 0.5 * near, 0, 1.5))


def _pleural_thickening(chest: Chest) -> None:
    """A dense, uneven lining along a part of the wall, often with an apical cap."""
    side, rng = _any_side(chest), chest.rng
    middle, reach = rng.uniform(chest.build.apex + 20, chest.dome(side) - 20), rng.uniform(45, 100)
    along = np.clip((reach - np.abs(chest.y - middle)) / 20, 0, 1)
    width = rng.uniform(6, 16) * np.clip(1 + 0.4 * chest.texture(40), 0.3, 2)
    lining = np.clip((width - chest.wall(side)) / 3, 0, 1) * (chest.wall(side) > 0) * along
    chest.tissue += (rng.uniform(2.5, 4.5) * lining * (chest.y < chest.floor(side))).astype(np.float32)


def _hernia(chest: Chest) -> None:
    """A stomach behind the heart: a round shadow over the diaphragm with a level of fluid under air."""
    rng, radius = chest.rng, chest.rng.uniform(22, 40)
    centre = (rng.uniform(-15, 25), chest.dome(LEFT) - rng.uniform(0.4, 0.9) * radius)
    sac = chest.ellipse(centre, (radius * 1.15, radius)) ** 0.6
    air = sac * np.clip((centre[1] - rng.uniform(-6, 6) - chest.y) / 2, 0, 1)
    chest.tissue += (rng.uniform(2.5, 4.5) * sac - rng.uniform(4, 6.5) * air).astype(np.float32)


BUILDS: dict[str, Callable[[Rng, Build], Build]] = {
    "Cardiomegaly": _cardiomegaly,
    "Emphysema": _emphysema,
    "Fibrosis": _small_lungs,
    "Atelectasis": _raised_dome,
    "Edema": _congestion,
}

# In the order of drawing: what changes the air first, then what lies over it.
SIGNS: dict[str, Callable[[Chest], None]] = {
    "Fibrosis": _fibrosis,
    "Infiltration": _infiltration,
    "Edema": _edema,
    "Pneumonia": _pneumonia,
    "Consolidation": _consolidation,
    "Atelectasis": _atelectasis,
    "Nodule": _nodule,
    "Mass": _mass,
    "Pneumothorax": _pneumothorax,
    "Effusion": _effusion,
    "Pleural thickening": _pleural_thickening,
    "Hernia": _hernia,
}
