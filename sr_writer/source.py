"""What the results need to know of their source series: its identity, its images and, of slices, their geometry.

Only headers are read, up to the pixels. A slice is one frame of one instance, so that an enhanced multi-frame
source and a series of single-frame instances look the same from here on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import Attributes, is_uid, opened_image
from domain import measured
from domain.errors import UnusableInput
from domain.findings import SourceFrame
from domain.ids import derived_uid
from sr_writer import compression
from sr_writer.encoding.elements import empty, read
from sr_writer.identity import IDENTITY, identity, sound

_READ = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "FrameOfReferenceUID",
    "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "ImageOrientationPatient", "ImagePositionPatient",
    "PixelSpacing", "SliceThickness", *compression.READ,
    "TimezoneOffsetFromUTC", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
BODY_PART, LATERALITY = int(Tag("BodyPartExamined")), int(Tag("Laterality"))
_REGION = (BODY_PART, LATERALITY)
# Parts of the body that there are two of (PS3.16 annex L), as Body Part Examined says them.
_PAIRED = frozenset(
    {
        "ANKLE", "ARM", "AXILLA", "BREAST", "CALCANEUS", "CLAVICLE", "EAR", "ELBOW", "EXTREMITY", "EYE", "FEMUR",
        "FIBULA", "FINGER", "FOOT", "FOREARM", "HAND", "HIP", "HUMERUS", "KIDNEY", "KNEE", "LEG", "LOWERLEG", "ORBIT",
        "PATELLA", "RADIUS", "SCAPULA", "SHOULDER", "THIGH", "THUMB", "TIBIA", "TOE", "ULNA", "UPPERARM", "WRIST",
        "ZYGOMA",
    }
)  # fmt: skip
_FILE = "a file of the source"

# The functional group macros that a place is stated in (PS3.3 C.7.6.16.2), by the attribute.
_POSITION = ("ImagePositionPatient", "PlanePositionSequence")
_ORIENTATION = ("ImageOrientationPatient", "PlaneOrientationSequence")
_SPACING = ("PixelSpacing", "PixelMeasuresSequence")


@dataclass(frozen=True)
class Instance:
    """One instance; `pixel_spacing` (between rows, between columns, mm) where all its frames share it.

    `file` is its Part 10 file.
    """

    file: Path
    series_uid: str
    modality: str
    sop_class_uid: str
    sop_instance_uid: str
    multi_frame: bool
    rows: int
    columns: int
    pixel_spacing: tuple[float, ...] | None


@dataclass(frozen=True)
class Frame:
    """One image that the findings are about: an instance and which frame of it, from 1."""

    instance: Instance
    number: int


@dataclass(frozen=True)
class Volume:
    """How the frames of a series lie in the patient. Lengths are in mm, with the decimals that the source wrote.

    `positions` holds the Image Position (Patient) of each frame. A series that names no frame of reference, which its
    results have to, gets one of its own.
    """

    frame_of_reference_uid: str
    rows: int
    columns: int
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    slice_thickness: float
    slice_spacing: float
    positions: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Source:
    """The series as the results describe it, or the images of several that stand by themselves.

    `series_uid` and `modality` are those of the first image. `frames` are in the order of the findings' frames,
    `instances` in that of their first frame. `volume` is None where the images have no place in the patient, as
    radiographs have none. `identity` and `region` hold encoded elements by tag. `remarks` say what of the source was
    left out of the results, and why.
    """

    study_uid: str
    series_uid: str
    modality: str
    frames: tuple[Frame, ...]
    instances: tuple[Instance, ...]
    volume: Volume | None
    lossy: Mapping[str, object]
    time_zone: timezone | None
    identity: Mapping[int, bytes]
    region: Mapping[int, bytes]
    remarks: tuple[str, ...] = ()


def unknown_side(region: Mapping[int, bytes]) -> dict[int, bytes]:
    """An empty Laterality, which is type 2C (PS3.3 C.7.3.1): of a part that is paired, or that nobody names."""
    part = read(region).get("BodyPartExamined") or ""
    return {LATERALITY: empty(LATERALITY)} if not part or part in _PAIRED else {}


def read_source(paths: Sequence[Path], frames: Sequence[SourceFrame], volumetric: bool) -> Source:
    """The images behind `frames`, from their Part 10 files; other files among `paths` are left aside.

    Raises UnusableInput where a file is damaged, an instance is missing, a value that results need is none, or, if the
    results are `volumetric`, a slice has no place in the patient; Retryable where a file cannot be opened.
    """
    if not frames:
        raise UnusableInput("the findings name no source frame")
    read = [(opened_image(path, _FILE, _READ), path) for path in paths]
    images = {image.text("SOPInstanceUID"): (image, path) for image, path in read}
    missing = {frame.sop_instance_uid for frame in frames} - images.keys()
    if missing:
        raise UnusableInput(f"{len(missing)} source instances of the findings are not there, one is {min(missing)}")
    used = {frame.sop_instance_uid: images[frame.sop_instance_uid] for frame in frames}
    return _source(used, frames, volumetric)


def _source(images: Mapping[str, tuple[Attributes, Path]], frames: Sequence[SourceFrame], volumetric: bool) -> Source:
    """The series, whose images and their files are given by their UIDs, in the order of their first frames."""
    first, path = next(iter(images.values()))
    instances = {uid: _instance(image, file) for uid, (image, file) in images.items()}
    slices = [_slice(images[frame.sop_instance_uid][0], frame) for frame in frames]
    full = opened(path, _FILE, (*IDENTITY, *_REGION))
    files = {one.series_uid: one.file for one in instances.values()}
    whose, (where, of_where) = identity(full), _region(full, [file for file in files.values() if file != path])
    lossy, of_lossy = compression.lossy(list(images.values()))
    return Source(
        study_uid=first.uid("StudyInstanceUID"),
        series_uid=first.uid("SeriesInstanceUID"),
        modality=first.text("Modality"),
        frames=tuple(Frame(instances[frame.sop_instance_uid], frame.frame_number) for frame in frames),
        instances=tuple(instances.values()),
        volume=_volume(first, slices) if volumetric or (len(files) == 1 and all(map(_has_place, slices))) else None,
        lossy=lossy,
        time_zone=time_zone(first.text("TimezoneOffsetFromUTC")),
        identity=whose.elements,
        region=where,
        remarks=(*whose.remarks, *of_where, *of_lossy),
    )


def _region(image: Dataset, others: Sequence[Path]) -> tuple[Mapping[int, bytes], tuple[str, ...]]:
    """The part of the body that the image states, as far as the other series do too; and what is said of it."""
    own = sound(image, _REGION, ())
    theirs = [sound(opened(file, _FILE, _REGION), _REGION, ()).elements for file in others]
    same = {tag: held for tag, held in own.elements.items() if all(one.get(tag) == held for one in theirs)}
    return same, own.remarks


def _instance(image: Attributes, file: Path) -> Instance:
    return Instance(
        file=file,
        series_uid=image.uid("SeriesInstanceUID"),
        modality=image.text("Modality"),
        sop_class_uid=image.uid("SOPClassUID"),
        sop_instance_uid=image.uid("SOPInstanceUID"),
        multi_frame=bool(image.items("PerFrameFunctionalGroupsSequence")) or image.count_of_frames() > 1,
        rows=image.whole("Rows", 1),
        columns=image.whole("Columns", 1),
        pixel_spacing=image.decimals_if_sound("PixelSpacing", 2),
    )


def _slice(image: Attributes, frame: SourceFrame) -> Attributes:
    if not 1 <= frame.frame_number <= image.count_of_frames():
        raise UnusableInput(f"{image.name} has no frame {frame.frame_number}")
    return image.frame(frame.frame_number)


def _has_place(frame: Attributes) -> bool:
    """Whether the frame states where in the patient it lies (PS3.3 C.7.6.2, C.7.6.16.2.3)."""
    return all(frame.text(*one) for one in (_POSITION, _ORIENTATION, _SPACING))


def _volume(image: Attributes, frames: Sequence[Attributes]) -> Volume:
    """The frames' place; `image` is the first of them."""
    first = frames[0]
    orientation = _numbers(first, 6, _ORIENTATION)
    positions = tuple(_numbers(frame, 3, _POSITION) for frame in frames)
    stated = first.decimals_if_sound("SliceThickness", 1, _SPACING[1])
    thickness = float(stated[0]) if stated and stated[0] > 0 else 0.0
    spacing = _slice_spacing(orientation, positions) or thickness or 1.0
    named = image.text("FrameOfReferenceUID")
    return Volume(
        frame_of_reference_uid=named if is_uid(named) else _own_frame_of_reference(image),
        rows=image.whole("Rows", 1),
        columns=image.whole("Columns", 1),
        orientation=orientation,
        pixel_spacing=_numbers(first, 2, _SPACING),
        slice_thickness=thickness or spacing,
        slice_spacing=spacing,
        positions=positions,
    )


def _numbers(frame: Attributes, count: int, where: tuple[str, str]) -> tuple[float, ...]:
    keyword, macro = where
    return frame.decimals(keyword, count, macro)


def _own_frame_of_reference(image: Attributes) -> str:
    return derived_uid("frame of reference", image.uid("SeriesInstanceUID"))


def _slice_spacing(orientation: tuple[float, ...], positions: Sequence[tuple[float, ...]]) -> float:
    """Distance between neighbouring slices along their normal, mm, where none is missing; 0 for a single one."""
    direction = np.asarray(orientation, dtype=float)
    normal = np.cross(direction[:3], direction[3:])
    return measured.step([float(one) for one in np.asarray(positions, dtype=float) @ normal])


def time_zone(offset: str) -> timezone | None:
    """The zone of an object's own times (PS3.3 C.12.1.1.8), None where it states none that can be read."""
    match = re.fullmatch(r"([+-])(\d\d)([0-5]\d)", offset.strip())
    if not match:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes)) if minutes < 24 * 60 else None
