"""What a model package says of itself: `manifest.toml` as frozen dataclasses.

Tables of the file: [identity] who it is; [[inputs]] which series it reads, with their intended use as
[inputs.conditions] and what decides among several as [inputs.prefer]; [registration] whether series that lie elsewhere
are moved onto the first; [priors] which earlier studies it compares with; [[preprocessing]], [network] and
[[postprocessing]] how it is run (the steps: models/steps.py); [[guards]] what input and output are refused;
[[segments]], [[lesions]], [[measurements]], [[findings]] and [[maps]] what comes out;
[golden] a sample to prove an installation with; [digests] the SHA-256 of every other file of the package.
models/checks.py checks their sense.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.findings import Code, Segment
from domain.preferences import Preferences
from domain.priors import Wanted
from domain.questions import Question
from domain.routing import Conditions
from models.steps import After, Before, Guard

MANIFEST = "manifest.toml"
AXES = ("long_axis", "short_axis", "mean_axis")
LESION = "lesion"
VISION = "vision"  # a kind of network: questions to a general model that sees pictures
SHAPES = ("box", "point")
BEFORE, CHANGE, PERCENT = "before", "change", "percent"
COMPARISONS = ("", BEFORE, CHANGE, PERCENT)
UNITS = ("", "BQML", "SUVbw")
SIGNATURE = "manifest.toml.sig"  # of the manifest's bytes (models/signing.py); the one file that no digest covers


@dataclass(frozen=True)
class Identity:
    """Name and maker. `name` is the package's folder; `device_uid` (PS3.5 section 9) changes with the model.

    `demonstration` says that its results mean nothing for a patient, `product` that it may be used as a medical
    product; the results of a model that is neither are called research.
    """

    name: str
    version: str
    title: str
    manufacturer: str
    device_uid: str
    licence: str
    demonstration: bool
    product: bool = False


@dataclass(frozen=True)
class Input:
    """One series that the network reads, or images of several, found by `conditions`, its intended use.

    `kind` is "volume" (slices that make one, models see (z, y, x)) or "images" (each image by itself, such as
    radiographs, those of all series). Up to `missing_slices` single slices that a volume lacks are interpolated from
    their neighbours, which every result then says. `prefer` says which of several series that meet the conditions is
    read. `units` are those that the values of a PET come in: "BQML" or "SUVbw", which is worked out where it has to be;
    "" is as they are stored.
    """

    name: str
    conditions: Conditions
    kind: str = "volume"
    missing_slices: int = 0
    prefer: Preferences = field(default_factory=Preferences)
    units: str = ""


@dataclass(frozen=True)
class Registration:
    """That inputs may lie in frames of reference of their own: each is then turned and shifted onto the first.

    That is believed where the agreement of the two is `least` or more: from 0 (what one shows says nothing of the
    other) to 1 (it says all). Every result says how far an input was moved and how well it agreed. For heads and bones,
    which do not bend; needs the extra `registration`.
    """

    least: float


@dataclass(frozen=True)
class Priors:
    """That the package compares with an earlier study of the same patient, on which it is run as well.

    Compared is with the newest study that has the package's inputs, of the `newest` ones that are no more than
    `within_days` old. Archives are asked for studies with series of these modalities and parts of the body (none: of
    any), where the site names one that may be. `deadline` (s) is how long the model waits for them: from then on it
    runs without, and its results say so.
    """

    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    newest: int = 1
    within_days: int = 3650
    deadline: float = 60.0

    @property
    def wanted(self) -> Wanted:
        """What archives are asked for."""
        return Wanted(self.modality, self.body_part, self.newest, self.within_days)


@dataclass(frozen=True)
class Network:
    """The network's file and how to feed it.

    `kind` is "onnx", "torchscript", "bundle" (a MONAI bundle, whose own inference.json does everything; `file` is its
    folder inside the package), or "vision": no network, but the questions of [[findings]], asked of a language model of
    the site's about each picture, as a viewer shows it, made smaller until it fits into `shape`; `file` is the text
    that it is told before. `shape` is that of `input`: batch, channels, then the space (z, y, x, or y, x); 0 is
    free, then a multiple of `multiple`. `outputs` are the names of its outputs: the first is what [[postprocessing]]
    begins with, others are for maps and for [[findings]] that name them. A free space larger than `window` is passed in
    windows of that size that overlap by the share `overlap` and are blended by a Gaussian. `batch` images go through at
    once. `tolerance` is the largest difference of the first output, after its softmax or sigmoid, that another engine
    or precision may show. Where memory runs out, `halve` allows a second try in windows of half the size: results
    differ then, much where a network normalises what it sees, and each of them says so.
    """

    file: str
    kind: str = "onnx"
    input: str = "volume"
    outputs: tuple[str, ...] = ("logits",)
    shape: tuple[int, ...] = (1, 1, 0, 0, 0)
    multiple: int = 1
    window: tuple[int, ...] = ()
    overlap: float = 0.25
    batch: int = 1
    tolerance: float = 1e-3
    halve: bool = False


@dataclass(frozen=True)
class Quantity:
    """One measurement of each segment, with its codes.

    `what` is "volume" (ml), "mean", "deviation", "minimum", "maximum" or "median" of the source's voxels, "long_axis",
    "short_axis" (mm, on the one image, as it was acquired, where the long one is longest; the short one perpendicular
    to it), "mean_axis" (of the two), or "count" (of components). A volume whose unit is "mm3" is in mm3. `segment` 0
    measures every segment.
    `derivation` defaults to that of `what`. `of` is "whole", "largest" (component, faces touching), "each" (component,
    the largest first, ten at the most) or "lesion" (each of [[lesions]], by itself): an axis is of a component, by
    default of the largest, everything else by default of the whole. `compare` makes it one of the whole that [priors]
    give: "before" is what was measured in the earlier study, "change" is by how much it is more now, "percent" that in
    percent of what it was. It wants that [[measurements]] measure the same in the study itself.
    """

    what: str
    name: Code
    unit: Code
    segment: int = 0
    derivation: Code | None = None
    of: str = ""
    compare: str = ""

    @property
    def scope(self) -> str:
        """What is measured: "whole", "largest", "each" or "lesion"."""
        return self.of or ("largest" if self.what in AXES else "whole")


def compared_with(wanted: Quantity, measured: Sequence[Quantity]) -> Quantity | None:
    """Of what is measured in a study, what `wanted` compares: the same of the same segment; None where nothing is."""
    alike = (one for one in measured if one.what == wanted.what and one.scope == "whole")
    return next((one for one in alike if one.segment in (0, wanted.segment)), None)


@dataclass(frozen=True)
class Lesions:
    """Each component (faces touching) of segment `segment` as a finding by itself, the likeliest first.

    How likely one is, is the largest share that `channel` (from 0) of the network's first output has inside it; below
    `threshold` it is taken out of the mask, and so it is where an axis (as [[measurements]] measure it) lies outside
    its bounds, the least and the most: `long_axis_mm`, `short_axis_mm`, `mean_axis_mm`, or where the short one is less
    than the share `least_ratio` of the long one; of more than `most` the others are counted, not listed. It is called
    `label` with its number. `shapes` point at it on the image where its long axis is longest: "box" (around it there)
    and "point" (its middle there). What [[measurements]] of "lesion" measure is said of it; `site` is the part of the
    body. Of a lesion of the lungs `air_below` tells the side: the body encloses the lungs' air, which lies below that
    value (output units: HU for CT), and the lesion is of the lung whose air is around it. Where that cannot be told,
    results say so.
    """

    segment: int
    label: str
    channel: int = 0
    threshold: float = 0.5
    shapes: tuple[str, ...] = ("box",)
    most: int = 12
    long_axis_mm: tuple[float, ...] = ()
    short_axis_mm: tuple[float, ...] = ()
    mean_axis_mm: tuple[float, ...] = ()
    least_ratio: float = 0.0
    site: Code | None = None
    air_below: float | None = None

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """The least and the most (mm) of each axis that has bounds."""
        stated = zip(AXES, (self.long_axis_mm, self.short_axis_mm, self.mean_axis_mm), strict=True)
        return {axis: (limits[0], limits[1]) for axis, limits in stated if limits}


@dataclass(frozen=True)
class Finding:
    """Channel `channel` (from 0) of a classifier: what it finds, and from which probability on that is reported.

    `output` is the network's output that has the channel; without one that is the first, which [[maps]] are of.
    `question` is what a network of the kind "vision" is asked: its `words`, and two `choices` that are
    "present" and "absent" where it does not say.
    """

    channel: int
    label: str
    code: Code
    threshold: float
    output: str = ""
    question: Question | None = None


@dataclass(frozen=True)
class Explanation:
    """A map for each finding that is present (or with `always` for each), or of a segmenting network's probabilities.

    `method` is "cam" (the network's output `output` holds them: (batch, channels, ...)), "grad_cam" (TorchScript, whose
    output `output` holds the activations), "integrated_gradients" (TorchScript), or "occlusion" (any engine; squares of
    the share `patch` of the image's side are hidden in turn). Beside [[segments]] it is "probability": what softmax or
    sigmoid, the first of [[postprocessing]], gives for channel `channel` (from 0), named `label`.
    """

    method: str
    output: str = ""
    patch: float = 0.125
    always: bool = False
    channel: int = 0
    label: str = ""


@dataclass(frozen=True)
class Golden:
    """A sample: `input` (npz: for each input NAME the arrays NAME.voxels and NAME.affine) and what comes of it.

    `expected` (npz) holds `mask` (labels on the first input's grid) or `probabilities` (images, findings). An engine
    has passed with a Dice of `dice` for each segment, and probabilities no farther off than `tolerance`.
    """

    input: str
    expected: str
    dice: float = 0.99
    tolerance: float = 1e-3


@dataclass(frozen=True)
class Manifest:
    """One package's manifest."""

    identity: Identity
    inputs: tuple[Input, ...]
    network: Network
    digests: Mapping[str, str]
    preprocessing: tuple[Before, ...] = ()
    postprocessing: tuple[After, ...] = ()
    guards: tuple[Guard, ...] = ()
    segments: tuple[Segment, ...] = ()
    lesions: tuple[Lesions, ...] = ()
    measurements: tuple[Quantity, ...] = ()
    findings: tuple[Finding, ...] = ()
    maps: tuple[Explanation, ...] = ()
    golden: Golden | None = None
    registration: Registration | None = None
    priors: Priors | None = None

    @property
    def measured(self) -> tuple[Quantity, ...]:
        """What is measured in the study itself."""
        return tuple(one for one in self.measurements if not one.compare)

    @property
    def compared(self) -> tuple[Quantity, ...]:
        """What is compared with an earlier study."""
        return tuple(one for one in self.measurements if one.compare)
