"""What pictures and pages are drawn from, made of a run as the writer makes it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import Dataset

from domain.findings import Code, Findings, Region, Shape
from sr_writer.content import Content, key_frames
from sr_writer.inputs import read_others
from sr_writer.outlines import outlines
from sr_writer.provenance import provenance_of
from sr_writer.segments.segmentation import present_segments
from sr_writer.source import read_source
from tests.support import phantoms
from tests.support.findings import CLASSIFIER, MOMENT, frames_of
from tests.support.phantoms import Phantom
from tests.support.result_cases import Run

NODULE = Code("27925004", "SCT", "Nodule")


def content_of(run: Run) -> Content:
    """The run's content, as `results.write` hands it to every module that writes a kind of object."""
    findings, mask = run.findings, run.mask
    source = read_source(run.paths, findings.frames, volumetric=mask is not None)
    regions = (*findings.regions, *outlines(findings, mask, source))
    return Content(
        findings=findings,
        source=source,
        stamp=provenance_of(findings, source, MOMENT),
        mask=mask,
        present=present_segments(findings, mask, source),
        maps=run.maps,
        regions=regions,
        key_frames=key_frames(findings, regions),
        others=read_others(run.paths, findings),
    )


def images(datasets: Sequence[Dataset], folder: Path, **found: object) -> Content:
    """What a classifier with the findings `found` saw in these images."""
    paths = phantoms.write(datasets, folder)
    findings = Findings(CLASSIFIER, "ef" * 32, frames_of(paths), None, ())
    return content_of(Run(replace(findings, **found), None, paths))  # type: ignore[arg-type]


def slices(folder: Path, count: int = 4, **described: object) -> Content:
    """A CT of which nothing is said."""
    return images(Phantom(slices=count, **described).datasets(), folder)  # type: ignore[arg-type]


def box(frame: int, left: float, top: float, right: float, bottom: float, probability: float | None = None) -> Region:
    """A rectangle on an image."""
    corners = ((left, top), (right, bottom))
    return Region("Nodule", NODULE, frame, Shape.BOX, corners, probability, colour=(0, 255, 0))


def ramp(rows: int = 64, columns: int = 64, low: int = 0, high: int = 1023) -> np.ndarray:
    """Grey values that rise from the left to the right, each row alike."""
    return np.broadcast_to(np.linspace(low, high, columns).round().astype(np.uint16), (rows, columns)).copy()
