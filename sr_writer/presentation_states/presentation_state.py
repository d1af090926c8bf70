"""What was found as lines and words over the images: Grayscale Softcopy Presentation States (PS3.3 A.33.1).

A state has one Modality LUT and one polarity for all of its images (PS3.3 C.11.1, C.11.6), so that images that differ
in them get states of their own, in the same series. Each image keeps the first window of its own. One without is given
that of the pages: a state without any shows the whole range of the values (PS3.4 section N.2.1), a CT nearly black.
Images in colour cannot be in such a state and are left out, as are those of which there is nothing to
say.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from domain.findings import Region
from domain.profiles import ResultFormat
from domain.words import percentage
from sr_writer.codes.sentences import description
from sr_writer.codes.wording import plain, warning
from sr_writer.common_modules import heading
from sr_writer.content import Content, Draft
from sr_writer.encoding.colours import cielab
from sr_writer.encoding.elements import encoded, merged
from sr_writer.outlines import runs
from sr_writer.pages.pixels import pooled_window
from sr_writer.presentation_states.annotations import annotation
from sr_writer.presentation_states.rendering import Rendering, renderings, window_item
from sr_writer.source import Frame, Instance

_LAYER = "AI"
_AMBER = (255, 190, 70)
# Bright on the dark of most images, of the 16 bits that the standard gives a display value.
_BRIGHT_GREY = 0xC000
_MOST_LINES = 12


@dataclass(frozen=True, eq=False)
class _Shown:
    """One image with what is said of it: regions on it, and lines about the whole of it."""

    frame: Frame
    rendering: Rendering
    regions: tuple[Region, ...]
    lines: tuple[str, ...]


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The states of all images of which there is something to say, one for images that are rendered alike."""
    for number, images in enumerate(_grouped(_images(content), _pipeline), 1):
        yield Draft(form, _state(images, number, content, form))


def _images(content: Content) -> Iterator[_Shown]:
    """The greyscale images with something to say, in the findings' order."""
    outlined = runs(content.findings, content.mask)
    said = [
        (
            content.frame(index),
            (*(one for one in content.findings.regions if one.frame == index), *outlined.get(index, ())),
            _lines(content, index),
        )
        for index in range(len(content.source.frames))
    ]
    said = [one for one in said if one[1] or one[2]]
    grey = renderings([frame for frame, _, _ in said])
    return (
        _Shown(frame, _windowed(grey[frame], frame, content), regions, lines)
        for frame, regions, lines in said
        if frame in grey
    )


def _windowed(rendering: Rendering, frame: Frame, content: Content) -> Rendering:
    """The rendering, with a window that the image's values ask for where it states none."""
    if rendering.voi is not None:
        return rendering
    shared = content.window_of(content.source)
    window = pooled_window([frame]) if shared is None else shared.window
    if window is None:
        return rendering
    scale = 1.0 if shared is None else 1 / shared.factor(frame)
    return replace(rendering, voi=window_item(window[0] * scale, window[1] * scale))


def _lines(content: Content, index: int) -> tuple[str, ...]:
    """What a classifier reports of an image, and of the whole input where that is no volume."""
    findings = content.findings
    about = (index, None) if content.source.volume is None else (index,)
    reported = [one for one in findings.likelihoods if one.present and one.frame in about]
    reported.sort(key=lambda one: -one.probability)
    lines = [plain(f"{one.label}, score {percentage(one.probability)}") for one in reported]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"and {len(lines) - _MOST_LINES + 1} more"]
    return (*lines, *([_key(content, index)] if index in findings.key_frames else []))


def _key(content: Content, index: int) -> str:
    return f"Key image: {content.names(index)}" if len(content.source.frames) > 1 else "Key image"


def _state(images: Sequence[_Shown], number: int, content: Content, form: ResultFormat) -> Dataset:
    stamp = content.stamp
    state = heading(content, form, "PR", number)
    state.ContentLabel, state.ContentDescription = "AI_FINDINGS", description(content)
    state.ContentCreatorName = ""  # type 2 (PS3.3 table 10-12), and no person made it
    state.PresentationCreationDate, state.PresentationCreationTime = stamp.date, stamp.time
    alike = _grouped(images, lambda one: one.frame.instance.series_uid)
    state.ReferencedSeriesSequence = [_series(each) for each in alike]
    state.DisplayedAreaSelectionSequence = list(_areas(images))
    state.GraphicAnnotationSequence = [_annotation(one, content) for one in images]
    state.GraphicLayerSequence = [_layer()]
    _render(state, images)
    return state


def _series(images: Sequence[_Shown]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = images[0].frame.instance.series_uid
    series.ReferencedImageSequence = _references(images)
    return series


def _references(images: Sequence[_Shown]) -> list[Dataset]:
    """The images as references (PS3.3 table 10-3): an item an instance, its frames named where it may have several."""
    frames: dict[Instance, list[int]] = {}
    for one in images:
        frames.setdefault(one.frame.instance, []).append(one.frame.number)
    return [_reference(instance, numbers) for instance, numbers in frames.items()]


def _reference(instance: Instance, numbers: list[int]) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = instance.sop_class_uid, instance.sop_instance_uid
    if instance.multi_frame:
        item.ReferencedFrameNumber = numbers
    return item


def _render(state: Dataset, images: Sequence[_Shown]) -> None:
    """The greyscale pipeline, which replaces that of the images."""
    first = images[0].rendering
    state.update(first.modality)
    windows = list(_windows(images))
    if windows:
        state.SoftcopyVOILUTSequence = windows
    state.PresentationLUTShape = "INVERSE" if first.inverse else "IDENTITY"


def _windows(images: Sequence[_Shown]) -> Iterator[Dataset]:
    """An item for each window, which names its images unless it is that of all (PS3.3 C.11.8)."""
    for alike in _grouped(images, lambda one: _bytes(one.rendering.voi)):
        window = alike[0].rendering.voi
        if window is not None:
            yield _for(window, alike, images)


def _areas(images: Sequence[_Shown]) -> Iterator[Dataset]:
    """The whole image, for each size and shape of pixels (PS3.3 C.10.4)."""
    for alike in _grouped(images, lambda one: _bytes(_area(one))):
        yield _for(_area(alike[0]), alike, images)


def _area(image: _Shown) -> Dataset:
    area, instance = Dataset(), image.frame.instance
    area.update(image.rendering.shape)
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [instance.columns, instance.rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    return area


def _grouped(images: Iterable[_Shown], key: Callable[[_Shown], Hashable]) -> list[list[_Shown]]:
    """The images that are alike in something, together."""
    groups: dict[Hashable, list[_Shown]] = {}
    for one in images:
        groups.setdefault(key(one), []).append(one)
    return list(groups.values())


def _pipeline(image: _Shown) -> bytes:
    """What has to be the same for all images of a state."""
    return bytes([image.rendering.inverse]) + _bytes(image.rendering.modality)


def _bytes(dataset: Dataset | None) -> bytes:
    return b"" if dataset is None else b"".join(merged(encoded(dataset)))


def _for(settings: Dataset, some: Sequence[_Shown], images: Sequence[_Shown]) -> Dataset:
    """`settings` as an item that is for `some` of the images."""
    item = Dataset()
    item.update(settings)
    if len(some) < len(images):
        item.ReferencedImageSequence = _references(some)
    return item


def _layer() -> Dataset:
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder = _LAYER, 1
    layer.GraphicLayerDescription = "AI findings"
    layer.GraphicLayerRecommendedDisplayGrayscaleValue = _BRIGHT_GREY
    layer.GraphicLayerRecommendedDisplayCIELabValue = cielab(_AMBER)
    return layer


def _annotation(image: _Shown, content: Content) -> Dataset:
    lines = [*image.lines, *([content.edition_said] if content.edition_said else [])]
    item = annotation(image.frame.instance, image.regions, lines, warning(content.findings.model))
    item.ReferencedImageSequence = _references([image])
    item.GraphicLayer = _LAYER
    return item
