"""What a demonstration leaves for a person: the results as the archive holds them, the report as text, a picture."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.profiles import ResultKind
from domain.records import MeasuredJob, MeasuredSegment
from inference_worker.transforms.grids import orientation_of, spacings_of
from inference_worker.volume import build
from sr_writer.pages.preview import LUNG_WINDOW, picture
from sr_writer.reading import read_segmentation, report_text

_AIR = -500.0  # HU, at the most
_REPORTS = (ResultKind.SR, ResultKind.SR_REGIONS, ResultKind.SR_LIKELIHOODS)
_MISSING = 2  # slices: what a model has read is no longer to be refused


@dataclass(frozen=True)
class Findings:
    """The reports as text, one line of measurements for each segment, and the files, with what each is.

    What lies where (a candidate with its axes, its volume and its score) has a report of its own.
    """

    report: str
    measurements: tuple[str, ...]
    files: Mapping[str, Path]


def keep(
    job: MeasuredJob,
    held: Mapping[str, bytes],
    sources: Callable[[frozenset[str]], Sequence[Path]],
    folder: Path,
) -> Findings:
    """Write everything about `job` into `folder`.

    `held` are the objects by kind ("SR", "SEG") as the archive holds them; `sources` finds the files of instances.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = {one.segment: line(one) for one in job.findings or ()}
    files = {"report": folder / "report.dcm", "report as text": folder / "report.txt"}
    files["report"].write_bytes(held["SR"])
    text = "\n\n".join(report_text(held[kind]) for kind in _REPORTS if kind in held)
    files["report as text"].write_text(text + "\n", "utf-8")
    if ResultKind.SR_REGIONS in held:
        files["report of what lies where"] = folder / "regions.dcm"
        files["report of what lies where"].write_bytes(held[ResultKind.SR_REGIONS])
    files |= _dumped(files["report"], folder)
    if "SEG" in held:
        files |= {"segmentation": folder / "segmentation.dcm", "picture": folder / "segmentation.png"}
        files["segmentation"].write_bytes(held["SEG"])
        files["picture"].write_bytes(_picture(held["SEG"], sources, lines, f"{job.model} {job.version}"))
    return Findings(text, tuple(lines.values()), files)


def _picture(
    part10: bytes, sources: Callable[[frozenset[str]], Sequence[Path]], lines: Mapping[str, str], model: str
) -> bytes:
    """The segmentation that the archive holds, over the images that were sent."""
    segmentation = read_segmentation(part10)
    volume = build(sources(segmentation.sources), _MISSING)
    window, said = _window(volume.voxels)
    turn, spacings = orientation_of(volume.affine), spacings_of(volume.affine)
    depth, rows, columns = (float(spacings[axis]) for axis in turn.order)
    return picture(
        turn.canonical(volume.voxels),
        turn.canonical(segmentation.labels(volume.affine, volume.voxels.shape)),
        (depth, rows, columns),
        segmentation.segments,
        segmentation.warning,
        f"{model}; {said}",
        [lines.get(segment.label, segment.label) for segment in segmentation.segments],
        window,
    )


def _window(voxels: NDArray[np.generic]) -> tuple[tuple[float, float], str]:
    """Centre and width, and what they are called. Values far below water are HU, whose air is never 0."""
    low, high = (float(value) for value in np.quantile(voxels.astype(np.float32), (0.01, 0.99)))
    if low < _AIR:
        return LUNG_WINDOW, "lung window"
    return ((low + high) / 2, max(1.0, high - low)), f"window {low:.0f} to {high:.0f}"


def line(segment: MeasuredSegment) -> str:
    """`Right lung: volume 2710 ml, mean density -812 HU`."""
    return f"{segment.segment}: {', '.join(f'{one.what} {one.said}' for one in segment.measurements)}"


def _dumped(report: Path, folder: Path) -> dict[str, Path]:
    """The report as DCMTK reads it, where dsrdump is installed: a second opinion on the same file."""
    program = shutil.which("dsrdump")
    if program is None:
        return {}
    done = subprocess.run([program, "+Pl", str(report)], capture_output=True, check=False, timeout=60)
    if done.returncode:
        return {}
    path = folder / "report-dsrdump.txt"
    path.write_bytes(done.stdout)
    return {"report as DCMTK reads it": path}
