"""Label volumes, and the series that they lie on without a file of it: for tests and benchmarks of segmentations.

seg = dataset_of(next(drafts(content_of(balls()), Form(Kind.SEG, SEGMENTATION))))
"""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from domain.findings import Findings, Segment, SourceFrame
from sr_writer.content import Content, Draft
from sr_writer.encoding.elements import encoded, merged
from sr_writer.provenance import provenance_of
from sr_writer.segments.segmentation import present_segments
from sr_writer.source import Frame, Instance, Source, Volume
from tests.support.findings import MODEL, MOMENT, RIGHT_LUNG

Labels = NDArray[np.uint8]
_CT = "1.2.840.10008.5.1.4.1.1.2"


def balls(shape: tuple[int, int, int] = (400, 512, 512), count: int = 10, radius: int = 60) -> Labels:
    """Labels 1 to `count`, a ball each, wherever they came to lie; a later one is in front of an earlier one."""
    random = np.random.default_rng(5)
    mask = np.zeros(shape, np.uint8)
    z, y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1, -radius : radius + 1]
    ball = z**2 + y**2 + x**2 <= radius**2
    for number in range(1, count + 1):
        corner = [int(random.integers(0, size - 2 * radius)) for size in shape]
        mask[tuple(slice(start, start + 2 * radius + 1) for start in corner)][ball] = number
    return mask


def segments(count: int) -> tuple[Segment, ...]:
    """So many segments, of different names and colours."""
    return tuple(
        replace(RIGHT_LUNG, number=number, label=f"Part {number}", colour=(number * 37 % 256, 255 - number, number))
        for number in range(1, count + 1)
    )


def source_of(shape: tuple[int, int, int]) -> Source:
    """An axial CT series of this shape; its files are nowhere."""
    slices, rows, columns = shape
    instances = [
        Instance(Path("nowhere"), "2.25.63", "CT", _CT, f"2.25.7{index:06d}", False, rows, columns, (0.7, 0.7))
        for index in range(slices)
    ]
    volume = Volume(
        frame_of_reference_uid="2.25.61",
        rows=rows,
        columns=columns,
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing=(0.7, 0.7),
        slice_thickness=1.25,
        slice_spacing=1.25,
        positions=tuple((-180.0, -170.5, 1.25 * index) for index in range(slices)),
    )
    frames = tuple(Frame(instance, 1) for instance in instances)
    return Source("2.25.62", "2.25.63", "CT", frames, tuple(instances), volume, {}, None, {}, {})


def content_of(mask: Labels, source: Source | None = None, named: Sequence[Segment] = ()) -> Content:
    """What a SEG of `mask` is made from; its segments are those `named`, else as many as there are labels."""
    source = source or source_of((mask.shape[0], mask.shape[1], mask.shape[2]))
    frames = tuple(SourceFrame(one.instance.sop_instance_uid, one.number) for one in source.frames)
    named = tuple(named) or segments(int(mask.max()))
    findings = Findings(MODEL, "cd" * 32, frames, None, named)
    present = present_segments(findings, mask, source)
    return Content(findings, source, provenance_of(findings, source, MOMENT), mask, present, (), (), ())


def dataset_of(draft: Draft) -> Dataset:
    """The draft as a reader sees it; of what is added when it is finished it has what every reader asks for."""
    pieces = [*merged(encoded(draft.dataset), draft.elements), *draft.pixels]
    dataset = dcmread(BytesIO(b"".join(pieces)), force=True)
    dataset.file_meta.TransferSyntaxUID = UID(draft.form.transfer_syntax)
    dataset.StudyInstanceUID, dataset.PatientID = "2.25.62", ""
    return dataset
