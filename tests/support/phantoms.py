"""Valid DICOM series of bodies that never lived, for every test that needs images of known content and geometry.

    series = Phantom(slices=20, orientation=SAGITTAL, patient_name="Yamada^Tarou=山田^太郎", charset=JAPANESE)
    paths = write(series.datasets(), folder)             # classic CT, one file a slice
    paths = write([series.enhanced()], folder)           # the same as one enhanced multi-frame CT
    paths = write(replace(series, study="2").datasets(), folder)   # the same body in another study

Every UID is a function of `study`, `series` and the instance number, so that the same phantom is the same instances
again. A test that wants something wrong changes the data sets before it writes them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

Points = NDArray[np.float64]
Body = Callable[[Points], NDArray[np.int16]]

JAPANESE = ("", "ISO 2022 IR 87")
CHINESE = ("GB18030",)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.984808, 0.0, -0.173648, 0.059391, 0.939693, 0.336824)

LUNG_HU, TISSUE_HU, BONE_HU, AIR_HU = -850, 40, 400, -1000
# Semi-axes (mm) of each lung, an ellipsoid, and the distance of its centre from the middle of the body.
LUNG_AXES, LUNG_OFFSET = (55.0, 75.0, 110.0), 80.0
LUNG_ML = 4 / 3 * np.pi * np.prod(LUNG_AXES) / 1000


def chest(points: Points) -> NDArray[np.int16]:
    """HU at points (..., 3) in patient mm: soft tissue, spine, and two lungs of LUNG_ML each about the origin."""
    x, y, z = np.moveaxis(points, -1, 0)
    values = np.full(x.shape, AIR_HU, np.int16)
    values[(x / 170) ** 2 + (y / 110) ** 2 < 1] = TISSUE_HU
    values[x**2 + (y - 80) ** 2 < 18**2] = BONE_HU
    for centre in (-LUNG_OFFSET, LUNG_OFFSET):
        a, b, c = LUNG_AXES
        values[((x - centre) / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1] = LUNG_HU
    return values


def plain(points: Points) -> NDArray[np.int16]:
    """HU at points: a ramp along patient x, y and z, so that every voxel and every wrong axis shows."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.asarray(np.round(x + 2 * y + 3 * z).clip(-1000, 3000), np.int16)


@dataclass(frozen=True)
class Phantom:
    """One CT series. The stack is centred on the origin of the patient's coordinates, unless `centre` (mm) moves it.

    `spacing` is between slices, rows and columns (mm), `size` rows and columns, `bits` Bits Stored (of 16 allocated);
    stored values are HU + 1024. `noise` is a standard deviation in HU.
    """

    body: Body = chest
    slices: int = 60
    size: tuple[int, int] = (128, 128)
    spacing: tuple[float, float, float] = (5.0, 3.0, 3.0)
    orientation: tuple[float, ...] = AXIAL
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: float = 0.0
    bits: int = 16
    signed: bool = True
    transfer_syntax: str = ExplicitVRLittleEndian
    charset: Sequence[str] = ("ISO_IR 192",)
    patient_name: str = "Phantom^Chest"
    patient_id: str = "PHANTOM-1"
    birth_date: str = "19700101"
    accession_number: str = "ACC-1"
    study_description: str = "CT CHEST"
    series_description: str = "Chest 5.0"
    body_part: str = "CHEST"
    study: str = "1"
    series: str = "1"

    def affine(self) -> Points:
        """4x4: index (k, j, i, 1) to patient mm."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        axes = np.column_stack((np.cross(row, column), column, row)) * self.spacing
        affine = np.eye(4)
        affine[:3, :3] = axes
        affine[:3, 3] = self.centre - axes @ ((np.array([self.slices, *self.size]) - 1) / 2)
        return affine

    def hounsfield(self) -> NDArray[np.int16]:
        """The values of every voxel, shape (slices, rows, columns)."""
        affine = self.affine()
        index = np.stack(np.meshgrid(*map(np.arange, (self.slices, *self.size)), indexing="ij"), axis=-1)
        values = self.body(index @ affine[:3, :3].T + affine[:3, 3])
        if self.noise:
            noise = np.random.default_rng(1).normal(0, self.noise, values.shape)
            values = (values + noise).round().clip(-1024, 3071).astype(np.int16)
        return values

    def uid(self, *parts: object) -> str:
        """The UID of a thing in this study."""
        return generate_uid(entropy_srcs=["phantom", self.study, *map(str, parts)])

    def position(self, k: int) -> list[float]:
        """Image Position (Patient) of slice k, as a scanner would write it."""
        return [round(float(value), 6) for value in self.affine()[:3] @ (k, 0, 0, 1)]

    def datasets(self) -> list[Dataset]:
        """One CT Image Storage instance a slice (PS3.3 A.3), in the order of their positions; numbers from 1."""
        return [self._classic(k, values) for k, values in enumerate(self.hounsfield())]

    def enhanced(self) -> Dataset:
        """The series as one Enhanced CT Image Storage instance (PS3.3 A.38) with a frame a slice."""
        dataset = self._common(EnhancedCTImageStorage, 1)
        dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
        self._set_pixels(dataset, self.hounsfield())
        dataset.NumberOfFrames = self.slices
        dataset.AcquisitionContextSequence = []
        del dataset.KVP  # only the classic image has it at the top level
        dataset.update(_values(PixelPresentation="MONOCHROME", VolumetricProperties="VOLUME"))
        dataset.update(
            _values(VolumeBasedCalculationTechnique="NONE", BurnedInAnnotation="NO", ContentQualification="RESEARCH")
        )
        dataset.update(_values(LossyImageCompression="00", PresentationLUTShape="IDENTITY", AcquisitionNumber=1))
        organization = self.uid(self.series, "dimension organization")
        dataset.DimensionOrganizationSequence = [_values(DimensionOrganizationUID=organization)]
        # Image Position (Patient) within the Plane Position Sequence.
        index = _values(DimensionOrganizationUID=organization, DimensionIndexPointer=0x00200032)
        index.FunctionalGroupPointer = 0x00209113
        dataset.DimensionIndexSequence = [index]
        dataset.SharedFunctionalGroupsSequence = [self._shared_groups()]
        dataset.PerFrameFunctionalGroupsSequence = [self._frame_groups(k) for k in range(self.slices)]
        return dataset

    def _common(self, sop_class: str, number: int) -> Dataset:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = UID(self.transfer_syntax)
        dataset.SpecificCharacterSet = list(self.charset)
        dataset.update(_values(SOPClassUID=sop_class, SOPInstanceUID=self.uid(self.series, sop_class, number)))
        dataset.update(_values(StudyDate="20260101", StudyTime="080000", ContentDate="20260101", ContentTime="080500"))
        dataset.update(_values(AccessionNumber=self.accession_number, Modality="CT", Manufacturer="Phantom Works"))
        dataset.update(_values(ManufacturerModelName="Ellipsoid", DeviceSerialNumber="1", SoftwareVersions="1"))
        dataset.update(_values(ReferringPhysicianName="", StudyDescription=self.study_description))
        dataset.update(_values(SeriesDescription=self.series_description, BodyPartExamined=self.body_part))
        dataset.update(_values(PatientName=self.patient_name, PatientID=self.patient_id, PatientSex="O"))
        dataset.update(_values(PatientBirthDate=self.birth_date, PatientPosition="HFS", KVP="120"))
        dataset.update(_values(StudyInstanceUID=self.uid("study"), SeriesInstanceUID=self.uid(self.series, "series")))
        dataset.update(_values(StudyID="1", SeriesNumber=int(self.series), InstanceNumber=number, AcquisitionNumber=1))
        dataset.update(_values(FrameOfReferenceUID=self.uid("frame of reference"), PositionReferenceIndicator=""))
        return dataset

    def _classic(self, k: int, values: NDArray[np.int16]) -> Dataset:
        dataset = self._common(CTImageStorage, k + 1)
        dataset.update(_values(ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], SliceThickness=self.spacing[0]))
        dataset.update(_values(ImagePositionPatient=self.position(k), ImageOrientationPatient=list(self.orientation)))
        dataset.update(_values(PixelSpacing=list(self.spacing[1:])))
        dataset.update(_values(RescaleIntercept="-1024", RescaleSlope="1", RescaleType="HU"))
        self._set_pixels(dataset, values)
        return dataset

    def _set_pixels(self, dataset: Dataset, values: NDArray[np.int16]) -> None:
        dataset.update(_values(SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2"))
        dataset.update(_values(Rows=self.size[0], Columns=self.size[1], BitsAllocated=16, BitsStored=self.bits))
        dataset.update(_values(HighBit=self.bits - 1, PixelRepresentation=int(self.signed)))
        order = ">" if self.transfer_syntax == ExplicitVRBigEndian else "<"
        stored = (values.astype(np.int32) + 1024).astype(f"{order}{'i' if self.signed else 'u'}2")
        dataset.PixelData = stored.tobytes()
        dataset["PixelData"].VR = "OW"

    def _shared_groups(self) -> Dataset:
        groups = Dataset()
        groups.PixelMeasuresSequence = [
            _values(SliceThickness=self.spacing[0], PixelSpacing=list(self.spacing[1:])),
        ]
        groups.PlaneOrientationSequence = [_values(ImageOrientationPatient=list(self.orientation))]
        groups.PixelValueTransformationSequence = [
            _values(RescaleIntercept="-1024", RescaleSlope="1", RescaleType="HU"),
        ]
        event = self.uid(self.series, "irradiation event")
        groups.IrradiationEventIdentificationSequence = [_values(IrradiationEventUID=event)]
        anatomy = _values(CodeValue="51185008", CodingSchemeDesignator="SCT", CodeMeaning="Chest")
        groups.FrameAnatomySequence = [_values(FrameLaterality="U", AnatomicRegionSequence=[anatomy])]
        groups.CTImageFrameTypeSequence = [
            _values(
                FrameType=["DERIVED", "PRIMARY", "VOLUME", "NONE"],
                PixelPresentation="MONOCHROME",
                VolumetricProperties="VOLUME",
                VolumeBasedCalculationTechnique="NONE",
            )
        ]
        return groups

    def _frame_groups(self, k: int) -> Dataset:
        groups = Dataset()
        groups.FrameContentSequence = [_values(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=k + 1)]
        groups.PlanePositionSequence = [_values(ImagePositionPatient=self.position(k))]
        return groups


def write(datasets: Iterable[Dataset], folder: Path) -> list[Path]:
    """Write each data set as a Part 10 file and return the paths, in order; compressed where its syntax says so."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dataset in datasets:
        paths.append(folder / f"{dataset.SOPInstanceUID}.dcm")
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_encapsulated and not dataset["PixelData"].is_undefined_length:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(
            paths[-1],
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            enforce_file_format=True,
        )
    return paths


def _values(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset
