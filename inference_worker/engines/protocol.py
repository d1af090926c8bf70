"""What every engine does, and what is checked of any engine's output."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.errors import Retryable
from models.manifest import Network

Float: TypeAlias = NDArray[np.float32]


class OutOfMemory(Retryable):
    """The network needs more memory than its device has; a smaller window may do."""


class Engine(Protocol):
    """Loads one network and runs it."""

    @property
    def name(self) -> str:
        """Library, version and device, as the findings' provenance says it."""
        ...

    def load(self, network: bytes, wanted: Network) -> None:
        """Compile `network` and run it once, so that the first job finds it warm.

        Raises ConfigurationError where it is no network that this engine reads, or has not the input and outputs that
        `wanted` names.
        """
        ...

    def infer(self, batch: Float) -> Mapping[str, Float]:
        """The outputs that the manifest names, of `batch` (n, channels, z, y, x) or (n, channels, y, x).

        Raises Permanent where input or output are not finite or an output has another batch size than its input: it
        means nothing; OutOfMemory where a smaller input may do.
        """
        ...
