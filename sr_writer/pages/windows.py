"""One window for all pictures of a series: each in one of its own, a faint image looks like a bright one, as noise.

A PET whose values can be said in SUV is shown in these, as its findings are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dicom_node.attributes.pet_units import SUV, factors
from domain.errors import UnusableInput
from sr_writer.pages.pixels import frame_window, pooled_window
from sr_writer.source import Frame, Source

# SUV: an inverse grey scale from 0 to 5 is a usual first look at FDG. No standard fixes its ends, so the picture says
# them.
_SUV_MOST = 5.0
_LOOKED_AT = 5  # images, spread over the series, that its window is taken from


@dataclass(frozen=True)
class SeriesWindow:
    """Centre and width of what is shown, of values times the factor of their instance; whether low is white.

    `said` is what a corner says of it, "" where centre and width are said.
    """

    window: tuple[float, float]
    factors: Mapping[str, float]
    inverse: bool = False
    said: str = ""

    def factor(self, frame: Frame) -> float:
        """What the values of a frame are multiplied by."""
        return self.factors.get(frame.instance.sop_instance_uid, 1.0)


def series_window(source: Source) -> SeriesWindow | None:
    """That of a stack of images; None where each has its own: radiographs, colour, tables, or they state the same."""
    if source.volume is None:
        return None
    if source.modality == "PT":
        return _of_pet(source)
    found = _of_stack(source)
    return None if found is None else SeriesWindow(found, {})


def _of_pet(source: Source) -> SeriesWindow | None:
    files = [one.file for one in source.instances]
    try:
        scale = factors(files, [one.sop_instance_uid for one in source.instances], SUV)
    except UnusableInput:  # no weight, no dose, not corrected: the reason is the run's to say
        found = pooled_window(_spread(source))
        return None if found is None else SeriesWindow(found, {}, inverse=True)
    return SeriesWindow((_SUV_MOST / 2, _SUV_MOST), scale, inverse=True, said=f"SUVbw 0 to {_SUV_MOST:.0f}")


def _of_stack(source: Source) -> tuple[float, float] | None:
    frames = _spread(source)
    stated = {frame_window(one) for one in frames}
    if stated == {None}:
        return pooled_window(frames)
    if None in stated or len(stated) == 1:
        return None
    return max((one for one in stated if one is not None), key=lambda one: one[1])


def _spread(source: Source) -> Sequence[Frame]:
    """A few frames from end to end."""
    count = len(source.frames)
    few = min(_LOOKED_AT, count)
    return [source.frames[(2 * k + 1) * count // (2 * few)] for k in range(few)]
