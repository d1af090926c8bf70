"""What the trail says of a package that read images: the digest of its weights, and the thresholds that it goes by."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from models.manifest import VISION, Lesions, Manifest
from models.registry import Package
from models.steps import Regions, Threshold


@dataclass(frozen=True)
class Provenance:
    """`weights` is a SHA-256 (hex), "" where the package has no network; `thresholds` are what and how much."""

    weights: str = ""
    thresholds: tuple[tuple[str, str], ...] = ()


def provenance(package: Package) -> Provenance:
    """What there is to say of a package."""
    return Provenance(_weights(package), tuple(_thresholds(package.manifest)))


def _weights(package: Package) -> str:
    """The digest of the network's file; of a folder that of its lines as `sha256sum` writes them, as of a package."""
    network = package.manifest.network
    if network.kind == VISION:
        return ""
    if network.file in package.digests:
        return package.digests[network.file]
    inside = sorted((name, digest) for name, digest in package.digests.items() if name.startswith(f"{network.file}/"))
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in inside).encode()).hexdigest()


def _thresholds(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for finding in manifest.findings:
        yield f"findings: {finding.label}", _told(finding.threshold)
    for lesions in manifest.lesions:
        yield f"lesions: {lesions.label}", _told(lesions.threshold)
        yield from _bounds(lesions)
    for step in manifest.postprocessing:
        if isinstance(step, Threshold | Regions):
            yield f"postprocessing: {step.word}", _told(step.above)


def _bounds(lesions: Lesions) -> Iterator[tuple[str, str]]:
    for axis, (least, most) in lesions.bounds.items():
        yield f"lesions: {lesions.label}, {axis}", f"{_told(least)} to {_told(most)}"
    if lesions.least_ratio:
        yield f"lesions: {lesions.label}, least ratio", _told(lesions.least_ratio)


def _told(value: float) -> str:
    """A fraction as text: an entry holds none."""
    return format(value, ".6g")
