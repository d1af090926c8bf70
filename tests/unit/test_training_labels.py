"""The classical lungs that the network learns from, and the radiologists' outlines that it is checked against."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.annotations import read_nodules
from training.lung_labels import LEFT, RIGHT, lung_labels
from training.metrics import dice
from training.phantoms import add_nodules, phantom

SPACING = (4.0, 3.0, 3.0)
SHAPE = (54, 74, 114)

XML = """<LidcReadMessage xmlns="http://www.nih.gov">
<readingSession>
  <unblindedReadNodule><noduleID>A</noduleID><characteristics><subtlety>5</subtlety></characteristics>
    <roi><imageSOP_UID>1.2.3 </imageSOP_UID><inclusion>TRUE</inclusion>{square}</roi>
    <roi><imageSOP_UID>1.2.4</imageSOP_UID><inclusion>FALSE</inclusion>{square}</roi>
    <roi><imageSOP_UID>1.2.5</imageSOP_UID><inclusion>TRUE</inclusion>
      <edgeMap><xCoord>7</xCoord><yCoord>2</yCoord></edgeMap></roi>
  </unblindedReadNodule>
  <unblindedReadNodule><noduleID>small</noduleID>
    <roi><imageSOP_UID>1.2.3</imageSOP_UID><inclusion>TRUE</inclusion>
      <edgeMap><xCoord>1</xCoord><yCoord>1</yCoord></edgeMap></roi>
  </unblindedReadNodule>
</readingSession>
<readingSession/>
</LidcReadMessage>"""


def thorax() -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """A body with two lungs, a trachea between them, a vessel in one and a nodule at the other's pleura."""
    z, y, x = np.meshgrid(*((np.arange(n) - n / 2) * s for n, s in zip(SHAPE, SPACING, strict=True)), indexing="ij")
    voxels = np.full(SHAPE, -1000, np.int16)
    voxels[(x / 160) ** 2 + (y / 105) ** 2 < 1] = 40
    truth = np.zeros(SHAPE, np.uint8)
    for side, centre in ((RIGHT, -75), (LEFT, 75)):
        truth[((x - centre) / 55) ** 2 + (y / 75) ** 2 + ((z + 15) / 75) ** 2 < 1] = side
    voxels[truth > 0] = -850
    voxels[(truth == RIGHT) & ((x + 75) ** 2 + y**2 < 5**2)] = 50
    voxels[(truth == LEFT) & ((x - 125) ** 2 + y**2 + (z + 15) ** 2 < 7**2)] = 30
    voxels[(x**2 + y**2 < 9**2) & (z > -30)] = -1000
    return voxels, truth


def test_lungs_hold_their_vessels_and_nodules_but_not_the_trachea() -> None:
    voxels, truth = thorax()
    labels = lung_labels(voxels, SPACING)
    for side in (RIGHT, LEFT):
        assert dice(labels == side, truth == side) > 0.98
        solid = (truth == side) & (voxels > 0)
        assert (labels == side)[solid].mean() > 0.8
    assert not labels[:, SHAPE[1] // 2, SHAPE[2] // 2].any()


def test_lungs_that_touch_are_parted() -> None:
    voxels, truth = thorax()
    voxels[12:18, 35:39, 45:69] = -850
    labels = lung_labels(voxels, SPACING)
    for side in (RIGHT, LEFT):
        assert dice(labels == side, truth == side) > 0.97


def test_a_body_without_lungs_is_said_to_have_none() -> None:
    with pytest.raises(ValueError, match="no air"):
        lung_labels(np.full(SHAPE, 40, np.int16), SPACING)
    voxels, truth = thorax()
    voxels[truth > 0] = 40
    with pytest.raises(ValueError, match="no two lungs"):
        lung_labels(voxels, SPACING)


def test_outlines_of_nodules_are_read_and_filled(tmp_path: Path) -> None:
    edge = [(r, c) for r in range(3, 8) for c in range(4, 9) if r in (3, 7) or c in (4, 8)]
    square = "".join(f"<edgeMap><xCoord>{c}</xCoord><yCoord>{r}</yCoord></edgeMap>" for r, c in edge)
    (tmp_path / "x.xml").write_text(XML.format(square=square))
    (nodule,) = read_nodules(tmp_path / "x.xml")
    assert (nodule.reader, nodule.name) == (0, "A")
    mask = nodule.mask({"1.2.3": 1, "1.2.5": 0}, (2, 10, 12))
    assert mask[1, 4:7, 5:8].all() and mask[1].sum() == 9  # the outline itself lies outside the nodule
    assert np.argwhere(mask[0]).tolist() == [[2, 7]]


def test_phantoms_repeat_with_their_seed_and_label_nodules_as_lung() -> None:
    made = [phantom(np.random.default_rng(7), (24, 32, 40), 8.0) for _ in range(2)]
    assert np.array_equal(made[0].voxels, made[1].voxels)
    assert made[0].lungs.shape == (2, 24, 32, 40)
    assert made[0].lungs.sum(axis=0).max() <= 1 + 1e-6
    lungs = made[1].lungs.copy()
    add_nodules(np.random.default_rng(6), made[1], 8.0, most=20)
    changed = made[0].voxels != made[1].voxels
    assert changed.any() and (lungs.sum(axis=0)[changed] > 0).all()
    assert np.array_equal(made[1].lungs, lungs)
