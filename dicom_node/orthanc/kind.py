"""What is asked of an archive by Orthanc's REST API, under the names that every kind has (`dicom_node.scu.kinds`)."""

from dicom_node.orthanc.destination import echo, holds, probe, send

__all__ = ["echo", "holds", "probe", "send"]
