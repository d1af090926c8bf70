"""Which frames a segmentation has, and what it says of each: the slice it lies on and was derived from, its segment.

There are a thousand items of Per-Frame Functional Groups Sequence (PS3.3 A.51.5.1), so they are put together from
bytes, and what is said of a slice is encoded once for all its segments.
"""

import struct
from collections.abc import Iterator, Sequence

import numpy as np

from domain.errors import UnusableInput
from domain.findings import Code
from domain.measured import PLACE
from sr_writer.codes import concepts
from sr_writer.encoding.explicit import element, item, raw, sequence
from sr_writer.inputs import by_series
from sr_writer.segments.pixels import Bits, Extents
from sr_writer.source import Frame, Instance, Source, Volume


def in_order(found: Sequence[Extents], volume: Volume) -> list[int]:
    """The slices that have a segment, from the last one to the first along the normal of their rows and columns.

    So slices, rows and columns are right-handed. Raises UnusableInput where two of them lie in one place.
    """
    occupied = [index for index, segments in enumerate(found) if segments]
    direction = np.asarray(volume.orientation, float)
    depth = np.asarray([volume.positions[k] for k in occupied], float) @ np.cross(direction[:3], direction[3:])
    order = np.argsort(-depth, kind="stable")
    if (np.abs(np.diff(depth[order])) <= PLACE.of(0)).any():
        raise UnusableInput("the slices do not make a segmentation: two of them lie in one place")
    return [occupied[place] for place in order.tolist()]


def by_segment(found: Sequence[Extents], slices: Sequence[int]) -> list[Bits]:
    """The frames of a binary segmentation: one segment after the other, its slices in order, none without a voxel."""
    frames = [Bits(number, k, start, end) for k in slices for number, (start, end) in found[k].items()]
    return sorted(frames, key=lambda frame: frame.number)


def groups_by_segment(frames: Sequence[Bits], slices: Sequence[int], source: Source, volume: Volume) -> bytes:
    """Per-Frame Functional Groups Sequence for `frames`; their dimensions are the segment, then the slice."""
    parts = {k: _of_slice(source.frames[k], volume.positions[k]) for k in slices}
    places = {k: place for place, k in enumerate(slices, 1)}
    segments = {number: _segment(number) for number in {one.number for one in frames}}
    items = [
        b"".join((derived, _indexed(one.number, places[one.slice]), position, segments[one.number]))
        for one in frames
        for derived, position in (parts[one.slice],)
    ]
    return sequence("PerFrameFunctionalGroupsSequence", *items)


def groups_by_slice(slices: Sequence[int], source: Source, volume: Volume) -> bytes:
    """Per-Frame Functional Groups Sequence for a label map, a frame a slice; their one dimension is the slice."""
    parts = (_of_slice(source.frames[k], volume.positions[k]) for k in slices)
    items = [derived + _indexed(place) + position for place, (derived, position) in enumerate(parts, 1)]
    return sequence("PerFrameFunctionalGroupsSequence", *items)


def references(sources: Sequence[Source]) -> dict[str, bytes]:
    """The elements that name every instance that the model has read, by keyword; priors under their own study."""
    own: list[bytes] = []
    priors: dict[str, list[bytes]] = {}
    for study, series, instances in by_series(sources):
        items = b"".join(item(b"".join(_reference(one))) for one in instances)
        said = raw("ReferencedInstanceSequence", items) + element("SeriesInstanceUID", series)
        (own if study == sources[0].study_uid else priors.setdefault(study, [])).append(said)
    every = [b"".join(_reference(one)) for _, _, instances in by_series(sources) for one in instances]
    found = {
        "ReferencedSeriesSequence": sequence("ReferencedSeriesSequence", *own),
        "SourceImageSequence": sequence("SourceImageSequence", *every),
    }
    if priors:
        keyword = "StudiesContainingOtherReferencedInstancesSequence"
        studies = (
            sequence("ReferencedSeriesSequence", *series) + element("StudyInstanceUID", study)
            for study, series in priors.items()
        )
        found[keyword] = sequence(keyword, *studies)
    return found


def _of_slice(frame: Frame, position: Sequence[object]) -> tuple[bytes, bytes]:
    """Derivation Image Sequence and Plane Position Sequence."""
    source = sequence("SourceImageSequence", b"".join(_source_image(frame)))
    derived = sequence("DerivationImageSequence", source + _DERIVATION)
    return derived, sequence("PlanePositionSequence", element("ImagePositionPatient", *position))


def _source_image(frame: Frame) -> Iterator[bytes]:
    yield from _reference(frame.instance)
    if frame.instance.multi_frame:
        yield element("ReferencedFrameNumber", frame.number)
    yield _PURPOSE


def _reference(instance: Instance) -> Iterator[bytes]:
    yield element("ReferencedSOPClassUID", instance.sop_class_uid)
    yield element("ReferencedSOPInstanceUID", instance.sop_instance_uid)


def _indexed(*indices: int) -> bytes:
    """Frame Content Sequence; its last bytes are the indices, and only they differ."""
    return _INDEXED[len(indices)] + struct.pack(f"<{len(indices)}L", *indices)


def _segment(number: int) -> bytes:
    return sequence("SegmentIdentificationSequence", element("ReferencedSegmentNumber", number))


def _coded(keyword: str, code: Code) -> bytes:
    parts = (("CodeValue", code.value), ("CodingSchemeDesignator", code.scheme), ("CodeMeaning", code.meaning))
    return sequence(keyword, b"".join(element(name, one) for name, one in parts))


def _unindexed(dimensions: int) -> bytes:
    whole = sequence("FrameContentSequence", element("DimensionIndexValues", *[0] * dimensions))
    return whole[: -4 * dimensions]


# What is the same in every frame.
_DERIVATION = _coded("DerivationCodeSequence", concepts.SEGMENTATION.code)
_PURPOSE = element("SpatialLocationsPreserved", "YES") + _coded("PurposeOfReferenceCodeSequence", concepts.SOURCE_IMAGE)
_INDEXED = {dimensions: _unindexed(dimensions) for dimensions in (1, 2)}
