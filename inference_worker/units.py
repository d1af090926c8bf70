"""The values of a PET scaled to the units that a model wants."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dicom_node.attributes.pet_units import factors
from inference_worker.frames import Frame


def in_units(frames: Sequence[Frame], paths: Sequence[Path], wanted: str) -> list[Frame]:
    """The frames, whose files are among `paths`, scaled to `wanted`; as they are where that is "".

    Raises UnusableInput where they are no PET, or what they say does not suffice for that.
    """
    if not wanted:
        return list(frames)
    scale = factors(paths, [frame.source.sop_instance_uid for frame in frames], wanted)
    return [_scaled(frame, scale[frame.source.sop_instance_uid]) for frame in frames]


def _scaled(frame: Frame, factor: float) -> Frame:
    scale = frame.scale
    return replace(frame, scale=replace(scale, slope=scale.slope * factor, intercept=scale.intercept * factor))
