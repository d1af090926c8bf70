"""The vocabulary of a manifest: what may be done to a network's input and output, and what is checked.

Each table of [[preprocessing]], [[postprocessing]] and [[guards]] names one of these by `step` (or `check`) and gives
its fields. The worker carries them out (inference_worker); here stands only what each means.

Axes. `axes` names where each index axis of the array leads, slowest first: "SPL" is towards head, back and left
(Superior, Posterior, Left), "LIA" what FreeSurfer conforms to. Lengths are in mm and follow the array's axes as they
are at that step; sizes are in voxels. `how` is "linear", "nearest", "mean" (the mean of the linear interpolant over
each new voxel, which does not alias) or "antialias" (a triangle filter as wide as the reduction, as picture libraries
do).
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


class Step:
    """A table that names what it is by the key `step`."""

    key: ClassVar[str] = "step"
    word: ClassVar[str]


class Check:
    """A table that names what it is by the key `check`."""

    key: ClassVar[str] = "check"
    word: ClassVar[str]


@dataclass(frozen=True)
class Orientation(Step):
    """Reorder and flip the axes to `axes`; nothing is resampled. An oblique series keeps its own directions."""

    word: ClassVar[str] = "orientation"
    axes: str


@dataclass(frozen=True)
class Spacing(Step):
    """Resample to voxels of `mm` along the axes, on a grid with the same centre."""

    word: ClassVar[str] = "spacing"
    mm: tuple[float, float, float]
    how: str = "mean"


@dataclass(frozen=True)
class Conform(Step):
    """Resample to a cube of `size` voxels of `mm`, in true patient axes, around the volume's centre.

    Values are scaled to 0..255 and rounded: 0 is the minimum, 255 the value that the share `top` of voxels exceeds.
    """

    word: ClassVar[str] = "conform"
    size: int = 256
    mm: float = 1.0
    axes: str = "LIA"
    top: float = 0.001


@dataclass(frozen=True)
class Align(Step):
    """Resample every other input onto the grid of input `to`."""

    word: ClassVar[str] = "align"
    to: str
    how: str = "linear"


@dataclass(frozen=True)
class Window(Step):
    """Clip to `low`..`high` (output units: HU for CT) and scale that to `to`."""

    word: ClassVar[str] = "window"
    low: float
    high: float
    to: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class ZScore(Step):
    """Subtract the mean and divide by the standard deviation; with `nonzero`, of and for voxels other than 0 alone."""

    word: ClassVar[str] = "z_score"
    nonzero: bool = False


@dataclass(frozen=True)
class Quantiles(Step):
    """Scale the `low` and `high` quantiles to `to`; with `clip`, cut what lies outside."""

    word: ClassVar[str] = "quantiles"
    low: float
    high: float
    to: tuple[float, float] = (0.0, 1.0)
    clip: bool = False


@dataclass(frozen=True)
class MinMax(Step):
    """Scale the minimum and maximum to `to`."""

    word: ClassVar[str] = "min_max"
    to: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class DivideByMax(Step):
    """Divide by the maximum."""

    word: ClassVar[str] = "divide_by_max"


@dataclass(frozen=True)
class Display(Step):
    """What a viewer shows, 0 (black) to 1 (white): VOI window or table applied, MONOCHROME1 turned round. Images."""

    word: ClassVar[str] = "display"


@dataclass(frozen=True)
class Round(Step):
    """Round to steps of 1/`levels`, as an input had that its makers kept in whole numbers."""

    word: ClassVar[str] = "round"
    levels: int = 255


@dataclass(frozen=True)
class Resize(Step):
    """Resample to `size` voxels, edge to edge, whatever the spacing.

    With `levels`, one axis after another, the last first, each rounded to steps of 1/`levels`, as picture libraries do
    that keep whole numbers.
    """

    word: ClassVar[str] = "resize"
    size: tuple[int, ...]
    how: str = "linear"
    levels: int | None = None


@dataclass(frozen=True)
class CentreCrop(Step):
    """Cut to `size` around the centre, without one to the shortest side of all; an axis that is shorter stays."""

    word: ClassVar[str] = "centre_crop"
    size: tuple[int, ...] = ()


@dataclass(frozen=True)
class CropForeground(Step):
    """Cut to the box of what exceeds the share `above` of the way from minimum to maximum, `margin` voxels wider."""

    word: ClassVar[str] = "crop_foreground"
    above: float
    margin: int = 0


@dataclass(frozen=True)
class KeepEnclosed(Step):
    """Keep the air that the body encloses in axial section, which in a CT of the chest are the lungs.

    Air is what lies below `below`, in parts of `ml` at the least, closed by a ball of radius `mm`, so that what touches
    the pleura is kept. All else becomes `value`, and the array is cut to the box around, `margin` voxels wider.
    """

    word: ClassVar[str] = "keep_enclosed"
    below: float
    ml: float
    mm: float
    value: float = 0.0
    margin: int = 0


@dataclass(frozen=True)
class Pad(Step):
    """Fill up with `value` to `size`, or to the next multiple of `multiple`; at the far ends, or on both sides."""

    word: ClassVar[str] = "pad"
    size: tuple[int, ...] = ()
    multiple: int = 1
    value: float = 0.0
    both: bool = False


@dataclass(frozen=True)
class BlockMean(Step):
    """The mean of each block of `factor` voxels a side; an incomplete block at the end is left out."""

    word: ClassVar[str] = "block_mean"
    factor: int


@dataclass(frozen=True)
class Stack(Step):
    """Make the inputs the channels of one array, in the manifest's order; they must share a grid."""

    word: ClassVar[str] = "stack"


@dataclass(frozen=True)
class RepeatChannels(Step):
    """Repeat the one channel, as for a network that was made for colour."""

    word: ClassVar[str] = "repeat_channels"
    count: int = 3


@dataclass(frozen=True)
class Affine(Step):
    """Multiply by `scale`, then add `offset`; each one number for all channels, or a list with one for each."""

    word: ClassVar[str] = "affine"
    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...] = 0.0


Before: TypeAlias = (
    Orientation | Spacing | Conform | Align | Window | ZScore | Quantiles | MinMax | DivideByMax | Display | Round
    | Resize | CentreCrop | CropForeground | KeepEnclosed | Pad | BlockMean | Stack | RepeatChannels | Affine
)  # fmt: skip


@dataclass(frozen=True)
class Softmax(Step):
    """Logits to shares that sum to 1 over the channels.

    Logits are divided by `temperature` before, as calibration found it. `output` names the network's output that it is
    for; without one that is the first.
    """

    word: ClassVar[str] = "softmax"
    temperature: float = 1.0
    output: str = ""


@dataclass(frozen=True)
class Sigmoid(Step):
    """Logits to a share for each channel by itself; `temperature` and `output` as in softmax."""

    word: ClassVar[str] = "sigmoid"
    temperature: float = 1.0
    output: str = ""


@dataclass(frozen=True)
class Argmax(Step):
    """Channels to labels: the number of the largest, 0 being the background."""

    word: ClassVar[str] = "argmax"


@dataclass(frozen=True)
class Threshold(Step):
    """One channel to a mask: label 1 where it exceeds `above`."""

    word: ClassVar[str] = "threshold"
    above: float = 0.5


@dataclass(frozen=True)
class Regions(Step):
    """Channels that overlap to labels: where channel k exceeds `above`, label `labels[k]`; later channels win."""

    word: ClassVar[str] = "regions"
    labels: tuple[int, ...]
    above: float = 0.5


@dataclass(frozen=True)
class Relabel(Step):
    """Label k becomes `labels[k]`; several may become one, and 0 drops it."""

    word: ClassVar[str] = "relabel"
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Close(Step):
    """Close each label by a ball of radius `mm` (morphological closing); what two labels would claim stays as it is."""

    word: ClassVar[str] = "close"
    mm: float


@dataclass(frozen=True)
class LargestComponent(Step):
    """Keep the largest component (faces touching) of each label, or with `together` of all labels taken as one."""

    word: ClassVar[str] = "largest_component"
    together: bool = False


@dataclass(frozen=True)
class DropSmall(Step):
    """Remove components (faces touching) of a label below `ml`."""

    word: ClassVar[str] = "drop_small"
    ml: float


@dataclass(frozen=True)
class FillHoles(Step):
    """Give to each label the background that it encloses."""

    word: ClassVar[str] = "fill_holes"


@dataclass(frozen=True)
class ToSource(Step):
    """Back to the source's grid. Shares become labels there: linear interpolation, then the likeliest.

    Labels go back by `how`: "nearest", or "linear" where each label's share of the neighbours decides. Every list of
    steps that ends in segments has this step once.
    """

    word: ClassVar[str] = "to_source"
    how: str = "linear"


After: TypeAlias = (
    Softmax
    | Sigmoid
    | Argmax
    | Threshold
    | Regions
    | Relabel
    | Close
    | LargestComponent
    | DropSmall
    | FillHoles
    | ToSource
)


@dataclass(frozen=True)
class ValueShare(Check):
    """The share of the input's voxels above `above` (output units) lies between `least` and `most`.

    A frame of one value around a picture does not count.
    """

    word: ClassVar[str] = "value_share"
    above: float
    least: float = 0.0
    most: float = 1.0


@dataclass(frozen=True)
class QuantileBetween(Check):
    """Quantile `quantile` of the input's values (output units) lies between `least` and `most`.

    A frame of one value around a picture does not count.
    """

    word: ClassVar[str] = "quantile_between"
    quantile: float
    least: float
    most: float


@dataclass(frozen=True)
class Extent(Check):
    """The input measures between `least` and `most` mm towards head (z), back (y) and left (x)."""

    word: ClassVar[str] = "extent"
    least: tuple[float, float, float] = (0.0, 0.0, 0.0)
    most: tuple[float, float, float] = (10000.0, 10000.0, 10000.0)


@dataclass(frozen=True)
class NoScreenCapture(Check):
    """The picture is none of a screen: at most the share `most` of neighbours lies where a thin stroke begins or ends.

    Drawn letters and lines jump by a quarter of the picture's range from one pixel to the next and back within four;
    what a detector sees does not, and the edge of a collimator jumps once. Range: from the 1st to the 99th percentile.
    """

    word: ClassVar[str] = "no_screen_capture"
    most: float = 0.003


@dataclass(frozen=True)
class Likeness(Check):
    """The input, reduced to the grid of the template in `file` (npy), correlates with it by `least` or more.

    `of` says in words what the template shows ("a frontal chest radiograph"). What is correlated are the ranks of the
    grey values, and with the same weight their detail; the picture may lie somewhat aside or be larger or smaller,
    and have a frame of one value around it.
    """

    word: ClassVar[str] = "likeness"
    file: str
    least: float
    of: str = "what the model was made for"


@dataclass(frozen=True)
class Detail(Check):
    """Inside, the volume varies by between `least` and `most` at the scale of the brain's folds; a phantom hardly does.

    The figure is the median, inside the bright part, of the difference between the volume smoothed by 2 mm and by 6 mm
    (standard deviation), as a share of the latter. A head in T1 has 0.09, a smooth phantom less than 0.03, noise 0.4 or
    more.
    """

    word: ClassVar[str] = "detail"
    least: float = 0.0
    most: float = 1e6


@dataclass(frozen=True)
class Enclosed(Check):
    """What lies below `below` (output units) and is enclosed by the body in axial section has `least` to `most` ml.

    Below -400 HU that is the lungs, where the volume shows them.
    """

    word: ClassVar[str] = "enclosed"
    below: float
    least: float = 0.0
    most: float = 1e6


@dataclass(frozen=True)
class SegmentVolume(Check):
    """After the network: segment `segment` (0: all together) has between `least` and `most` ml."""

    word: ClassVar[str] = "segment_volume"
    segment: int = 0
    least: float = 0.0
    most: float = 1e6


Guard: TypeAlias = (
    ValueShare | QuantileBetween | Extent | NoScreenCapture | Likeness | Detail | Enclosed | SegmentVolume
)  # fmt: skip
