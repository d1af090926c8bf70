"""Results that count no more, as a rejection note (IHE RAD TF-2 4.66, Rejection Note Stored).

A Key Object Selection Document (PS3.3 A.35.4) whose title says why. What an archive does with it is its own affair, as
it is configured; IHE's terms for the titles, and what archives make of them:

    113039  Data Retention Policy Expired         hidden with the note, may be deleted: for what newer results supersede
    113037  Rejected for Patient Safety Reasons   hidden from everybody who treats: for what is wrong

Not used: 113001 (Rejected for Quality Reasons), which archives may go on showing and whose reasons (CID 7011) are of
images; 113038 (Incorrect Modality Worklist Entry), which is said of what a modality acquired under a wrong entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import Dataset

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import text_of
from domain.findings import Findings, ModelIdentity
from domain.profiles import (
    KEY_OBJECT_SELECTION,
    LABEL_MAP_SEGMENTATION,
    PARAMETRIC_MAP,
    SECONDARY_CAPTURE,
    SEGMENTATION,
    ResultFormat,
    ResultKind,
)
from domain.rejections import Cause
from sr_writer.codes import concepts
from sr_writer.codes.wording import REJECTION_SERIES_NUMBER, concept, plain, rejection_description, warning
from sr_writer.content import Predecessor
from sr_writer.encoding.elements import encoded, merged
from sr_writer.encoding.part10 import part10
from sr_writer.equipment import general_equipment, sign
from sr_writer.identity import IDENTITY, identity
from sr_writer.provenance import Provenance, moment_in
from sr_writer.results import ResultObject
from sr_writer.source import time_zone

_TITLES = {Cause.SUPERSEDED: concepts.RETENTION_EXPIRED, Cause.WITHDRAWN: concepts.PATIENT_SAFETY}
# The others are documents or presentation states: composite objects, in a reference to them (PS3.3 A.35.4.3.1).
_IMAGES = frozenset({SEGMENTATION, LABEL_MAP_SEGMENTATION, PARAMETRIC_MAP, SECONDARY_CAPTURE})


@dataclass(frozen=True)
class Rejected:
    """What counts no more: the results of one run that a destination has, and why.

    `file` is one of them as it was sent, whose patient and study are the note's. `number` is theirs among the study's
    results by this model, `made` when they were; `successor` is the number of those that supersede them.
    """

    results: Sequence[Predecessor]
    file: Path
    cause: Cause
    number: int
    made: datetime
    successor: int | None = None


def rejection_note(
    findings: Findings, rejected: Rejected, name: str, moment: datetime, transfer_syntax: str
) -> ResultObject:
    """The note, whose UIDs derive from the run and from `name`: the same call gives the same bytes.

    `moment` is aware. Raises UnusableInput or Retryable where the file of a result cannot be read.
    """
    head = opened(rejected.file, "a result", (*IDENTITY, "TimezoneOffsetFromUTC"))
    model = findings.model
    zone = time_zone(text_of(head, "TimezoneOffsetFromUTC"))
    stamp = Provenance(
        text_of(head, "StudyInstanceUID"), model.name, model.version, model.digest, findings.input_digest,
        moment_in(zone, moment),
    )  # fmt: skip
    dataset = _document(model, rejected, f"rejection_{rejected.cause}_{name}", stamp)
    sign(dataset, model, stamp)
    body = merged(encoded(dataset), identity(head).elements)
    return ResultObject(
        form=ResultFormat(ResultKind.KOS, KEY_OBJECT_SELECTION, transfer_syntax),
        study_uid=stamp.study_uid,
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        pieces=part10(dataset, body, transfer_syntax),
    )


def _document(model: ModelIdentity, rejected: Rejected, name: str, stamp: Provenance) -> Dataset:
    evidence = [_evidence(one, stamp.study_uid) for one in rejected.results]
    said = plain(_said(model, rejected, stamp))
    dataset: Dataset = KeyObjectSelectionDocument(
        evidence=evidence,
        content=KeyObjectSelection(concept(_TITLES[rejected.cause]), evidence, description=said),
        series_instance_uid=stamp.uid(f"{name}-series"),
        series_number=REJECTION_SERIES_NUMBER,
        series_description=rejection_description(model, rejected.cause, rejected.number),
        sop_instance_uid=stamp.uid(name),
        instance_number=1,
        **general_equipment(model),
    )
    for item in dataset.ContentSequence:
        if item.ValueType in ("IMAGE", "COMPOSITE"):  # the template leaves them without a name
            del item.ConceptNameCodeSequence
    return dataset


def _evidence(one: Predecessor, study_uid: str) -> Dataset:
    """A result as far as a reference to it needs; who the patient is comes from the file's own bytes."""
    result = Dataset()
    result.SOPClassUID, result.SOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
    result.StudyInstanceUID, result.SeriesInstanceUID = study_uid, one.series_instance_uid
    if one.sop_class_uid in _IMAGES:
        result.Rows = result.Columns = 1  # what makes it an image for the library; neither is written
    result.PatientID = result.PatientName = result.PatientBirthDate = result.PatientSex = ""
    result.AccessionNumber = result.StudyID = result.StudyDate = result.StudyTime = ""
    return result


def _said(model: ModelIdentity, rejected: Rejected, stamp: Provenance) -> str:
    made = rejected.made.astimezone(stamp.moment.tzinfo)
    which = f"Result {rejected.number} of {model.title} ({model.name} {model.version}) of {made:%Y-%m-%d %H:%M}"
    if rejected.cause is Cause.WITHDRAWN:
        return f"{which} was withdrawn as wrong and must not be used. {warning(model)}."
    successor = f"result {rejected.successor}" if rejected.successor else "a newer result"
    return f"{which} is superseded by {successor} of the same model on this study. {warning(model)}."
