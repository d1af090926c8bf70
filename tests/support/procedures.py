"""What a modality and an archive say of a procedure: data sets of MPPS and of Instance Availability Notification."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom_node.part10 import head

MPPS = "1.2.840.10008.3.1.2.3.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.826.0.1.3680043.2.1"
CODE = ("CTTHOR", "99RIS", "CT thorax")


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    """A code item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def request(study: str = STUDY, **attributes: object) -> Dataset:
    """An item that says what was requested of a study."""
    item = Dataset()
    item.StudyInstanceUID = study
    item.ReferencedStudySequence = []
    item.AccessionNumber = "A-4711"
    item.RequestedProcedureID = "RP-1"
    item.RequestedProcedureDescription = "CT of the thorax"
    item.RequestedProcedureCodeSequence = [coded(*CODE)]
    item.ScheduledProcedureStepID = "SPS-1"
    item.ScheduledProcedureStepDescription = "thorax, native"
    item.ScheduledProtocolCodeSequence = []
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def begun(*requests: Dataset, **attributes: object) -> Dataset:
    """The data set of an N-CREATE."""
    step = Dataset()
    step.ScheduledStepAttributesSequence = list(requests) or [request()]
    step.PatientName, step.PatientID, step.PatientBirthDate, step.PatientSex = "Moe^Sue", "P-1", "19600101", "F"
    step.ReferencedPatientSequence = []
    step.PerformedProcedureStepID, step.PerformedStationAETitle = "PPS-1", "CT1"
    step.PerformedStationName = step.PerformedLocation = ""
    step.PerformedProcedureStepStartDate, step.PerformedProcedureStepStartTime = "20260130", "101500"
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PerformedProcedureStepDescription = step.PerformedProcedureTypeDescription = ""
    step.ProcedureCodeSequence = []
    step.PerformedProcedureStepEndDate = step.PerformedProcedureStepEndTime = ""
    step.Modality, step.StudyID = "CT", "1"
    step.PerformedProtocolCodeSequence, step.PerformedSeriesSequence = [], []
    for keyword, value in attributes.items():
        setattr(step, keyword, value)
    return step


def ended(series: Mapping[str, Sequence[str]], status: str = "COMPLETED", **attributes: object) -> Dataset:
    """The data set of an N-SET that ends a step."""
    step = Dataset()
    step.PerformedProcedureStepStatus = status
    step.PerformedProcedureStepEndDate, step.PerformedProcedureStepEndTime = "20260130", "102000"
    step.PerformedSeriesSequence = [performed(uid, uids) for uid, uids in series.items()]
    for keyword, value in attributes.items():
        setattr(step, keyword, value)
    return step


def performed(uid: str, instances: Sequence[str]) -> Dataset:
    """An item of what was performed."""
    item = Dataset()
    item.PerformingPhysicianName = item.OperatorsName = item.RetrieveAETitle = item.SeriesDescription = ""
    item.ProtocolName, item.SeriesInstanceUID = "Thorax", uid
    item.ReferencedImageSequence = [reference(one) for one in instances]
    item.ReferencedNonImageCompositeSOPInstanceSequence = []
    return item


def reference(uid: str, **attributes: object) -> Dataset:
    """A reference to an image."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def notification(series: Mapping[str, Sequence[str]], study: str = STUDY, availability: str = "ONLINE") -> Dataset:
    """The data set of an Instance Availability Notification."""
    said = Dataset()
    said.StudyInstanceUID, said.ReferencedPerformedProcedureStepSequence = study, []
    said.ReferencedSeriesSequence = []
    for uid, instances in series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        where = {"InstanceAvailability": availability, "RetrieveAETitle": "PACS"}
        item.ReferencedSOPSequence = [reference(one, **where) for one in instances]
        said.ReferencedSeriesSequence.append(item)
    return said


def as_bytes(dataset: Dataset, implicit: bool = False, little: bool = True) -> bytes:
    """As it is sent."""
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = implicit, little
    write_dataset(out, dataset)
    return out.getvalue()


def as_file(dataset: Dataset, path: Path, sop_class: str = MPPS) -> Path:
    """As the node keeps it."""
    path.write_bytes(head(sop_class, "1.2.3.4.5", "1.2.840.10008.1.2.1") + as_bytes(dataset))
    return path
