"""What the model process calls: for each package one function from its inputs to what it found."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.findings import Findings, OtherFrames
from inference_worker import together
from inference_worker.images import Images
from inference_worker.transforms.arrays import Array
from inference_worker.volume import Volume
from models.manifest import Input

# What was read for each input of the manifest, by its name.
Sources: TypeAlias = Mapping[str, Volume | Images]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one run found, its arrays still in hand: `Findings.mask` is None, the keys of `Findings.maps` are empty.

    `mask` is (slices, rows, columns) of segment numbers, slice k on frame k of the findings; None for a model without
    segments. `maps` are the arrays of `Findings.maps`, in that order, 32-bit floats.
    """

    findings: Findings
    mask: NDArray[np.uint8] | None = None
    maps: tuple[NDArray[np.float32], ...] = ()


Run: TypeAlias = Callable[[Sources], Outcome]
# What was read of an earlier study, or why it could not be.
Earlier: TypeAlias = Sources | str
Compare: TypeAlias = Callable[[Outcome, Earlier], Outcome]


class Prepared(dict[str, Volume | Images]):
    """Sources whose steps before the network are done already: `array` is what a pipeline made of them for itself."""

    def __init__(self, sources: Sources, array: Array) -> None:
        super().__init__(sources)
        self.array = array


@dataclass(frozen=True)
class Loaded:
    """A package that is ready: what is to be read for it, and its run. One that cannot run refuses each with why.

    `prepare` does ahead what can be done beside another network's pass; `run` takes what it gives, or bare sources.
    `compare` is for a package that compares with an earlier study.
    """

    inputs: tuple[Input, ...]
    run: Run
    prepare: Callable[[Sources], Sources] = dict
    compare: Compare | None = None


_MOST_GAPS = 3  # that a remark names one by one

# By name and version of the package. Whoever returns it has verified each package and made one pass with it.
Runs: TypeAlias = Mapping[tuple[str, str], Loaded]


def input_digest(volumes: Mapping[str, Volume]) -> str:
    """The one volume's digest; of several the SHA-256 (hex) of the lines "name digest"."""
    if len(volumes) == 1:
        return next(iter(volumes.values())).digest
    return hashlib.sha256("".join(f"{name} {one.digest}\n" for name, one in volumes.items()).encode()).hexdigest()


def other_frames(volumes: Mapping[str, Volume]) -> tuple[OtherFrames, ...]:
    """What was read besides the first of the inputs, on whose frames findings are."""
    return tuple(OtherFrames(name, one.frames) for name, one in list(volumes.items())[1:])


def remarks(volumes: Mapping[str, Volume], segmented: bool = False) -> Iterator[str]:
    """A sentence for whatever a reader has to know of how the volumes were read, and of how several lie together.

    Of what is `segmented`, the first of them, slices that were interpolated are measured but in no segmentation.
    """
    yield from together.remarks(volumes)
    for k, (name, volume) in enumerate(volumes.items()):
        of = f" of {name}" if len(volumes) > 1 else ""
        yield from (f"{name}: {said}" if len(volumes) > 1 else said for said in volume.remarks)
        if volume.filled:
            yield _interpolated(volume, of, segmented and k == 0)


def _interpolated(volume: Volume, of: str, measured: bool) -> str:
    count = len(volume.filled)
    said = f"{count} missing slice{'s' * (count > 1)}{of} {'were' if count > 1 else 'was'} interpolated"
    more = len(volume.gaps) - _MOST_GAPS
    where = [*volume.gaps[:_MOST_GAPS], *([f"and {more} more"] if more > 0 else [])]
    it = "them" if count > 1 else "it"
    counts = f"; measurements count {it}, the segmentation does not show {it}" if measured else ""
    return ", ".join((said, *where)) + counts


def join(several: Sequence[Images]) -> Images:
    """The images of several jobs as one, so that a network sees them at once; `split` gives each its own remarks."""
    digest = hashlib.sha256("".join(one.digest for one in several).encode("ascii")).hexdigest()
    pictures = tuple(picture for one in several for picture in one.pictures)
    return Images(pictures, digest, suitable=all(one.suitable for one in several))


def split(outcome: Outcome, several: Sequence[Images]) -> list[Outcome]:
    """The outcome of `join(several)` as that of each."""
    parts, start = [], 0
    for one in several:
        end = start + len(one.pictures)
        parts.append(_part(outcome, one, range(start, end)))
        start = end
    return parts


def _part(outcome: Outcome, images: Images, frames: range) -> Outcome:
    found = outcome.findings
    likelihoods = tuple(
        replace(one, frame=one.frame - frames.start)
        for one in found.likelihoods
        if one.frame is not None and one.frame in frames
    )
    kept = [k for k, one in enumerate(found.maps) if set(one.frames) <= set(frames)]
    maps = tuple(
        replace(found.maps[k], frames=tuple(frame - frames.start for frame in found.maps[k].frames)) for k in kept
    )
    findings = replace(
        found,
        input_digest=images.digest,
        frames=images.frames,
        likelihoods=likelihoods,
        maps=maps,
        remarks=(*found.remarks, *images.remarks),
    )
    return Outcome(findings, None, tuple(outcome.maps[k] for k in kept))
