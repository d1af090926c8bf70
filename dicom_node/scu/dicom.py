"""What is asked of an archive that speaks DICOM, under the names that every kind has (`dicom_node.scu.kinds`)."""

from dicom_node.scu.presence import holds
from dicom_node.scu.probe import probe
from dicom_node.scu.store import echo, send

__all__ = ["echo", "holds", "probe", "send"]
