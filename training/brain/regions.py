"""The parts of a tumour: labels that exclude each other, and the regions of BraTS that overlap.

Labels of this package: 1 necrotic and non-enhancing core, 2 oedema, 3 enhancing. Regions, which the network's channels
are: whole tumour (1, 2, 3), tumour core (1, 3), enhancing tumour (3). Menze et al., The Multimodal Brain Tumor Image
Segmentation Benchmark (BRATS), IEEE Transactions on Medical Imaging 34:1993, 2015.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Labels: TypeAlias = npt.NDArray[np.uint8]
Bool: TypeAlias = npt.NDArray[np.bool_]

CORE, OEDEMA, ENHANCING = 1, 2, 3
REGIONS = {"WT": (CORE, OEDEMA, ENHANCING), "TC": (CORE, ENHANCING), "ET": (ENHANCING,)}

# What a voxel is called by the last region that holds it: the whole alone is oedema, the core alone does not enhance.
LABELS_OF_REGIONS = (OEDEMA, CORE, ENHANCING)


def regions_of(labels: Labels) -> Bool:
    """Masks (3, z, y, x) of WT, TC and ET from labels (z, y, x)."""
    return np.stack([np.isin(labels, members) for members in REGIONS.values()])


def labels_of(probabilities: npt.NDArray[Any], above: float = 0.5) -> Labels:
    """Labels (z, y, x) from the regions' probabilities (3, z, y, x); an inner region wins over an outer one."""
    labels = np.zeros(probabilities.shape[1:], np.uint8)
    for label, region in zip(LABELS_OF_REGIONS, probabilities, strict=True):
        labels[region > above] = label
    return labels
