"""Instances into the spool as the listener writes them, for tests without a network."""

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.spool import PART, AssociationWriter, Close, Peer, SpoolWriter

SCANNER = Peer("SCANNER", "NODE", "127.0.0.1")


def encoded(dataset: Dataset) -> bytes:
    """The data set as a sender encodes it in explicit VR little endian."""
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = False, True
    write_dataset(file, dataset)
    return file.getvalue()


def store(association: AssociationWriter, data: bytes, sop_class: str, sop_instance: str) -> None:
    """One instance, in parts where it is long."""
    association.begin(sop_class, sop_instance, ExplicitVRLittleEndian, 1)
    for start in range(0, len(data), PART):
        piece = data[start : start + PART]
        if start:
            association.flush()
        association.buffer[: len(piece)] = piece
        association.fill = len(piece)
    association.commit()


def send(writer: SpoolWriter, datasets: Iterable[Dataset], peer: Peer = SCANNER) -> None:
    """One association that stores `datasets` and is released."""
    association = writer.open_association(peer, {})
    for dataset in datasets:
        store(association, encoded(dataset), dataset.SOPClassUID, dataset.SOPInstanceUID)
    writer.close_association(association, Close.RELEASED, "")
