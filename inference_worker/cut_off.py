"""What the images end in the middle of: no volume counts what lies beyond the first or the last of them.

A series of which the last images were lost looks like one that was meant to be short: only what is in it tells.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from domain.anatomy import is_anatomy
from domain.findings import Segment
from inference_worker.model_protocol import Outcome, Run, Sources
from models.manifest import Manifest

_MOST = 6  # that a remark names
_SAID = "goes on to the first or the last image, and is measured no further"


def telling(run: Run, manifest: Manifest) -> Run:
    """`run`, whose findings say which parts of the body may be cut off, where their volume is measured."""

    def told(sources: Sources) -> Outcome:
        outcome = run(sources)
        found = [one for one in cut_off(outcome, manifest) if is_anatomy(one.category)]
        if not found:
            return outcome
        remarks = (*outcome.findings.remarks, f"{_SAID}: {named(found)}")
        return replace(outcome, findings=replace(outcome.findings, remarks=remarks))

    return told


def cut_off(outcome: Outcome, manifest: Manifest) -> tuple[Segment, ...]:
    """The segments with a voxel on the first or the last slice, of those whose volume is measured."""
    mask = outcome.mask
    if mask is None or not len(mask):
        return ()
    measured = {one.segment for one in manifest.measured if one.what == "volume" and one.scope == "whole"}
    at_ends = set(np.unique(mask[[0, -1]]).tolist())
    found = (one for one in outcome.findings.segments if one.number in at_ends)
    return tuple(one for one in found if measured & {0, one.number})


def named(segments: Sequence[Segment]) -> str:
    """`Right lung, Left lung`, so many as a reader reads."""
    more = len(segments) - _MOST
    return ", ".join([*(one.label for one in segments[:_MOST]), *([f"{more} more"] if more > 0 else [])])
