"""What a model found, in the vocabulary of the field and without a single DICOM tag.

`inference_worker` makes Findings, `sr_writer` maps them to DICOM objects, `console` prints them.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum

from domain.json_records import Json, JsonObject, record


@dataclass(frozen=True)
class Code:
    """A coded concept: value, coding scheme designator (PS3.16 section 8: SCT, DCM, UCUM, LN, ...) and meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Measurement:
    """One number with its unit. `unit` is a UCUM code.

    `derivation` says how it came of the values that it sums up (mean, maximum, ...; PS3.16 CID 7464), where it does.
    `signed` says that it is a difference, which is told with its sign.
    `part` is the rank by size, from 1, of the one separate part that was measured, of so many `parts`; 0 is the whole.
    `frame`, an index, is the one image that it was measured on, where a segment's axis was; a region's is on its own.
    """

    name: Code
    value: float
    unit: Code
    derivation: Code | None = None
    part: int = 0
    parts: int = 0
    frame: int | None = None
    signed: bool = False


@dataclass(frozen=True)
class Segment:
    """One labelled region of the mask and what was measured in it.

    `number` is the value of its voxels in the mask and the DICOM segment number, from 1 without gaps.
    `category` and `type` are the property codes (PS3.3 C.8.20.4); `laterality` where the type needs it.
    `colour` is the recommended display colour, sRGB 0 to 255. `shown_on` names the input on which a reader looks for
    it, such as the series with contrast agent; "" is the first. `compared` is what an earlier study of the patient's
    had, and by how much that has changed.
    """

    number: int
    label: str
    category: Code
    type: Code
    colour: tuple[int, int, int]
    laterality: Code | None = None
    measurements: tuple[Measurement, ...] = ()
    shown_on: str = ""
    compared: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class FindingProbability:
    """How likely a classifier holds one finding, 0 to 1, in one image (`frame`, an index) or in the whole input (None).

    It is reported as present from `threshold` on.
    """

    label: str
    finding: Code
    probability: float
    threshold: float
    frame: int | None = None

    @property
    def present(self) -> bool:
        """Whether the model reports the finding."""
        return self.probability >= self.threshold


class Shape(StrEnum):
    """What the points of a region mean."""

    POINT = "point"  # one point
    BOX = "box"  # two opposite corners of a rectangle along rows and columns
    CONTOUR = "contour"  # the corners of a closed outline in order, the first not repeated


@dataclass(frozen=True)
class Region:
    """A place on one image (`frame`, an index) that the model points at.

    `points` are (column, row) in pixels: (0, 0) is the top left corner of the image's top left pixel, whose centre is
    (0.5, 0.5) (PS3.3 C.18.6.1.1). `probability`, 0 to 1, is how certain the model is, where it says so; `site` is the
    part of the body that the finding lies in, `laterality` its side. `of` is the label of an earlier region where this
    one points at the same finding again, such as the middle of what a box is around.
    """

    label: str
    finding: Code
    frame: int
    shape: Shape
    points: tuple[tuple[float, float], ...]
    probability: float | None = None
    site: Code | None = None
    laterality: Code | None = None
    colour: tuple[int, int, int] = (255, 190, 70)
    measurements: tuple[Measurement, ...] = ()
    of: str = ""


@dataclass(frozen=True)
class SourceFrame:
    """One slice of the volume: the instance and frame (from 1) that it was read from."""

    sop_instance_uid: str
    frame_number: int = 1


@dataclass(frozen=True)
class OtherFrames:
    """The frames that were read for another input of the model than the one whose frames the findings are on."""

    name: str
    frames: tuple[SourceFrame, ...]


@dataclass(frozen=True)
class Mask:
    """A label volume on the source's own grid, kept in the object store under `key`.

    Shape is (slices, rows, columns), one byte a voxel; slice k lies on `Findings.frames[k]`.
    The object is zlib-compressed raw bytes in C order; `sha256` is that of the uncompressed bytes.
    """

    key: str
    sha256: str
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Map:
    """Where in the source a model looked for what `label` names, kept in the object store under `key`.

    `method` is its algorithm in words. Shape is (frames, rows, columns), 32-bit little-endian floats from 0 to 1; frame
    k lies on `Findings.frames[frames[k]]`. The object is zlib-compressed raw bytes in C order; `sha256` is that of the
    uncompressed bytes.
    """

    label: str
    method: str
    key: str
    sha256: str
    shape: tuple[int, int, int]
    frames: tuple[int, ...]


@dataclass(frozen=True)
class ModelIdentity:
    """Which model spoke. `digest` is the SHA-256 of the package; `device_uid` changes whenever the model does.

    `product` says that it may be used as a medical product; every other model's results are called research. `card`
    holds the sentences of its card that a reader of its results must have: intended use, training data, limits.
    """

    name: str
    version: str
    title: str
    manufacturer: str
    device_uid: str
    digest: str
    demonstration: bool
    product: bool = False
    card: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """Everything that one run of one model found.

    `frames` are those of the series that the results refer to. `engine` is what ran the network; `remarks` are
    sentences that a reader of the results must know ("1 missing slice was interpolated"). `key_frames` are indices of
    the images that a reader should see first, where the model names any. `others` are what else was read. `voxel` is
    the size (mm) of the voxels that were measured: from slice to slice, row to row, column to column; None without any.
    `earlier` is what was read of the earlier study that segments are `compared` with, empty where none is.
    """

    model: ModelIdentity
    input_digest: str
    frames: tuple[SourceFrame, ...]
    mask: Mask | None
    segments: tuple[Segment, ...]
    likelihoods: tuple[FindingProbability, ...] = ()
    maps: tuple[Map, ...] = ()
    engine: str = ""
    remarks: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    key_frames: tuple[int, ...] = ()
    others: tuple[OtherFrames, ...] = ()
    voxel: tuple[float, float, float] | None = None
    earlier: tuple[OtherFrames, ...] = ()

    @property
    def pointed(self) -> tuple[Region, ...]:
        """A region for each finding that is pointed at, without those that point at the same one again."""
        return tuple(one for one in self.regions if not one.of)

    def to_json(self) -> dict[str, Json]:
        """Plain JSON; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: JsonObject) -> "Findings":
        """The findings that `to_json` wrote, of this release or an earlier one; raises ValueError where it is none."""
        return record(cls, data)


@dataclass(frozen=True)
class MeasuredPart:
    """Of a segment in JSON, what was measured in it, and compared with an earlier study."""

    label: str
    measurements: tuple[Measurement, ...]
    compared: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class MeasuredParts:
    """Of findings in JSON, the measurements and the size of the voxels that they were made in, where it is known."""

    segments: tuple[MeasuredPart, ...]
    voxel: tuple[float, float, float] | None = None
