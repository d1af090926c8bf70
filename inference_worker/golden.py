"""The golden sample of a package: an input, and what the model made of it where it was made.

Both are npz files without pickles (models/manifest.py, [golden]). A volume is kept as `NAME.voxels` (slices, rows,
columns) and `NAME.affine` (4x4, patient LPS mm); images as `NAME.K.values`, `NAME.K.shown` and, where it is known,
`NAME.K.spacing`, from K = 0. What is expected is `mask` or `probabilities` (images or 1, findings in the manifest's
order). A package that compares has an earlier study too, `earlier NAME.voxels` and so on, and what comes of it is
expected as `compared` (segments, comparisons in the manifest's order; NaN where nothing is compared). No identity is
kept: the frames of a sample are numbered.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from domain.findings import SourceFrame
from inference_worker.earlier_names import earlier_name
from inference_worker.images import Images, Picture
from inference_worker.model_protocol import Outcome, Run, Sources
from inference_worker.verdicts import EXPECTED, INPUT, Verdict
from inference_worker.volume import Volume, digest
from models.manifest import Golden, Input, Manifest
from models.registry import Package

# Whoever makes packages finds here how the sample is called, and the verdict on it.
__all__ = ["EXPECTED", "INPUT", "Verdict", "check", "earlier_sample", "judge", "sample", "thinned", "verdict", "write"]

Arrays = Mapping[str, NDArray[Any]]
# By what share comparisons may differ, and by how much (ml, %) at least: of what two volumes differ by, a small
# difference of either is a large one.
_SHARE, _AT_LEAST = 0.05, 5.0


def check(package: Package, run: Run) -> Verdict:
    """What `run`, of `package` on some engine, makes of the package's golden sample.

    Raises ConfigurationError where the package has none or it is not of the form above, IntegrityError where it was
    changed, and whatever the run raises.
    """
    return verdict(package, run(sample(package)))


def verdict(package: Package, outcome: Outcome) -> Verdict:
    """`outcome`, which came of the package's golden sample, beside what is expected; raises as `check` does."""
    golden = _stated(package)
    return judge(outcome, _read(package, golden.expected), package.manifest, golden)


def sample(package: Package) -> Sources:
    """The golden input, as if it had been read from series; raises as `check` does."""
    golden = _stated(package)
    arrays = _read(package, golden.input)
    try:
        return {one.name: _source(one, arrays, package.digests[golden.input]) for one in package.manifest.inputs}
    except KeyError as error:
        raise ConfigurationError(f"{package.folder / golden.input}: lacks the array {error}") from error


def earlier_sample(package: Package) -> Sources | None:
    """The golden input's earlier study, None where it has none; raises as `check` does."""
    golden = _stated(package)
    arrays = _read(package, golden.input)
    own = {
        key.removeprefix(earlier_name("")): array for key, array in arrays.items() if key.startswith(earlier_name(""))
    }
    if not own:
        return None
    return {one.name: _source(one, own, package.digests[golden.input]) for one in package.manifest.inputs}


def judge(outcome: Outcome, expected: Arrays, manifest: Manifest, golden: Golden) -> Verdict:
    """`outcome` beside `expected`, within the limits of `golden`; other shapes never agree."""
    if manifest.segments:
        mask = expected.get("mask")
        if mask is None or outcome.mask is None or mask.shape != outcome.mask.shape:
            return Verdict(False, 0.0, None)
        labels = range(1, len(manifest.segments) + 1)
        dice = min((_dice(mask == one, outcome.mask == one) for one in labels), default=1.0)
        return Verdict(dice >= golden.dice and _compare_alike(outcome, expected, manifest), dice, None)
    found, wanted = _probabilities(outcome, manifest), expected.get("probabilities")
    if wanted is None or wanted.shape != found.shape:
        return Verdict(False, None, float("inf"))
    difference = float(np.max(np.abs(found - np.asarray(wanted, np.float64)), initial=0.0))
    return Verdict(difference <= golden.tolerance, None, difference)


def write(folder: Path, manifest: Manifest, sources: Sources, outcome: Outcome, earlier: Sources | None = None) -> None:
    """Keep `sources` and what came of them as INPUT and EXPECTED in `folder`; the manifest is not touched.

    `earlier` is the earlier study that `outcome` was compared with.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, source in (earlier or {}).items():
        arrays |= _volume_arrays(earlier_name(name), source) if isinstance(source, Volume) else {}
    for name, source in sources.items():
        arrays |= _volume_arrays(name, source) if isinstance(source, Volume) else _image_arrays(name, source)
    np.savez_compressed(folder / INPUT, allow_pickle=False, **arrays)
    if manifest.segments and outcome.mask is not None:
        more = {"compared": _comparisons(outcome, manifest)} if earlier else {}
        np.savez_compressed(folder / EXPECTED, allow_pickle=False, mask=outcome.mask, **more)
    else:
        np.savez_compressed(folder / EXPECTED, allow_pickle=False, probabilities=_probabilities(outcome, manifest))


def thinned(sources: Sources, every: int) -> Sources:
    """`sources` with every `every`-th voxel of a volume along each axis alone, so that a sample stays small."""
    return {name: _thinned(one, every) if isinstance(one, Volume) else one for name, one in sources.items()}


def _thinned(volume: Volume, every: int) -> Volume:
    voxels: NDArray[Any] = np.ascontiguousarray(volume.voxels[::every, ::every, ::every])
    affine = volume.affine @ np.diag([every, every, every, 1.0])
    frames = _frames(voxels.shape[0])
    return Volume(voxels, affine, frames, digest(voxels, affine, frames))


def _stated(package: Package) -> Golden:
    if package.manifest.golden is None:
        raise ConfigurationError(f"{package.folder}: the package has no golden sample; make one with `models golden`")
    return package.manifest.golden


def _read(package: Package, name: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(package.read(name)), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise ConfigurationError(f"{package.folder / name}: is no npz file of plain arrays: {error}") from error


def _source(wanted: Input, arrays: Arrays, file_digest: str) -> Volume | Images:
    if wanted.kind == "images":
        count = sum(key.startswith(f"{wanted.name}.") and key.endswith(".values") for key in arrays)
        return Images(tuple(_picture(f"{wanted.name}.{k}", k, arrays) for k in range(count)), file_digest)
    voxels = np.ascontiguousarray(arrays[f"{wanted.name}.voxels"])
    affine = np.asarray(arrays[f"{wanted.name}.affine"], np.float64)
    frames = _frames(voxels.shape[0])
    return Volume(voxels, affine, frames, digest(voxels, affine, frames))


def _picture(key: str, k: int, arrays: Arrays) -> Picture:
    spacing = arrays.get(f"{key}.spacing")
    return Picture(
        np.asarray(arrays[f"{key}.values"], np.float32),
        np.asarray(arrays[f"{key}.shown"], np.float32),
        _frames(k + 1)[k],
        (float(spacing[0]), float(spacing[1])) if spacing is not None else None,
    )


def _frames(count: int) -> tuple[SourceFrame, ...]:
    """UIDs that stand for no instance (under 2.25, PS3.5 annex B.2)."""
    return tuple(SourceFrame(f"2.25.{k + 1}") for k in range(count))


def _volume_arrays(name: str, volume: Volume) -> dict[str, NDArray[Any]]:
    return {f"{name}.voxels": volume.voxels, f"{name}.affine": volume.affine}


def _image_arrays(name: str, images: Images) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for k, one in enumerate(images.pictures):
        arrays |= {f"{name}.{k}.values": one.values, f"{name}.{k}.shown": one.shown}
        if one.spacing:
            arrays[f"{name}.{k}.spacing"] = np.asarray(one.spacing)
    return arrays


def _probabilities(outcome: Outcome, manifest: Manifest) -> NDArray[np.float64]:
    """Shape (images or 1, findings)."""
    columns = len(manifest.findings)
    shares = [one.probability for one in outcome.findings.likelihoods]
    return np.asarray(shares, np.float64).reshape(-1, columns)


def _comparisons(outcome: Outcome, manifest: Manifest) -> NDArray[np.float64]:
    """Shape (segments, comparisons)."""
    found = [{one.name: one.value for one in segment.compared} for segment in outcome.findings.segments]
    return np.array([[one.get(wanted.name, np.nan) for wanted in manifest.compared] for one in found], np.float64)


def _compare_alike(outcome: Outcome, expected: Arrays, manifest: Manifest) -> bool:
    """Whether nothing was compared, or the same has come of it; a sample without an earlier study says nothing."""
    wanted = expected.get("compared")
    if wanted is None or not any(one.compared for one in outcome.findings.segments):
        return True
    found = _comparisons(outcome, manifest)
    return wanted.shape == found.shape and bool(np.allclose(found, wanted, rtol=_SHARE, atol=_AT_LEAST, equal_nan=True))


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return float(2 * np.count_nonzero(one & other) / total) if total else 1.0
