"""One run's findings as the objects that go home: a SEG where a voxel was marked, and always an SR.

Where there is both a SEG and what a classifier found, the latter goes into an SR of its own (see `report`). Maps stay
where they are kept: no object here holds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

from domain.errors import IntegrityError
from domain.findings import Findings, Likelihood
from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from sr_writer.elements import encoded, joined
from sr_writer.equipment import contributing_equipment
from sr_writer.report import reports
from sr_writer.segmentation import segmentation
from sr_writer.source import Source, read_source
from sr_writer.stamp import Stamp, stamp_of
from sr_writer.wording import warning


@dataclass(frozen=True)
class Predecessor:
    """A result of an earlier run on the same study that the new one supersedes; `kind` as in `ResultObject`."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class ResultObject:
    """One finished object; `kind` is "SEG", "SR" or "SR-LIKELIHOODS", `part10` the whole file."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    part10: bytes


def write(
    findings: Findings,
    mask: NDArray[np.uint8] | None,
    sources: Sequence[Path],
    predecessors: Sequence[Predecessor],
    content_time: datetime,
) -> tuple[ResultObject, ...]:
    """The results of one run: SEG first, then the SRs; no SEG where no voxel is marked.

    `mask` is (slices, rows, columns), each voxel the number of its segment or 0; slice k lies on frame k of the
    findings. `sources` are Part 10 files that hold all of those frames. `content_time` is aware and constant over the
    retries of a job: with it, the same input gives the same bytes. Of the predecessors each SR names the SRs; a
    Segmentation has no attribute to name its own.

    Raises UnusableInput for a source without what a result needs, Retryable for one that cannot be opened,
    IntegrityError for a mask that is not of these findings, or likelihoods that are none.
    """
    for likelihood in findings.likelihoods:
        _check(likelihood, len(findings.frames))
    source = read_source(sources, findings.frames, volumetric=mask is not None)
    stamp = stamp_of(findings, source, content_time)
    present = _present(findings, mask, source)
    seg = _segmentation(findings, mask, source, stamp) if present else None
    earlier = [predecessor for predecessor in predecessors if predecessor.kind != "SEG"]
    finished = [] if seg is None else [_finished("SEG", seg, {**source.identity, **source.region}, findings, stamp)]
    for kind, sr in reports(findings, seg, present, source, stamp):
        if earlier:
            sr.PredecessorDocumentsSequence = [_predecessors(earlier, source.study_uid)]
        finished.append(_finished(kind, sr, source.identity, findings, stamp))
    return tuple(finished)


def _segmentation(findings: Findings, mask: NDArray[np.uint8] | None, source: Source, stamp: Stamp) -> Dataset:
    assert mask is not None and source.volume is not None  # a voxel is marked, and a mask makes the source volumetric
    seg = segmentation(findings, mask, source, source.volume, stamp)
    seg.ImageComments = warning(findings.model)
    return seg


def _check(likelihood: Likelihood, frames: int) -> None:
    """A probability is from 0 to 1, not NaN, and of an image that the findings are about."""
    if not 0 <= likelihood.probability <= 1:
        raise IntegrityError(f"the probability of {likelihood.label} is {likelihood.probability}")
    if likelihood.frame is not None and not 0 <= likelihood.frame < frames:
        raise IntegrityError(f"{likelihood.label} is of image {likelihood.frame} of {frames}")


def _present(findings: Findings, mask: NDArray[np.uint8] | None, source: Source) -> frozenset[int]:
    """The numbers of the segments that have a voxel."""
    if mask is None:
        return frozenset()
    assert source.volume is not None  # a mask has made the source volumetric
    expected = (len(source.frames), source.volume.rows, source.volume.columns)
    if mask.shape != expected or mask.dtype != np.uint8:
        raise IntegrityError(f"the mask is {mask.dtype} {mask.shape}, its source is uint8 {expected}")
    # Slice by slice: counting takes eight times the memory of what it counts.
    counts = sum((np.bincount(labels.reshape(-1), minlength=256) for labels in mask), np.zeros(256, np.int64))
    numbers = frozenset(np.flatnonzero(counts).tolist()) - {0}
    unknown = numbers - {segment.number for segment in findings.segments}
    if unknown:
        raise IntegrityError(f"the mask holds segment {min(unknown)}, which the findings do not name")
    return numbers


def _predecessors(earlier: Sequence[Predecessor], study_uid: str) -> Dataset:
    """An item of Predecessor Documents Sequence (PS3.3 C.17.2)."""
    item = Dataset()
    item.StudyInstanceUID = study_uid
    item.ReferencedSeriesSequence = [_predecessor(one) for one in earlier]
    return item


def _predecessor(one: Predecessor) -> Dataset:
    document, series = Dataset(), Dataset()
    document.ReferencedSOPClassUID, document.ReferencedSOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
    series.SeriesInstanceUID = one.series_instance_uid
    series.ReferencedSOPSequence = [document]
    return series


def _finished(
    kind: str, dataset: Dataset, identity: Mapping[int, bytes], findings: Findings, stamp: Stamp
) -> ResultObject:
    """The object with its times, its maker and the patient's identity, as a file."""
    for what in ("InstanceCreation", "Series", "Content"):
        setattr(dataset, f"{what}Date", stamp.date)
        setattr(dataset, f"{what}Time", stamp.time)
    dataset.TimezoneOffsetFromUTC = stamp.time_zone
    dataset.ContentQualification = "RESEARCH"
    dataset.DeviceUID = findings.model.device_uid
    # highdicom adds itself here; the model is the one processing equipment.
    dataset.ContributingEquipmentSequence = contributing_equipment(findings.model, stamp)
    return ResultObject(
        kind=kind,
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        transfer_syntax_uid=str(ExplicitVRLittleEndian),
        part10=_file_head(dataset) + joined(encoded(dataset), identity),
    )


def _file_head(dataset: Dataset) -> bytes:
    """Preamble, prefix and file meta information (PS3.10 section 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationGroupLength = 0  # counted while it is written
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    out = DicomBytesIO()
    out.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(out, meta, enforce_standard=False)
    return out.getvalue()
