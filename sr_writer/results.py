"""One run's findings as the objects that go home: a SEG where a voxel was marked, and always an SR."""

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
from domain.findings import Findings, ModelIdentity
from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from sr_writer.elements import encoded, joined
from sr_writer.equipment import contributing_equipment
from sr_writer.report import report
from sr_writer.segmentation import segmentation
from sr_writer.source import Source, read_source
from sr_writer.stamp import Stamp, stamp_of
from sr_writer.wording import warning


@dataclass(frozen=True)
class Predecessor:
    """A result of an earlier run on the same study that the new one supersedes. `kind` is "SEG" or "SR"."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class ResultObject:
    """One finished object; `kind` is "SEG" or "SR", `part10` the whole file."""

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
    """The results of one run: SEG first, then the SR that refers to it; no SEG where no voxel is marked.

    `mask` is (slices, rows, columns), each voxel the number of its segment or 0; slice k lies on frame k of the
    findings. `sources` are Part 10 files that hold all of those frames. `content_time` is aware and constant over the
    retries of a job: with it, the same input gives the same bytes. Of the predecessors the SR names the SRs; a
    Segmentation has no attribute to name its own.

    Raises UnusableInput for a source without what a result needs, Retryable for one that cannot be opened,
    IntegrityError for a mask that is not of these findings.
    """
    source = read_source(sources, findings.frames)
    stamp = stamp_of(findings, source, content_time)
    present = _present(findings, mask, source)
    seg = segmentation(findings, mask, source, stamp) if mask is not None and present else None
    sr = report(findings, seg, present, source, stamp)
    earlier = [predecessor for predecessor in predecessors if predecessor.kind == "SR"]
    if earlier:
        sr.PredecessorDocumentsSequence = [_predecessors(earlier, source.study_uid)]
    objects = [("SR", sr, source.identity)]
    if seg is not None:
        seg.ImageComments = warning(findings.model)
        objects.insert(0, ("SEG", seg, {**source.identity, **source.region}))
    return tuple(_finished(kind, one, whose, findings.model, stamp) for kind, one, whose in objects)


def _present(findings: Findings, mask: NDArray[np.uint8] | None, source: Source) -> frozenset[int]:
    """The numbers of the segments that have a voxel."""
    if mask is None:
        return frozenset()
    expected = (len(source.planes), source.rows, source.columns)
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
    kind: str, dataset: Dataset, identity: Mapping[int, bytes], model: ModelIdentity, stamp: Stamp
) -> ResultObject:
    """The object with its times, its maker and the patient's identity, as a file."""
    for what in ("InstanceCreation", "Series", "Content"):
        setattr(dataset, f"{what}Date", stamp.date)
        setattr(dataset, f"{what}Time", stamp.time)
    dataset.TimezoneOffsetFromUTC = stamp.time_zone
    dataset.ContentQualification = "RESEARCH"
    dataset.DeviceUID = model.device_uid
    # highdicom adds itself here; the model is the one processing equipment.
    dataset.ContributingEquipmentSequence = contributing_equipment(model, stamp)
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
