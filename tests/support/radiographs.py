"""Valid radiographs of nobody (CR and DX): any pixels, any of the attributes that an intended use asks about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)


@dataclass(frozen=True)
class Radiograph:
    """One image; UIDs are a function of `study`, `series` and `number`. `pixels` is (rows, columns), 8 or 16 bits."""

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    modality: str = "CR"
    view: str = "PA"
    body_part: str = "CHEST"
    photometric: str = "MONOCHROME2"
    age: str = "045Y"
    window: tuple[float, float] | None = None
    spacing: tuple[float, float] | None = (0.2, 0.2)
    study: str = "radiographs"
    series: str = "1"
    series_number: int = 1
    number: int = 1
    patient_name: str = "Radiograph^Test"
    patient_id: str = "RADIOGRAPH"

    def dataset(self) -> Dataset:
        """The instance, in Explicit VR Little Endian."""
        kind = ComputedRadiographyImageStorage if self.modality == "CR" else DigitalXRayImageStorageForPresentation
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
        dataset.SOPClassUID, dataset.SOPInstanceUID = kind, self._uid(self.series, str(self.number))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self._uid(), self._uid(self.series)
        dataset.StudyDate = dataset.ContentDate = dataset.AcquisitionDate = "20260102"
        dataset.StudyTime = dataset.ContentTime = dataset.AcquisitionTime = "090000"
        dataset.PatientName, dataset.PatientID = self.patient_name, self.patient_id
        dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "", "O", self.age
        dataset.AccessionNumber, dataset.ReferringPhysicianName, dataset.StudyID = "", "", "1"
        dataset.Modality, dataset.Manufacturer = self.modality, "Phantom Works"
        dataset.BodyPartExamined, dataset.ViewPosition, dataset.Laterality = self.body_part, self.view, ""
        dataset.SeriesNumber, dataset.InstanceNumber = self.series_number, self.number
        dataset.PatientOrientation = ["L", "F"]
        self._describe_pixels(dataset)
        return dataset

    def _describe_pixels(self, dataset: Dataset) -> None:
        dataset.Rows, dataset.Columns = self.pixels.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, self.photometric
        bits = self.pixels.dtype.itemsize * 8
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
        if self.spacing:
            dataset.ImagerPixelSpacing = list(self.spacing)
        if self.window:
            dataset.WindowCenter, dataset.WindowWidth = self.window
        if self.modality == "DX":
            dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
            dataset.PresentationIntentType = "FOR PRESENTATION"
            inverse = self.photometric == "MONOCHROME1"
            dataset.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
        dataset.add_new("PixelData", "OB" if bits == 8 else "OW", self.pixels.tobytes())

    def _uid(self, *parts: str) -> str:
        return generate_uid(entropy_srcs=["radiograph", self.study, *parts])
