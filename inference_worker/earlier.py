"""A package that compares: it runs on an earlier study of the patient's as well, and says what has changed.

What is wrong with the earlier study costs the study itself nothing: its results stand, and say why nothing is compared.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from domain.errors import UnusableInput
from domain.findings import Findings, Measurement, Segment
from inference_worker.model_protocol import Earlier, Loaded, Outcome, Run, Sources
from models.manifest import BEFORE, CHANGE, Manifest, Quantity, compared_with


def loaded(manifest: Manifest, run: Run, prepare: Callable[[Sources], Sources] = dict) -> Loaded:
    """The package, which compares where its manifest says so."""
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
    segments = tuple(
        replace(now, compared=tuple(_comparisons(now, then[now.number], manifest))) for now in outcome.findings.segments
    )
    remarks = (*outcome.findings.remarks, *(f"earlier study: {one}" for one in before.findings.remarks))
    both = f"{outcome.findings.input_digest}\nearlier {before.findings.input_digest}\n"
    digest = hashlib.sha256(both.encode()).hexdigest()
    return _with(outcome, segments=segments, remarks=remarks, input_digest=digest)


def _comparisons(now: Segment, then: Segment, manifest: Manifest) -> Iterator[Measurement]:
    for wanted in manifest.compared:
        if wanted.segment not in (0, now.number):
            continue
        one, other = (_value(segment, wanted, manifest) for segment in (now, then))
        value = _compare(wanted.compare, one, other)
        if value is not None:
            yield Measurement(wanted.name, value, wanted.unit, wanted.derivation)


def _value(segment: Segment, wanted: Quantity, manifest: Manifest) -> float | None:
    """What was measured in the segment of what is compared; None where it was not."""
    basis = compared_with(wanted, manifest.measured)
    found = (one.value for one in segment.measurements if basis and (one.name, one.unit) == (basis.name, basis.unit))
    return next(filter(math.isfinite, found), None)


def _compare(how: str, now: float | None, then: float | None) -> float | None:
    if then is None or how == BEFORE or now is None:
        return then if how == BEFORE else None
    if how == CHANGE:
        return now - then
    return 100 * (now - then) / then if then else None


def _with(outcome: Outcome, **changes: object) -> Outcome:
    findings: Findings = replace(outcome.findings, **changes)  # type: ignore[arg-type]
    return replace(outcome, findings=findings)
