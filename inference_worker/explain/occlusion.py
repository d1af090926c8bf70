"""Occlusion (Zeiler and Fergus 2014): how much less a network believes when a part of the picture is hidden.

It asks any engine, for it needs nothing but the output.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference_worker.explain.evidence import evidence
from models.manifest import Manifest

Float: TypeAlias = NDArray[np.float32]
Patch: TypeAlias = tuple[slice, slice]


def occlusion(
    image: Float,
    infer: Callable[[Float], Mapping[str, Float]],
    manifest: Manifest,
    channels: Sequence[int],
    patch: float,
) -> list[Float]:
    """A map (y, x) for each of `channels`: at a pixel the mean loss of evidence over the patches that hide it.

    Patches of the share `patch` of each side of `image` (channels, y, x), half of one apart, are filled with the mean
    of each channel. One run through the picture serves all findings; at 1/8 it takes 225 inferences.
    """
    fill = image.mean(axis=(1, 2), keepdims=True)
    lost = np.zeros((len(channels), *image.shape[1:]), np.float32)
    times = np.zeros(image.shape[1:], np.float32)

    def believed(images: Float) -> Float:
        given = infer(images)[manifest.network.outputs[0]].reshape(len(images), -1)
        return np.stack([evidence(given, channel, manifest.postprocessing) for channel in channels], axis=1)

    (whole,) = believed(image[None])
    for batch in _batches(_patches(image.shape[1:], patch), manifest.network.batch):
        for where, left in zip(batch, believed(_hidden(image, fill, batch)), strict=True):
            lost[(slice(None), *where)] += (whole - left)[:, None, None]
            times[where] += 1
    return list(lost / times)


def _hidden(image: Float, fill: Float, batch: Sequence[Patch]) -> Float:
    """`image` (n times) with a patch of each filled."""
    images = np.repeat(image[None], len(batch), axis=0)
    for one, where in zip(images, batch, strict=True):
        one[(slice(None), *where)] = fill
    return images


def _patches(size: tuple[int, ...], share: float) -> list[Patch]:
    rows, columns = (_along(length, share) for length in size)
    return list(product(rows, columns))


def _along(length: int, share: float) -> list[slice]:
    """Slices of `share` of `length`, half of one apart; the last one ends at the end."""
    wide = max(1, round(length * share))
    starts = [*range(0, length - wide, max(1, wide // 2)), length - wide]
    return [slice(start, start + wide) for start in starts]


def _batches(patches: Sequence[Patch], count: int) -> Iterator[Sequence[Patch]]:
    return (patches[start : start + count] for start in range(0, len(patches), count))
