"""What an instance is there for, by its kind (PS3.3 A.1.4 and the modules named here), and how long that has to be.

Two tables: which attributes no whole instance of a class is without, and which values have a length that follows from
counts beside them. A class that is in neither, such as Raw Data (PS3.3 C.19.1), states nothing that could be missed.
"""

from collections.abc import Mapping
from math import prod
from typing import Literal, NamedTuple

from pydicom import uid

from dicom_node.syntaxes import storage_sop_classes

FRAMES, ROWS, COLUMNS, SOP_CLASS = 0x0028_0008, 0x0028_0010, 0x0028_0011, 0x0008_0016
# Pixel Data, and those of floats (PS3.3 C.7.6.24, C.7.6.25).
PIXELS = 0x7FE0_0010
NAMES_OF_PIXELS = {PIXELS: "Pixel Data", 0x7FE0_0008: "Float Pixel Data", 0x7FE0_0009: "Double Float Pixel Data"}
KINDS_OF_PIXELS = frozenset(NAMES_OF_PIXELS)

# Each instance of a class that is named an image has pixels (PS3.6 table A-1), and so do those of these.
_OTHER_IMAGES = (
    uid.SegmentationStorage, "1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.66.8", uid.ParametricMapStorage,
    uid.EnhancedUSVolumeStorage, uid.OphthalmicThicknessMapStorage, uid.CornealTopographyMapStorage,
    uid.OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage,
)  # fmt: skip
_REPORTS = (
    uid.ProcedureLogStorage, uid.MacularGridThicknessAndVolumeReportStorage, uid.SpectaclePrescriptionReportStorage,
)  # fmt: skip
_EYES = tuple(f"1.2.840.10008.5.1.4.1.1.78.{number}" for number in range(1, 6))
_STATES = ("1.2.840.10008.5.1.4.1.1.9.100.1", "1.2.840.10008.5.1.4.1.1.9.100.2")  # of waveforms
# Of the second generation of radiotherapy, those that their user gives a label (User Content Label, Entity Long Label).
_LABELLED = tuple(f"1.2.840.10008.5.1.4.1.1.481.{number}" for number in (*range(10, 21), 22, 25))
_NAMES = {one: uid.UID(one).name for one in storage_sop_classes()}


def _classes(word: str, *others: str) -> frozenset[bytes]:
    found = {one for one, name in _NAMES.items() if word and word in name}
    return frozenset(one.encode() for one in found.union(others))


class Content(NamedTuple):
    """No whole instance of `classes` is without all of `tags`; `said` is what one would be."""

    tags: frozenset[int]
    classes: frozenset[bytes]
    said: str


def _content(tags: set[int], said: str, *classes: str) -> Content:
    return Content(frozenset(tags), _classes("", *classes), said)


CONTENTS = (
    Content(KINDS_OF_PIXELS, _classes(" Image Storage", *_OTHER_IMAGES), "it is an image without Pixel Data"),
    # C.24.2; C.17.3; C.10.9
    Content(frozenset({0x0042_0011}), _classes("Encapsulated "), "it is a document without Encapsulated Document"),
    # C.17.2; its root may be all that it says (C.17.3.2.4), so that one without Content Sequence is whole.
    Content(
        frozenset({0x0040_A493, 0x0040_A730}),
        _classes(" SR Storage", *_REPORTS),
        "it is a structured report without Verification Flag and content",
    ),
    # PS3.16 TID 2010
    _content(
        {0x0040_A730}, "it is a selection of objects without Content Sequence", uid.KeyObjectSelectionDocumentStorage
    ),
    Content(frozenset({0x5400_0100}), _classes(" Waveform Storage"), "it is a waveform without Waveform Sequence"),
    # C.8.14.4
    _content({0x5600_0020}, "it is a spectrum without Spectroscopy Data", uid.MRSpectroscopyStorage),
    # C.8.8.5; what may be there of C.8.8.6 and C.8.8.8 comes behind.
    _content(
        {0x3006_0009, 0x3006_0020, 0x3006_0039, 0x3006_0080},
        "it is a structure set without Structure Set Time and structures",
        uid.RTStructureSetStorage,
    ),
    # C.8.8.9; a plan of a patient's geometry shall name a structure set too, and whole ones are about that do not.
    _content({0x300A_000C}, "it is a plan without RT Plan Geometry", uid.RTPlanStorage, uid.RTIonPlanStorage),
    # C.8.8.3; its grid is told by what describes pixels.
    _content({0x3004_000A}, "it is a dose without Dose Summation Type", uid.RTDoseStorage),
    # C.8.8.18; the reference to the plan (C.8.8.17) comes behind. C.8.8.23
    _content(
        {0x300A_0206, 0x300C_0002},
        "it is a treatment record without Treatment Machine Sequence",
        uid.RTBeamsTreatmentRecordStorage,
        uid.RTBrachyTreatmentRecordStorage,
        uid.RTIonBeamsTreatmentRecordStorage,
    ),
    _content(
        {0x3008_0200}, "it is a treatment summary without Current Treatment Status", uid.RTTreatmentSummaryRecordStorage
    ),
    _content({0x3010_0033, 0x3010_0034, 0x3010_0038}, "it is an object of radiotherapy without a label", *_LABELLED),
    # C.8.23.1 and C.27.1
    _content(
        {0x0066_0002},
        "it is a surface without Surface Sequence",
        uid.SurfaceSegmentationStorage,
        uid.SurfaceScanMeshStorage,
    ),
    _content({0x0066_0011}, "it is a surface without Surface Points Sequence", uid.SurfaceScanPointCloudStorage),
    _content({0x0066_0101}, "it is a tractography without Track Set Sequence", uid.TractographyResultsStorage),
    # C.20.2, C.20.3
    _content({0x0070_0308}, "it is a registration without Registration Sequence", uid.SpatialRegistrationStorage),
    _content(
        {0x0064_0002},
        "it is a registration without Deformable Registration Sequence",
        uid.DeformableSpatialRegistrationStorage,
    ),
    _content({0x0070_031C}, "it is a set of fiducials without Fiducial Set Sequence", uid.SpatialFiducialsStorage),
    _content(
        {0x0040_9094},
        "it is a mapping without Referenced Image Real World Value Mapping Sequence",
        uid.RealWorldValueMappingStorage,
    ),
    _content(
        {0x006A_0002},
        "it is a set of annotations without Annotation Group Sequence",
        uid.MicroscopyBulkSimpleAnnotationsStorage,
    ),
    # C.11.10
    Content(
        frozenset({0x0070_0082, 0x0070_0083}),
        _classes("Presentation State Storage", *_STATES),
        "it is a presentation state without Presentation Creation Date",
    ),
    # C.8.25: of either eye
    _content(
        {
            *(0x0046_0014, 0x0046_0015, 0x0046_0016, 0x0046_0050, 0x0046_0052, 0x0046_0070, 0x0046_0071),
            *(0x0046_0097, 0x0046_0098, 0x0046_0122, 0x0046_0123, 0x0046_0124),
        },
        "it is a measurement of no eye",
        *_EYES,
    ),
)


class Counted(NamedTuple):
    """A value, in an item of the sequences `within`, of so many bits for each that the product of `counts` counts."""

    within: tuple[int, ...]
    value: int
    said: str
    bits: int
    counts: tuple[int, ...]


_REPRESENTATION, _CHANNEL_BITS = 0x0028_9108, 0x5400_1004
_MOST_DIGITS = 12  # of IS (PS3.5 6.2)
_MOST_COUNTS = 12  # bytes: Grid Dimensions has three of UL, all others one
COUNTED = (
    # C.8.14.4.1: for each frame, voxel and data point one float, or two that are complex.
    Counted(
        (), 0x5600_0020, "Spectroscopy Data", 32, (ROWS, COLUMNS, 0x0028_9001, 0x0028_9002, FRAMES, _REPRESENTATION)
    ),
    # C.24.2: Encapsulated Document Length
    Counted((), 0x0042_0011, "Encapsulated Document", 8, (0x0042_0015,)),
    # C.10.9.1: channels, samples and what each has
    Counted((0x5400_0100,), 0x5400_1010, "Waveform Data", 1, (0x003A_0005, 0x003A_0010, _CHANNEL_BITS)),
    # C.27.1: three floats a point
    Counted((0x0066_0002, 0x0066_0011), 0x0066_0016, "Point Coordinates Data", 96, (0x0066_0015,)),
    Counted((0x0066_0011,), 0x0066_0016, "Point Coordinates Data", 96, (0x0066_0015,)),
    # C.20.3: three floats a vector; Grid Dimensions has three counts
    Counted((0x0064_0002, 0x0064_0005), 0x0064_0009, "Vector Grid Data", 96, (0x0064_0007,)),
)
# Offsets of the planes of a dose from the first: as many as there are planes (C.8.8.3.2).
PLANES = 0x3004_000C

PARTS = frozenset[int]().union(*(one.tags for one in CONTENTS))
# Sequences that are looked into for what is counted, values that say how much it is, and those that are counted.
SEQUENCES = frozenset[int]().union(*(one.within for one in COUNTED))
COUNTS = frozenset[int]().union(*(one.counts for one in COUNTED)) | {PLANES}
VALUES = frozenset(one.value for one in COUNTED)
_DOSE = uid.RTDoseStorage.encode()
_KNOWN = frozenset(one.encode() for one in _NAMES)
_ORDERS: Mapping[bool, Literal["big", "little"]] = {True: "big", False: "little"}
_BY_CLASS: dict[bytes, tuple[Content, ...]] = {
    one: tuple(content for content in CONTENTS if one in content.classes)
    for one in frozenset[bytes]().union(*(content.classes for content in CONTENTS))
}


def of_class(sop_class: bytes) -> tuple[Content, ...]:
    """What no whole instance of the class is without."""
    return _BY_CLASS.get(sop_class, ())


def has_what_it_describes(sop_class: bytes) -> bool:
    """Whether an instance that describes pixels has them: a dose, and one of a class that nothing is known of."""
    return sop_class == _DOSE or sop_class not in _KNOWN


def shortfall(within: tuple[int, ...], values: Mapping[int, bytes], lengths: Mapping[int, int], big: bool) -> str:
    """What is shorter than it is counted to be, in a data set or an item of the sequences `within`; empty if nothing.

    `values` are its counts, `lengths` those of its values in bytes. What is not stated is not missed.
    """
    for one in COUNTED:
        if one.within != within or one.value not in lengths:
            continue
        bits = one.bits * prod(_count(tag, values.get(tag, b""), big) for tag in one.counts)
        if lengths[one.value] < (wanted := -(-bits // 8)):
            return f"its {one.said} has {lengths[one.value]} bytes of {wanted}"
    return ""


def planes(values: Mapping[int, bytes]) -> int:
    """How many planes a dose says it has; 0 where it does not."""
    return values[PLANES].count(b"\\") + 1 if values.get(PLANES, b"").strip(b"\0 ") else 0


def _count(tag: int, value: bytes, big: bool) -> int:
    """A count, or the product of several; 0 where it says none."""
    if tag == FRAMES:
        text = value.strip(b"\0 ")
        return int(text) if text.isdigit() and len(text) <= _MOST_DIGITS else 0
    if tag == _REPRESENTATION:
        return 2 if value.strip(b"\0 ") == b"COMPLEX" else 1
    if len(value) > _MOST_COUNTS:
        return 0
    size = 4 if len(value) % 4 == 0 else 2  # UL, or US
    parts = (value[at : at + size] for at in range(0, len(value), size))
    return prod(int.from_bytes(part, _ORDERS[big]) for part in parts) if value else 0
