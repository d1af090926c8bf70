"""The radiologists' nodules of the LIDC-IDRI collection, read from its XML.

Each of up to four readers outlined every nodule of 3 mm or more, slice by slice; the outline runs through the first
voxels outside the nodule (LIDC-IDRI annotation guide). Smaller nodules have a single point and are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_NS = {"lidc": "http://www.nih.gov"}


@dataclass(frozen=True)
class Nodule:
    """One reader's outline of one nodule: SOP instance UID to edge points, (row, column)."""

    reader: int
    name: str
    outlines: Mapping[str, npt.NDArray[np.int64]]

    def mask(self, slice_of: Mapping[str, int], shape: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
        """The voxels inside the outlines on a volume of `shape` whose instance UIDs lie at `slice_of`."""
        mask = np.zeros(shape, bool)
        for uid, points in self.outlines.items():
            edge = np.zeros(shape[1:], bool)
            edge[points[:, 0], points[:, 1]] = True
            inside = ndimage.binary_fill_holes(edge) & ~edge
            mask[slice_of[uid]] |= inside if inside.any() else edge
        return mask


def read_nodules(path: Path) -> tuple[Nodule, ...]:
    """Every outline of a nodule of 3 mm or more in one LIDC file, reader by reader."""
    sessions = ElementTree.parse(path).getroot().findall("lidc:readingSession", _NS)
    return tuple(nodule for reader, session in enumerate(sessions) for nodule in _of_session(reader, session))


def _of_session(reader: int, session: ElementTree.Element) -> Iterator[Nodule]:
    for element in session.findall("lidc:unblindedReadNodule", _NS):
        # Only nodules of 3 mm or more were characterised.
        if element.find("lidc:characteristics/lidc:subtlety", _NS) is not None:
            outlines = dict(_outline(roi) for roi in element.findall("lidc:roi", _NS) if _included(roi))
            yield Nodule(reader, element.findtext("lidc:noduleID", "", _NS), outlines)


def _included(roi: ElementTree.Element) -> bool:
    return roi.findtext("lidc:inclusion", "", _NS).strip().upper() == "TRUE"


def _outline(roi: ElementTree.Element) -> tuple[str, npt.NDArray[np.int64]]:
    points = [
        (int(edge.findtext("lidc:yCoord", "", _NS)), int(edge.findtext("lidc:xCoord", "", _NS)))
        for edge in roi.findall("lidc:edgeMap", _NS)
    ]
    return roi.findtext("lidc:imageSOP_UID", "", _NS).strip(), np.array(points)
