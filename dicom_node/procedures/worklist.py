"""What a modality worklist has of a study (PS3.4 annex K): asked by its UID, else by its accession number.

Which keys a worklist matches by is its own affair: all that are not required (table K.6-1) it may ignore, and then it
gives every item that it has. So each item is looked at here once more, and of none more is kept than was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag

from config.peers import Peer
from dicom_node.attributes.files import by_pydicom
from dicom_node.attributes.reader import is_uid, text_of
from dicom_node.elements import EXPLICIT
from dicom_node.part10 import head
from dicom_node.procedures import MODALITY_WORKLIST
from dicom_node.procedures.requests import of_item
from dicom_node.scu.find import find
from domain.errors import UnusableInput
from domain.ids import derived_uid
from domain.procedures import RequestedProcedure

# Steps of one study; and what a worklist gives that matches by nothing that it was asked for: a day's work.
_MOST_OF_STUDY, _MOST_ITEMS = 16, 2000
_WILD = frozenset("*?\\")
_TOLD = (
    "AccessionNumber", "IssuerOfAccessionNumberSequence", "ReferencedStudySequence", "StudyInstanceUID",
    "RequestedProcedureID", "RequestedProcedureDescription", "RequestedProcedureCodeSequence",
    "ReasonForTheRequestedProcedure", "ReasonForRequestedProcedureCodeSequence",
    "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest", "PatientID",
)  # fmt: skip
_KEPT = (int(Tag("SpecificCharacterSet")), *(int(Tag(one)) for one in _TOLD if one != "PatientID"))
_STEP = ("ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality")


@dataclass(frozen=True)
class Order:
    """By what a study is known there, as one of its images states it; whom it is of is compared and not asked for."""

    study_uid: str
    accession: str
    patient_id: str


@dataclass(frozen=True)
class WorklistItem:
    """What was requested, and the Part 10 file that says so, under a UID of the node's own."""

    sop_uid: str
    procedure: RequestedProcedure
    file: bytes


def ask(peer: Peer, our_aet: str, order: Order, timeout: float) -> list[WorklistItem]:
    """The items of the study; `timeout` (s) is for each of two questions. Raises as `find` does."""
    found = _found(peer, our_aet, timeout, order, StudyInstanceUID=order.study_uid)
    if not found and order.accession and not set(order.accession) & _WILD and order.accession.isascii():
        found = _found(peer, our_aet, timeout, order, AccessionNumber=order.accession)
    made = {kept: one for one in found if (kept := _encoded(one))}
    items = list(made.items())[:_MOST_OF_STUDY]
    return [_item(peer, order, number, one, kept) for number, (kept, one) in enumerate(items, 1)]


def _found(peer: Peer, our_aet: str, timeout: float, order: Order, **keys: str) -> list[Dataset]:
    answers = find(peer, our_aet, MODALITY_WORKLIST, "", _keys(**keys), timeout, _MOST_ITEMS)
    return [one for one in answers if is_of(one, order)]


def is_of(item: Dataset, order: Order) -> bool:
    """Whether an item is of the study: by its UID, else by number and patient, for two houses may give one number.

    What names another patient is not, whatever its UID: the images may have been corrected since.
    """
    patient = text_of(item, "PatientID")
    if text_of(item, "StudyInstanceUID") == order.study_uid:
        return not (patient and order.patient_id) or patient == order.patient_id
    named = (text_of(item, "AccessionNumber"), patient)
    return bool(order.accession and order.patient_id) and named == (order.accession, order.patient_id)


def _keys(**values: str) -> Dataset:
    """What is asked for: values to match, and empty ones to be told."""
    keys, step = Dataset(), Dataset()
    for keyword in _TOLD:
        setattr(keys, keyword, Items() if keyword.endswith("Sequence") else "")
    for keyword in _STEP:
        setattr(step, keyword, "")
    keys.ScheduledProcedureStepSequence = [step]
    for keyword, value in values.items():
        setattr(keys, keyword, value)
    return keys


def _encoded(item: Dataset) -> bytes:
    """What is kept of an item; nothing of one that cannot be written."""
    kept = Dataset()
    for tag in _KEPT:
        if tag in item:
            kept[tag] = item.get_item(tag, keep_deferred=True)
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    try:
        by_pydicom(partial(write_dataset, out, kept), "an item of a worklist cannot be written")
    except UnusableInput:
        return b""
    return out.getvalue()


def _item(peer: Peer, order: Order, number: int, item: Dataset, kept: bytes) -> WorklistItem:
    uid = derived_uid("worklist", peer.name, order.study_uid, str(number))
    return WorklistItem(
        uid, of_item(item, text_of(item, "SpecificCharacterSet")), head(MODALITY_WORKLIST, uid, EXPLICIT) + kept
    )


def order_of(image: Dataset) -> Order:
    """By what the study of an image is known."""
    uid, accession, patient = (text_of(image, one) for one in ("StudyInstanceUID", "AccessionNumber", "PatientID"))
    return Order(uid if is_uid(uid) else "", accession, patient)


#: What `order_of` reads of an image.
OF_AN_IMAGE: Sequence[str] = ("StudyInstanceUID", "AccessionNumber", "PatientID")
