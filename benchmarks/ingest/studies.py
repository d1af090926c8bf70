"""The studies that are sent: CT slices of noise, the same bytes on every machine."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

# What every slice says of itself; a header of the size and kind that scanners write.
_COMMON = {
    "SOPClassUID": CTImageStorage,
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "StudyDate": "20260102",
    "SeriesDate": "20260102",
    "StudyTime": "030405",
    "SeriesTime": "030405",
    "AccessionNumber": "A1",
    "Modality": "CT",
    "Manufacturer": "Noise",
    "ReferringPhysicianName": "",
    "StudyDescription": "Benchmark",
    "PatientName": "Noise^White",
    "PatientBirthDate": "",
    "PatientSex": "O",
    "BodyPartExamined": "CHEST",
    "SliceThickness": "1",
    "KVP": "120",
    "StudyID": "1",
    "SeriesNumber": "1",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PositionReferenceIndicator": "",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": [1, 1],
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
}


@dataclass(frozen=True)
class Study:
    """One series of `count` slices of `side` x `side` pixels of 16 bit; `name` makes its UIDs its own."""

    name: str
    count: int
    side: int

    def slice(self, number: int) -> Dataset:
        """Slice `number`, from 1, with file meta."""
        image = Dataset()
        for keyword, value in _COMMON.items():
            setattr(image, keyword, value)
        image.PatientID = self.name
        image.StudyInstanceUID, image.SeriesInstanceUID = self._uid("study"), self._uid("series")
        image.FrameOfReferenceUID = self._uid("frame of reference")
        image.SOPInstanceUID = self._uid(str(number))
        image.InstanceNumber = str(number)
        image.ImagePositionPatient = [-250, -250, number]
        image.Rows = image.Columns = self.side
        image.PixelData = np.random.default_rng(number).integers(0, 4096, self.side**2, np.uint16).tobytes()
        image.file_meta = FileMetaDataset()
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return image

    def write(self, root: Path) -> "Files":
        """One file a slice, in a folder of its own under `root`."""
        folder = root / self.name
        folder.mkdir(parents=True)
        paths = [folder / f"{number:05d}.dcm" for number in range(1, self.count + 1)]
        for number, path in enumerate(paths, 1):
            self.slice(number).save_as(path, enforce_file_format=True)
        return Files(folder, tuple(paths), sum(path.stat().st_size for path in paths))

    def _uid(self, what: str) -> str:
        return generate_uid(entropy_srcs=["dicom-node benchmark", self.name, what])


@dataclass(frozen=True)
class Files:
    """A study as files in a folder that holds nothing else; `size` is that of all together, in bytes."""

    folder: Path
    paths: tuple[Path, ...]
    size: int


def large(name: str, count: int) -> Study:
    """Slices of 512 KB, as CT makes them: 500 are 262 MB."""
    return Study(name, count, 512)


def small(name: str, count: int) -> Study:
    """Slices of 39 KB, where the cost of an instance by itself decides."""
    return Study(name, count, 140)
