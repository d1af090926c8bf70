"""Of each kind of instance, what it is there for is missed where it lacks or is shorter than counted, nowhere else."""

import struct
import zlib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom import Dataset, uid
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicom_node import elements
from dicom_node.elements import DEFLATED, EXPLICIT_BIG
from dicom_node.intake import contents
from dicom_node.intake.faults import Fault
from dicom_node.intake.header import UnreadableHeader, read_header
from domain.errors import UnusableInput
from tests.support.counterparts import data
from tests.support.phantoms import Phantom

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
POINTS = [float(number) for number in range(6)]


def instance(sop_class: str, **values: object) -> Dataset:
    """What identifies it, and `values`."""
    dataset = Dataset()
    for element in Phantom(size=(4, 4), slices=1, study="contents").datasets()[0]:
        if element.tag < 0x0028_0000:
            dataset.add(element)
    dataset.SOPClassUID = sop_class
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def item(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def written(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = syntax == IMPLICIT, syntax != EXPLICIT_BIG
    write_dataset(file, dataset)
    if syntax != DEFLATED:
        return file.getvalue()
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(file.getvalue()) + deflate.flush()


def spectrum(points: int) -> Dataset:
    return instance(
        uid.MRSpectroscopyStorage, Rows=2, Columns=3, NumberOfFrames=2, DataPointRows=1, DataPointColumns=8,
        DataRepresentation="COMPLEX", SpectroscopyData=bytes(4 * points),
    )  # fmt: skip


def waveform(length: int, *, open_ended: bool = False) -> Dataset:
    whole = item(
        NumberOfWaveformChannels=3, NumberOfWaveformSamples=5, WaveformBitsAllocated=16, WaveformData=bytes(30)
    )
    last = item(
        NumberOfWaveformChannels=2, NumberOfWaveformSamples=4, WaveformBitsAllocated=8, WaveformData=bytes(length)
    )
    for one in (whole, last):
        one["WaveformData"].VR = "OB"
        one.is_undefined_length_sequence_item = open_ended
    made = instance(uid.GeneralECGWaveformStorage, WaveformSequence=[whole, last])
    made["WaveformSequence"].is_undefined_length = open_ended
    return made


def surface(points: int) -> Dataset:
    coordinates = item(NumberOfSurfacePoints=2, PointCoordinatesData=struct.pack(f"<{points}f", *POINTS[:points]))
    return instance(uid.SurfaceSegmentationStorage, SurfaceSequence=[item(SurfacePointsSequence=[coordinates])])


def scan(points: int) -> Dataset:
    coordinates = item(NumberOfSurfacePoints=2, PointCoordinatesData=struct.pack(f"<{points}f", *POINTS[:points]))
    return instance(uid.SurfaceScanPointCloudStorage, SurfacePointsSequence=[coordinates])


def grid(vectors: int) -> Dataset:
    field = item(GridDimensions=[2, 1, 3], VectorGridData=bytes(12 * vectors))
    return instance(
        uid.DeformableSpatialRegistrationStorage,
        DeformableRegistrationSequence=[item(DeformableRegistrationGridSequence=[field])],
    )


def document(sop_class: str, length: int) -> Dataset:
    return instance(sop_class, EncapsulatedDocument=bytes(length), EncapsulatedDocumentLength=99)


COUNTED: dict[str, tuple[Dataset, Dataset, str]] = {
    "a spectrum": (spectrum(192), spectrum(190), "its Spectroscopy Data has 760 bytes of 768"),
    "a waveform": (waveform(8), waveform(6), "its Waveform Data has 6 bytes of 8"),
    "a waveform of open items": (
        waveform(8, open_ended=True), waveform(6, open_ended=True), "its Waveform Data has 6 bytes of 8"
    ),
    "a surface": (surface(6), surface(5), "its Point Coordinates Data has 20 bytes of 24"),
    "a scanned surface": (scan(6), scan(4), "its Point Coordinates Data has 16 bytes of 24"),
    "a field of vectors": (grid(6), grid(5), "its Vector Grid Data has 60 bytes of 72"),
    "a PDF": (
        document(uid.EncapsulatedPDFStorage, 100), document(uid.EncapsulatedPDFStorage, 98),
        "its Encapsulated Document has 98 bytes of 99",
    ),
    "an STL": (
        document(uid.EncapsulatedSTLStorage, 100), document(uid.EncapsulatedSTLStorage, 50),
        "its Encapsulated Document has 50 bytes of 99",
    ),
}  # fmt: skip


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, EXPLICIT_BIG, DEFLATED])
@pytest.mark.parametrize("name", COUNTED)
def test_what_is_shorter_than_it_is_counted_to_be_is_cut_short(name: str, syntax: str) -> None:
    whole, short, said = COUNTED[name]
    assert read_header(written(whole, syntax), syntax, whole=True).sop_uid == whole.SOPInstanceUID
    with pytest.raises(UnreadableHeader, match=said) as raised:
        read_header(written(short, syntax), syntax, whole=True)
    assert raised.value.fault is Fault.CUT_SHORT


@pytest.mark.parametrize("keyword", ["DataPointRows", "DataPointColumns", "NumberOfFrames", "Rows"])
def test_what_is_not_counted_is_not_missed(keyword: str) -> None:
    one = spectrum(3)
    delattr(one, keyword)
    assert read_header(written(one), EXPLICIT, whole=True).sop_uid == one.SOPInstanceUID


# Each kind with what it may not lack, and what it is called where it does.
KINDS: dict[str, tuple[Dataset, str, str]] = {
    "a spectrum": (spectrum(192), "SpectroscopyData", "a spectrum without Spectroscopy Data"),
    "a structure set": (
        instance(uid.RTStructureSetStorage, StructureSetLabel="set", StructureSetTime=""),
        "StructureSetTime", "a structure set without Structure Set Time and structures",
    ),
    "a plan": (
        instance(uid.RTPlanStorage, RTPlanLabel="plan", RTPlanGeometry="TREATMENT_DEVICE"),
        "RTPlanGeometry", "a plan without RT Plan Geometry",
    ),
    "a plan of ions": (
        instance(uid.RTIonPlanStorage, RTPlanLabel="plan", RTPlanGeometry="PATIENT"),
        "RTPlanGeometry", "a plan without RT Plan Geometry",
    ),
    "a dose of points": (
        instance(uid.RTDoseStorage, DoseUnits="GY", DoseSummationType="PLAN"),
        "DoseSummationType", "a dose without Dose Summation Type",
    ),
    "a treatment record": (
        instance(uid.RTBeamsTreatmentRecordStorage, TreatmentMachineSequence=[item(TreatmentMachineName="1")]),
        "TreatmentMachineSequence", "a treatment record without Treatment Machine Sequence",
    ),
    "a treatment summary": (
        instance(uid.RTTreatmentSummaryRecordStorage, CurrentTreatmentStatus="COMPLETED"),
        "CurrentTreatmentStatus", "a treatment summary without Current Treatment Status",
    ),
    "a physician's intent": (
        instance("1.2.840.10008.5.1.4.1.1.481.10", UserContentLongLabel="intent"),
        "UserContentLongLabel", "an object of radiotherapy without a label",
    ),
    "a surface": (surface(6), "SurfaceSequence", "a surface without Surface Sequence"),
    "a scanned surface": (scan(6), "SurfacePointsSequence", "a surface without Surface Points Sequence"),
    "tracks": (
        instance(uid.TractographyResultsStorage, TrackSetSequence=[item(TrackSetNumber=1)]),
        "TrackSetSequence", "a tractography without Track Set Sequence",
    ),
    "a registration": (
        instance(uid.SpatialRegistrationStorage, RegistrationSequence=[item(FrameOfReferenceUID="1.2")]),
        "RegistrationSequence", "a registration without Registration Sequence",
    ),
    "a field of vectors": (
        grid(6), "DeformableRegistrationSequence", "a registration without Deformable Registration Sequence"
    ),
    "annotations": (
        instance(uid.MicroscopyBulkSimpleAnnotationsStorage, AnnotationGroupSequence=[item(AnnotationGroupNumber=1)]),
        "AnnotationGroupSequence", "a set of annotations without Annotation Group Sequence",
    ),
    "a presentation state": (
        instance(uid.GrayscaleSoftcopyPresentationStateStorage, PresentationCreationDate="20260101"),
        "PresentationCreationDate", "a presentation state without Presentation Creation Date",
    ),
    "a left eye": (
        instance(uid.KeratometryMeasurementsStorage, KeratometryLeftEyeSequence=[item(RadiusOfCurvature=8.0)]),
        "KeratometryLeftEyeSequence", "a measurement of no eye",
    ),
    "an STL": (document(uid.EncapsulatedSTLStorage, 100), "EncapsulatedDocument", "a document without Encapsulated"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_of_each_kind_what_ends_before_what_it_is_there_for_is_cut_short_and_what_has_it_is_whole(name: str) -> None:
    whole, keyword, said = KINDS[name]
    assert read_header(written(whole), EXPLICIT, whole=True).sop_uid == whole.SOPInstanceUID
    cut = deepcopy(whole)
    delattr(cut, keyword)
    with pytest.raises(UnreadableHeader, match=f"cut short: it is {said}") as raised:
        read_header(written(cut), EXPLICIT, whole=True)
    assert raised.value.fault is Fault.CUT_SHORT


# What an image has to say of its pixels, and others may say of what they were made from or of a picture of themselves.
OF_PIXELS = {
    "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 2, "Columns": 3, "BitsAllocated": 16,
}  # fmt: skip


def test_raw_data_states_nothing_that_could_be_missed() -> None:
    for made in (instance(uid.RawDataStorage), instance(uid.RawDataStorage, **OF_PIXELS)):
        assert read_header(written(made), EXPLICIT, whole=True).frames == 1


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_image_by_its_class_may_describe_pixels_and_lack_them(name: str) -> None:
    whole = deepcopy(KINDS[name][0])
    for keyword, value in OF_PIXELS.items():
        if keyword not in whole:
            setattr(whole, keyword, value)
    made = written(whole)
    if whole.SOPClassUID == uid.RTDoseStorage:  # a grid of doses is told by nothing else
        with pytest.raises(UnreadableHeader, match="an image without Pixel Data"):
            read_header(made, EXPLICIT, whole=True)
    else:
        assert read_header(made, EXPLICIT, whole=True).sop_uid == whole.SOPInstanceUID


def test_a_private_class_that_describes_pixels_has_them() -> None:
    with pytest.raises(UnreadableHeader, match="an image without Pixel Data"):
        read_header(written(instance("1.2.999.1", **OF_PIXELS)), EXPLICIT, whole=True)


@pytest.mark.parametrize("sop_class", [uid.BasicTextSRStorage, uid.ProcedureLogStorage, uid.Comprehensive3DSRStorage])
def test_a_report_of_a_root_alone_is_whole(sop_class: str) -> None:
    alone = instance(
        sop_class, ValueType="CONTAINER", ContinuityOfContent="SEPARATE", CompletionFlag="COMPLETE",
        VerificationFlag="UNVERIFIED",
    )  # fmt: skip
    assert read_header(written(alone), EXPLICIT, whole=True).sop_class == sop_class
    del alone.VerificationFlag
    with pytest.raises(UnreadableHeader, match="a structured report without Verification Flag and content"):
        read_header(written(alone), EXPLICIT, whole=True)


def test_a_count_of_more_values_than_it_can_have_counts_nothing() -> None:
    made = grid(6)
    field = made.DeformableRegistrationSequence[0].DeformableRegistrationGridSequence[0]
    field.GridDimensions = [2**32 - 1] * 8000
    assert read_header(written(made), EXPLICIT, whole=True).sop_uid == made.SOPInstanceUID


def dose(planes: int, offsets: int, frames: int | None) -> bytes:
    made = instance(
        uid.RTDoseStorage, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", Rows=20, Columns=20,
        BitsAllocated=32, BitsStored=32, HighBit=31, PixelRepresentation=0, DoseSummationType="PLAN",
        GridFrameOffsetVector=list(range(offsets)), PixelData=bytes(planes * 1600),
    )  # fmt: skip
    if frames is not None:
        made.NumberOfFrames = frames
    made["PixelData"].VR = "OW"
    return written(made)


@pytest.mark.parametrize(("planes", "offsets", "frames"), [(15, 15, None), (1, 15, None), (15, 15, 15), (15, 1, 15)])
def test_a_dose_has_as_many_planes_as_its_frames_or_without_these_its_offsets(
    planes: int, offsets: int, frames: int | None
) -> None:
    assert read_header(dose(planes, offsets, frames), EXPLICIT, whole=True).frames == (frames or 1)


def test_a_dose_of_more_planes_than_it_tells_of_is_not_passed_over_and_one_of_fewer_is_cut_short() -> None:
    for made, fault in ((dose(17, 15, None), Fault.SURPLUS), (dose(14, 15, 15), Fault.CUT_SHORT)):
        with pytest.raises(UnreadableHeader) as raised:
            read_header(made, EXPLICIT, whole=True)
        assert raised.value.fault is fault


def real() -> Iterator[tuple[Path, bytes, str]]:
    """Every file of the test data that is no image and names its class."""
    for path in sorted(one for part in ("pydicom_test_files", "pydicom_data", "seg_sr_sm", "syntax_deflate")
                       for one in data(part).rglob("*") if one.is_file()):  # fmt: skip
        try:
            meta, begins = elements.file_meta(path.read_bytes())
        except UnusableInput:
            continue
        sop_class, syntax = (meta.get(number, b"").strip(b"\0 ") for number in (0x02, 0x10))
        if any(one.tags is not contents.KINDS_OF_PIXELS for one in contents.of_class(sop_class)):
            yield path, path.read_bytes()[begins:], syntax.decode()


def test_no_whole_file_of_any_kind_is_set_aside() -> None:
    seen = set()
    for path, whole, syntax in real():
        if "truncated" in path.name:
            continue
        seen.add(read_header(whole, syntax, whole=True).sop_class)
    assert len(seen) >= 7
