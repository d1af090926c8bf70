"""What the model process calls: for each package one function from volume to findings and mask."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.findings import Findings
from inference_worker.volume import Volume

# Findings without their mask, and the mask itself: (slices, rows, columns) on the volume's grid.
Run: TypeAlias = Callable[[Volume], tuple[Findings, NDArray[np.uint8]]]

# By name and version of the package. Whoever returns it has verified each package and made one pass with it.
Runs: TypeAlias = Mapping[tuple[str, str], Run]
