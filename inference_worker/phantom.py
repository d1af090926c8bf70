"""A chest CT of nobody, for a trial of the node: `python -m inference_worker.phantom FOLDER` writes it.

A simple body (fat, muscle, spine, ribs' ring, heart, trachea) with two lungs that hold vessels. It is made up of smooth
shapes in the patient's space (LPS, mm), so every voxel's value is known; it is no test of a model's quality.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from domain.ids import derived_uid

Float = NDArray[np.float32]
Point = tuple[float, float, float]

_AIR, _LUNG, _FAT, _MUSCLE, _BLOOD, _BONE = -1000, -830, -100, 45, 55, 420
_NOISE_HU = 15.0
_SEED = 20260101


@dataclass(frozen=True)
class ChestPhantom:
    """The series: `slices` of `size` x `size` voxels, `spacing` mm between slices and `pixel` mm between pixels.

    `nodules` are balls of soft tissue in the lungs: middle (LPS, mm) and radius (mm). `noise` is a standard deviation
    (HU).
    """

    slices: int = 96
    size: int = 256
    spacing: float = 3.0
    pixel: float = 1.5
    nodules: tuple[tuple[Point, float], ...] = ()
    noise: float = _NOISE_HU

    def write(self, folder: Path) -> list[Path]:
        """Write one CT Image Storage instance a slice, feet first, and return the paths. Same UIDs every time."""
        folder.mkdir(parents=True, exist_ok=True)
        return [_saved(dataset, folder) for dataset in self._datasets()]

    def _datasets(self) -> Iterator[Dataset]:
        noise = np.random.default_rng(_SEED)
        for k in range(self.slices):
            values = self._slice(k) + noise.normal(0, self.noise, (self.size, self.size))
            yield self._dataset(k, values.round().clip(-1024, 3071).astype("<i2"))

    def _slice(self, k: int) -> Float:
        """HU of slice k."""
        z = self._height(k)
        across = (np.arange(self.size, dtype=np.float32) - (self.size - 1) / 2) * self.pixel
        y, x = np.meshgrid(across, across, indexing="ij")
        values = _values(x, y, z)
        for middle, radius in self.nodules:
            _paint(values, _ball(x, y, z, middle, (radius, radius, radius)), _MUSCLE)
        return values

    def _height(self, k: int) -> float:
        return (k - (self.slices - 1) / 2) * self.spacing

    def _dataset(self, k: int, values: NDArray[np.int16]) -> Dataset:
        corner = -(self.size - 1) / 2 * self.pixel
        dataset = _common(k)
        dataset.SliceThickness = self.spacing
        dataset.ImagePositionPatient = [corner, corner, self._height(k)]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [self.pixel, self.pixel]
        dataset.Rows = dataset.Columns = self.size
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "HU"
        dataset.add_new("PixelData", "OW", values.tobytes())
        return dataset


def _common(k: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, derived_uid("phantom", "instance", str(k))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = derived_uid("phantom"), derived_uid("phantom", "series")
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = derived_uid("phantom", "frame"), ""
    dataset.StudyDate = dataset.ContentDate = "20260101"
    dataset.StudyTime = dataset.ContentTime = "080000"
    dataset.PatientName, dataset.PatientID = "Phantom^Chest", "PHANTOM"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientPosition = "", "O", "HFS"
    dataset.AccessionNumber, dataset.ReferringPhysicianName, dataset.StudyID = "", "", "1"
    dataset.Modality, dataset.Manufacturer, dataset.KVP = "CT", "dicom-node phantom", None
    dataset.StudyDescription, dataset.SeriesDescription = "Phantom of a chest", "Chest phantom"
    dataset.BodyPartExamined = "CHEST"
    dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = 1, 1, k + 1
    return dataset


def _saved(dataset: Dataset, folder: Path) -> Path:
    path = folder / f"{dataset.InstanceNumber:04}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _values(x: Float, y: Float, z: float) -> Float:
    """HU at points of one axial plane; later shapes cover earlier ones."""
    values = np.full(x.shape, _AIR, np.float32)
    _paint(values, _tube(x, y, (0, 0), (172, 118)), _FAT)
    _paint(values, _tube(x, y, (0, 0), (158, 104)), _MUSCLE)
    ribs = _tube(x, y, (0, 0), (146, 92)) - _tube(x, y, (0, 0), (136, 82))
    _paint(values, ribs * (np.cos(z / 4 + y / 18) > 0.2), _BONE)
    heart = _ball(x, y, z, (28, -28, -45), (58, 46, 52))
    for lung in _lungs(x, y, z):
        share = lung * (1 - heart)
        _paint(values, share, _LUNG)
        _paint(values, share * _vessels(x, y, z), _BLOOD)
    _paint(values, heart, _BLOOD)
    _paint(values, _tube(x, y, (0, 74), (19, 17)), _BONE)
    _paint(values, _tube(x, y, (0, 20), (9, 9)) * (z > 30), _AIR)
    table = (np.abs(y - 128) < 4) & (np.abs(x) < 180)
    values[table] = -200
    return values


def _lungs(x: Float, y: Float, z: float) -> Iterator[Float]:
    """Right, then left; each flattened towards the midline and cut by a dome of the diaphragm."""
    for side in (-1, 1):
        whole = _ball(x, y, z, (side * 74, 0, -10), (60, 84, 122))
        dome = _ball(x, y, z, (side * 74, -5, -135 - 8 * side), (85, 100, 70))
        yield whole * (1 - dome) * _edge(side * x - 17, 1)


def _vessels(x: Float, y: Float, z: float) -> Float:
    """Thin branches: the ridges of crossing waves, finer away from the hilum."""
    first = np.sin(x / 7 + 1.7 * np.sin(y / 19)) + np.sin(z / 8 + x / 23)
    second = np.sin(y / 7 + 1.3 * np.sin(z / 17)) + np.sin((x - z) / 11)
    return np.asarray(np.clip(1 - 3.5 * np.hypot(first, second), 0, 1), np.float32)


def _ball(x: Float, y: Float, z: float, centre: Point, axes: Point) -> Float:
    """Share of each voxel inside an ellipsoid (mm)."""
    (cx, cy, cz), (a, b, c) = centre, axes
    distance = np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2)
    return _edge(1 - distance, min(axes))


def _tube(x: Float, y: Float, centre: tuple[float, float], axes: tuple[float, float]) -> Float:
    """Share of each voxel inside an elliptic cylinder along the body (mm)."""
    distance = np.sqrt(((x - centre[0]) / axes[0]) ** 2 + ((y - centre[1]) / axes[1]) ** 2)
    return _edge(1 - distance, min(axes))


def _edge(inside: Float, length: float) -> Float:
    """0 outside, 1 inside, a slope about 2 mm wide between; `inside` is in units of `length` mm."""
    return np.asarray(np.clip(0.5 + inside * length / 2, 0, 1), np.float32)


def _paint(values: Float, share: Float, value: float) -> None:
    values += share * (value - values)


if __name__ == "__main__":
    ChestPhantom().write(Path(sys.argv[1]))
