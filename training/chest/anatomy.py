"""A simplified chest as it falls on a detector: lengths in mm, thicknesses in cm of soft tissue along the beam.

Crude on purpose. x grows towards the patient's left, which is the image's right; y grows downwards; the middle of the
image is (0, 0). Side -1 is the patient's right lung, side 1 the left.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

Field: TypeAlias = npt.NDArray[np.float32]
Rng: TypeAlias = np.random.Generator

RIGHT, LEFT = -1, 1
SIDES = (RIGHT, LEFT)


@dataclass(frozen=True)
class Build:
    """How one chest is made. `width` from the middle to the inside of the ribs, `apex` and `domes` heights y.

    `flat` is by how much the domes sag towards the side (mm), `cardiothoracic` the heart's width over the chest's,
    `air` the thickness of a lung at its thickest, `vessels` how many branches a lung shows and `vascular` how thick.
    """

    width: float
    apex: float
    domes: tuple[float, float]
    flat: float
    cardiothoracic: float
    air: float
    vessels: int
    vascular: float
    breast: float


@dataclass
class Chest:
    """Grids `x`, `y`; the air of each lung by side; the `tissue` that is drawn besides; its `build`."""

    rng: Rng
    build: Build
    side: int
    x: Field = field(init=False)
    y: Field = field(init=False)
    air: dict[int, Field] = field(init=False)
    tissue: Field = field(init=False)

    def __post_init__(self) -> None:
        steps = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side * 400 - 200
        self.x, self.y = np.meshgrid(steps, steps)
        self.tissue = np.zeros((self.side, self.side), np.float32)
        self.air = {side: self._lung(side) for side in SIDES}

    @property
    def pixel(self) -> float:
        """mm from pixel to pixel."""
        return 400 / self.side

    def outward(self, side: int) -> Field:
        """Distance (mm) from the middle towards `side`."""
        return self.x * side

    def dome(self, side: int) -> float:
        """Height y of the top of one half of the diaphragm."""
        return self.build.domes[0 if side == RIGHT else 1]

    def floor(self, side: int) -> Field:
        """Height y of the diaphragm everywhere."""
        from_top = self.outward(side) - 0.5 * self.build.width
        sag = self.build.flat * (from_top / (0.5 * self.build.width)) ** 2
        return np.asarray(self.dome(side) + sag, np.float32)

    def wall(self, side: int) -> Field:
        """Distance (mm) inwards from the chest wall; below 0 outside."""
        down = np.clip((self.y - self.build.apex) / (self.dome(side) - self.build.apex), 0, 1)
        return np.asarray(self.build.width * (1 - (1 - down) ** 2.4) ** 0.5 - self.outward(side), np.float32)

    def ellipse(self, centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0) -> Field:
        """Thickness from 1 in the middle to 0 at the edge, as that of an ellipsoid."""
        dx, dy = self.x - centre[0], self.y - centre[1]
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        return np.asarray(np.sqrt(np.clip(1 - (u / radii[0]) ** 2 - (v / radii[1]) ** 2, 0, 1)), np.float32)

    def texture(self, coarseness: float) -> Field:
        """Smooth noise of mean 0 and deviation 1 whose spots are about `coarseness` mm wide."""
        # Drawn on a coarse grid and stretched: a wide filter on the full grid costs ten times as much.
        small = self.rng.normal(size=(max(4, int(800 / coarseness)),) * 2)
        smooth = ndimage.gaussian_filter(small, 1, mode="wrap")
        return self._stretched(smooth / smooth.std())

    def lines(self, strokes: list[tuple[list[tuple[float, float]], float]], blur: float = 0.6) -> Field:
        """Polylines (points in mm, width in mm) as 0 to 1."""
        canvas = Image.new("L", (self.side, self.side))
        pen = ImageDraw.Draw(canvas)
        for points, width in strokes:
            ends = [((x + 200) / self.pixel, (y + 200) / self.pixel) for x, y in points]
            pen.line(ends, fill=255, width=max(1, round(width / self.pixel)), joint="curve")
        drawn = np.asarray(canvas, np.float32) / 255
        return np.asarray(ndimage.gaussian_filter(drawn, blur), np.float32)

    def depth(self) -> Field:
        """All thickness along the beam (cm): body, bones, what was drawn, less the air."""
        body = 22 * np.sqrt(np.clip(1 - (self.x / (self.build.width + 45)) ** 2, 0, 1))
        air = self.air[RIGHT] + self.air[LEFT]
        return np.asarray(np.maximum(body - air, 1) + self.tissue, np.float32)

    def _lung(self, side: int) -> Field:
        medial = self.outward(side) - 16
        inside = np.minimum(np.minimum(self.wall(side), medial), self.floor(side) - self.y)
        inside = np.where(self.y > self.build.apex, inside, -1)
        return np.asarray(self.build.air * np.sqrt(1 - (1 - np.clip(inside / 45, 0, 1)) ** 2), np.float32)

    def _stretched(self, small: npt.NDArray[np.floating]) -> Field:
        canvas = Image.fromarray(small.astype(np.float32)).resize((self.side, self.side), Image.Resampling.BICUBIC)
        return np.asarray(canvas, np.float32)


def draw_build(rng: Rng, female: bool) -> Build:
    """A healthy build."""
    right = rng.uniform(70, 105)
    return Build(
        width=rng.uniform(118, 150) * (0.95 if female else 1),
        apex=rng.uniform(-165, -135),
        domes=(right, right + rng.uniform(4, 18)),
        flat=rng.uniform(28, 45),
        cardiothoracic=rng.uniform(0.40, 0.50),
        air=rng.uniform(12, 15),
        vessels=int(rng.integers(11, 17)),
        vascular=rng.uniform(0.8, 1.2),
        breast=rng.uniform(0.8, 2.5) if female else 0,
    )


def draw_anatomy(chest: Chest) -> None:
    """Vessels, heart, mediastinum, spine, ribs and clavicles, in this order, into an empty chest."""
    for side in SIDES:
        _vessels(chest, side)
    _heart(chest)
    _mediastinum(chest)
    _ribs(chest)
    _soft_tissue(chest)


def heart_radii(chest: Chest) -> tuple[float, float]:
    """Half the heart's width, and of its height (mm)."""
    half = chest.build.cardiothoracic * chest.build.width
    return half, half * 0.82


def _heart(chest: Chest) -> None:
    half, height = heart_radii(chest)
    low = min(chest.build.domes)
    heart = chest.ellipse((0.34 * half, low - 0.62 * height), (half, height), 0.35)
    for side in SIDES:
        chest.air[side] = np.maximum(chest.air[side] - 15 * heart, 0).astype(np.float32)


def _mediastinum(chest: Chest) -> None:
    rng = chest.rng
    band = np.clip(1 - np.abs(chest.x) / rng.uniform(24, 34), 0, 1) ** 0.5
    knob = chest.ellipse((rng.uniform(20, 30), chest.build.apex + rng.uniform(60, 75)), (15, 16))
    for side in SIDES:
        chest.air[side] = np.maximum(chest.air[side] - 6 * band - 7 * knob, 0).astype(np.float32)
    discs = 0.8 + 0.2 * np.cos(2 * np.pi * chest.y / rng.uniform(22, 28))
    chest.tissue += (1.3 * np.clip(1 - (chest.x / 20) ** 4, 0, 1) * discs).astype(np.float32)
    trachea = (np.abs(chest.x - rng.uniform(-3, 5)) < 8) & (chest.y < chest.build.apex + 75)
    chest.tissue -= ndimage.gaussian_filter(2.0 * trachea.astype(np.float32), 1)


def _vessels(chest: Chest, side: int) -> None:
    rng, strokes = chest.rng, []
    hilum = (side * 34.0, 0.35 * chest.build.apex + 0.3 * chest.dome(side))
    for angle in rng.uniform(-1.45, 1.45, chest.build.vessels):
        strokes += _branch(rng, hilum, angle, side, rng.uniform(45, 110), 5.5)
    drawn = chest.lines(strokes, 0.7) * chest.build.vascular + 1.2 * chest.ellipse(hilum, (16, 26)) ** 2
    present = np.clip(chest.air[side] / chest.build.air, 0, 1)
    chest.air[side] = np.maximum(chest.air[side] - 1.5 * drawn * present, 0).astype(np.float32)


def _branch(
    rng: Rng, start: tuple[float, float], angle: float, side: int, length: float, width: float
) -> list[tuple[list[tuple[float, float]], float]]:
    """A vessel that tapers and forks."""
    end = (start[0] + side * length / 2 * np.cos(angle), start[1] + length / 2 * np.sin(angle))
    strokes = [([start, end], width)]
    if width > 1.6:
        for turn in rng.uniform(0.1, 0.6, 2) * (1, -1):
            strokes += _branch(rng, end, angle + turn, side, length * rng.uniform(0.6, 0.9), width * 0.55)
    return strokes


def _ribs(chest: Chest) -> None:
    rng, build = chest.rng, chest.build
    gap, slope = rng.uniform(23, 28), rng.uniform(0.3, 0.55)
    back: list[tuple[list[tuple[float, float]], float]] = []
    front: list[tuple[list[tuple[float, float]], float]] = []
    for number in range(11):
        y = build.apex + gap * number
        reach = build.width * (1 - (1 - min(1, (number + 1) / 7)) ** 2.4) ** 0.5
        shares = np.linspace(0.12, 1.0, 9)
        for side in SIDES:
            back.append(([(side * reach * s, y - 8 + slope * reach * s**2.2 * 0.8) for s in shares], 9))
            if number < 6:
                front.append(([(side * reach * s, y + 55 + 28 * (1 - s)) for s in shares[2:]], 10))
    clavicles = [([(s * 15.0, build.apex + 28), (s * 70.0, build.apex + 22), (s * 130.0, build.apex - 5)], 10.0)
                 for s in SIDES]  # fmt: skip
    for strokes, weight in ((back, 1.5), (front, 0.9), (clavicles, 1.3)):
        solid, core = chest.lines(strokes, 0.5), chest.lines([(p, w - 4) for p, w in strokes], 0.8)
        # Cortex is denser than marrow: a rib's edges are brighter than its middle.
        chest.tissue += np.float32(weight * rng.uniform(0.8, 1.2)) * (solid - 0.35 * core)


def _soft_tissue(chest: Chest) -> None:
    for side in SIDES:
        centre = (side * 0.55 * chest.build.width, chest.dome(side) - chest.rng.uniform(0, 35))
        chest.tissue += chest.build.breast * chest.ellipse(centre, (62, 58))
    bubble = chest.ellipse((60, chest.dome(LEFT) + chest.rng.uniform(24, 34)), (26, 13))
    chest.tissue -= np.float32(chest.rng.uniform(0, 4)) * bubble
