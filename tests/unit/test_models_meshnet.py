"""Plain weights become a network in ONNX: number for number, layer for layer, and nothing of another size does."""

import numpy as np

WIDTHS, DILATIONS = (1, *[2] * 9, 3), (1, 2, 4, 8, 16, 8, 4, 2, 1, 1)


def weights() -> list[
    tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], np.ndarray[tuple[int], np.dtype[np.float32]]]
]:
    noise = np.random.default_rng(1)
    sides = [*[3] * 9, 1]
    return [
        (
            noise.normal(0, 0.4, (side, side, side, inner, outer)).astype(np.float32),
            noise.normal(0, 1, outer).astype(np.float32),
        )
        for side, inner, outer in zip(sides, WIDTHS[:-1], WIDTHS[1:], strict=True)
    ]
