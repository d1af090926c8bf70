"""A package that compares: it runs on an earlier study of the patient's as well, and says what has changed.

What is wrong with the earlier study costs the study itself nothing: its results stand, and say why nothing is compared.
Nor is a part of the body that either study may have cut off: the difference would be of what was imaged. What has
changed is told of the figures that are told: a reader may subtract them, and they are known no finer.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from domain.errors import UnusableInput
from domain.findings import Findings, Measurement, OtherFrames, Segment
from domain.words import Resolution, figures
from inference_worker.cut_off import cut_off, named, telling
from inference_worker.model_protocol import Earlier, Loaded, Outcome, Run, Sources
from models.manifest import BEFORE, CHANGE, Manifest, Quantity, compared_with


def loaded(manifest: Manifest, run: Run, prepare: Callable[[Sources], Sources] = dict) -> Loaded:
    """The package, which says what may be cut off, and compares where its manifest says so."""
    run = telling(run, manifest)
    if manifest.priors is None:
        return Loaded(manifest.inputs, run, prepare)

    def compare(outcome: Outcome, earlier: Earlier) -> Outcome:
        return _compared(outcome, earlier, manifest, run)

    return Loaded(manifest.inputs, run, prepare, compare)


def _compared(outcome: Outcome, earlier: Earlier, manifest: Manifest, run: Run) -> Outcome:
    try:
        if isinstance(earlier, str):
            raise UnusableInput(earlier)
        before = run(earlier)
    except UnusableInput as error:
        said = f"an earlier study was not compared with, for it cannot be read as this one: {error.sentence}"
        return _with(outcome, remarks=(*outcome.findings.remarks, said))
    then = {segment.number: segment for segment in before.findings.segments}
    cut = {one.number for found in (outcome, before) for one in cut_off(found, manifest)}
    fine = tuple(_resolution(found.findings) for found in (outcome, before))
    segments = tuple(
        now if now.number in cut else replace(now, compared=tuple(_comparisons(now, then[now.number], manifest, fine)))
        for now in outcome.findings.segments
    )
    remarks = (*outcome.findings.remarks, *(f"earlier study: {one}" for one in before.findings.remarks))
    if apart := [one for one in segments if one.number in cut]:
        remarks = (*remarks, f"not compared with the earlier study, for one of the two may cut it off: {named(apart)}")
    read = (OtherFrames(manifest.inputs[0].name, before.findings.frames), *before.findings.others)
    compared = any(one.compared for one in segments)
    both = f"{outcome.findings.input_digest}\nearlier {before.findings.input_digest}\n"
    digest = hashlib.sha256(both.encode()).hexdigest()
    changes = {"segments": segments, "remarks": remarks, "input_digest": digest}
    return _with(outcome, **changes, earlier=read if compared else ())


def _resolution(findings: Findings) -> Resolution | None:
    return Resolution.of(findings.voxel) if findings.voxel else None


def _comparisons(
    now: Segment, then: Segment, manifest: Manifest, fine: Sequence[Resolution | None]
) -> Iterator[Measurement]:
    for wanted in manifest.compared:
        if wanted.segment not in (0, now.number):
            continue
        one, other = (
            _told(segment, wanted, manifest, resolution) for segment, resolution in zip((now, then), fine, strict=True)
        )
        value = _compare(wanted.compare, one, other)
        if value is not None:
            yield Measurement(wanted.name, value, wanted.unit, wanted.derivation, signed=wanted.compare != BEFORE)


def _told(segment: Segment, wanted: Quantity, manifest: Manifest, resolution: Resolution | None) -> Decimal | None:
    """The figure that is told of what is compared in the segment; None where it was not measured."""
    basis = compared_with(wanted, manifest.measured)
    alike = (one for one in segment.measurements if basis and (one.name, one.unit) == (basis.name, basis.unit))
    found = next((one for one in alike if math.isfinite(one.value)), None)
    return None if found is None else Decimal(figures(found, resolution))


def _compare(how: str, now: Decimal | None, then: Decimal | None) -> float | None:
    """Of two figures; a share in whole percent, for both are rounded."""
    if then is None or (how != BEFORE and now is None):
        return None
    if how == BEFORE or now is None:
        return float(then)
    if how == CHANGE:
        return float(now - then)
    return float(round(100 * (now - then) / then)) if then else None


def _with(outcome: Outcome, **changes: object) -> Outcome:
    findings: Findings = replace(outcome.findings, **changes)  # type: ignore[arg-type]
    return replace(outcome, findings=findings)
