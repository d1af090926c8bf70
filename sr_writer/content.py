"""What every result object of a run is made from, and what each of them is until it is finished.

    def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]

is the shape of each module that writes a kind of object: nothing, where the findings give nothing for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from domain.editions import FIRST, Edition
from domain.findings import Findings, Region
from domain.profiles import ResultFormat
from domain.words import Resolution
from sr_writer.encoding.part10 import Buffer
from sr_writer.image_names import ImageNames
from sr_writer.inputs import OtherInput
from sr_writer.outlines import counts
from sr_writer.pages.windows import SeriesWindow, series_window
from sr_writer.provenance import Provenance
from sr_writer.source import Frame, Source

# A list of key images that is longer than this is not looked at.
_MOST_KEY_FRAMES = 16


@dataclass(frozen=True)
class Predecessor:
    """A result of an earlier run on the same study that a new one of the same `kind` supersedes."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class KeyFrame:
    """An image to look at first: its index among the findings' frames, and why in a few words."""

    frame: int
    why: str


@dataclass(frozen=True, eq=False)
class Content:
    """One run's findings beside the images that they are about.

    `mask` is (slices, rows, columns) of segment numbers, None for a model without segments; `present` holds the numbers
    of the segments that have a voxel. `maps` are the arrays of `findings.maps`, (frames, rows, columns) of 0 to 1.
    `regions` are those of the findings, then an outline of each segment where it is measured or largest. `others` are
    the inputs besides the source. `edition` says which of the study's results by this model they are. `requests` is the
    encoded Referenced Request Sequence of reports by its tag, empty where nobody states a request. `earlier` is what
    was read of the earlier study that segments are compared with.
    """

    findings: Findings
    source: Source
    stamp: Provenance
    mask: NDArray[np.uint8] | None
    present: frozenset[int]
    maps: tuple[NDArray[np.float32], ...]
    regions: tuple[Region, ...]
    key_frames: tuple[KeyFrame, ...]
    predecessors: Sequence[Predecessor] = ()
    others: tuple[OtherInput, ...] = ()
    edition: Edition = FIRST
    requests: Mapping[int, bytes] = field(default_factory=dict)
    earlier: tuple[Source, ...] = ()

    @property
    def edition_said(self) -> str:
        """What is said of results that are not the study's first by this model; "" of those that are."""
        return self.edition.said(self.stamp.moment.tzinfo)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Everything that was read, that which the findings are on first."""
        return (self.source, *(one.source for one in self.others))

    def frame(self, index: int) -> Frame:
        """The image behind an index of the findings."""
        return self.source.frames[index]

    def resolution(self, frame: int | None = None) -> Resolution | None:
        """How fine the images are, of a stack or of one image; None where they do not say."""
        volume = self.source.volume
        stated = volume.pixel_spacing if volume else None if frame is None else self.frame(frame).instance.pixel_spacing
        if not stated:
            return None
        rows, columns = map(float, stated)
        return Resolution.of((volume.slice_spacing if volume else 1.0, rows, columns))

    def window_of(self, source: Source) -> SeriesWindow | None:
        """The window that all pictures of a source share, found once."""
        if source.series_uid not in self._windows:
            self._windows[source.series_uid] = series_window(source)
        return self._windows[source.series_uid]

    @cached_property
    def _windows(self) -> dict[str, SeriesWindow | None]:
        return {}

    @cached_property
    def areas(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The slices of the mask with a marked voxel, and how many pixels each number has on each, (slices, 256)."""
        return counts(self.mask if self.mask is not None else np.zeros((0, 1, 1), np.uint8))

    @cached_property
    def names(self) -> ImageNames:
        """What people call the image at an index of the findings."""
        return ImageNames(self.source, told=bool(self.others))


@dataclass(frozen=True, eq=False)
class Draft:
    """An object before the patient's identity, its times and its maker are put in.

    `dataset` holds SOP Instance UID and Series Instance UID; its text is ASCII. `elements` are further elements that
    are encoded already, in Explicit VR Little Endian, by tag. `pixels` are the pieces of the whole Pixel Data element,
    its head included, where the data set does not hold it; it comes last in the file.
    """

    form: ResultFormat
    dataset: Dataset
    elements: Mapping[int, bytes] = field(default_factory=dict)
    pixels: Sequence[Buffer] = ()


def key_frames(findings: Findings, regions: Sequence[Region]) -> tuple[KeyFrame, ...]:
    """The images to look at first, each once, in their order: 16 at the most.

    They are those that the model names, those that a region lies on (for a segment its outline, sr_writer/outlines.py)
    and those of which a classifier reports something.
    """
    named = [KeyFrame(index, "named by the model") for index in findings.key_frames]
    pointed = [KeyFrame(one.frame, one.label) for one in regions if not one.of]
    likely = [KeyFrame(one.frame, one.label) for one in findings.likelihoods if one.present and one.frame is not None]
    reasons: dict[int, list[str]] = {}
    for one in (*named, *pointed, *likely):
        if one.frame in reasons or len(reasons) < _MOST_KEY_FRAMES:
            reasons.setdefault(one.frame, []).append(one.why)
    return tuple(KeyFrame(index, ", ".join(dict.fromkeys(why))) for index, why in sorted(reasons.items()))
