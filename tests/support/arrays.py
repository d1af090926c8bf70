"""The two libraries that steps are carried out in, so that a test can ask for both."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference_worker.transforms.arrays import Sampled

LIBRARIES = ("numpy", "torch")


def given(values: NDArray[Any], library: str) -> Any:
    """`values` in `library`; skips where that is torch and absent."""
    if library == "numpy":
        return values
    torch = pytest.importorskip("torch", reason="torch is not installed; `uv sync --extra torch` installs it")
    return torch.asarray(np.ascontiguousarray(values))


def sampled(values: NDArray[Any], library: str = "numpy", affine: NDArray[np.float64] | None = None) -> Sampled:
    """One channel (1, *space) of `values` (*space)."""
    return Sampled(given(values[None], library), np.eye(values.ndim + 1) if affine is None else affine)
