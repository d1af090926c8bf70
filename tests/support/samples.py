"""The sample files of the documentation, made anew from a phantom: of each kind of object, of some forms, and notes.

.venv/bin/python -m tests.support.samples      writes docs/samples
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from domain.editions import Edition
from domain.profiles import (
    BASIC_TEXT_SR,
    DEFLATED,
    ENCAPSULATED_PDF,
    ENHANCED_SR,
    EXPLICIT,
    LABEL_MAP_SEGMENTATION,
    OF_A_RUN,
    ResultFormat,
    ResultKind,
)
from domain.rejections import Cause
from sr_writer.content import Predecessor
from sr_writer.reports.rejection_note import Rejected, rejection_note
from sr_writer.results import write
from tests.support import impression_cases
from tests.support.counterparts import ROOT
from tests.support.findings import MOMENT
from tests.support.result_cases import Run, everything, one_slice
from tests.support.result_files import usual

FOLDER = ROOT / "docs" / "samples"
_IMPRESSIONS = {
    "impression": ENHANCED_SR,
    "impression-as-text": BASIC_TEXT_SR,
    "impression-pdf": ENCAPSULATED_PDF,
}
FORMS: Mapping[str, ResultFormat] = {
    "segmentation": usual(ResultKind.SEG),
    "segmentation-label-map": replace(usual(ResultKind.SEG), sop_class=LABEL_MAP_SEGMENTATION),
    "report-of-regions": usual(ResultKind.SR_REGIONS),
    "report-of-regions-enhanced": replace(usual(ResultKind.SR_REGIONS), sop_class=ENHANCED_SR),
    "report-of-segments": usual(ResultKind.SR),
    "report-of-findings": usual(ResultKind.SR_LIKELIHOODS),
    "report-as-text": usual(ResultKind.TEXT),
    "parametric-map": usual(ResultKind.PM),
    "presentation-state": usual(ResultKind.GSPS),
    "key-objects": usual(ResultKind.KOS),
    "encapsulated-pdf": usual(ResultKind.PDF),
    **{name: impression_cases.form(sop_class) for name, sop_class in _IMPRESSIONS.items()},
    # As it is received it is six megabytes.
    "page-deflated": replace(usual(ResultKind.SC), transfer_syntax=DEFLATED),
}
# What takes results back, for either cause; and a report that supersedes another.
NOTES: Mapping[str, Cause] = {f"rejection-{cause}": cause for cause in Cause}
SECOND = "report-that-supersedes"
EVERY: Mapping[str, ResultFormat] = {
    **FORMS,
    **dict.fromkeys(NOTES, usual(ResultKind.KOS)),
    SECOND: usual(ResultKind.SR),
}
_MADE = MOMENT - timedelta(minutes=20)


def samples(folder: Path) -> dict[str, bytes]:
    """Each sample's file name and bytes; of a kind that has several objects, the first. Sources go to `folder`."""
    pages = {name: form for name, form in FORMS.items() if form.kind in (ResultKind.PDF, ResultKind.SC)}
    objects = {name: form for name, form in FORMS.items() if name not in pages and form.kind in OF_A_RUN}
    run = everything(folder / "series")
    # The pages of one image are a third as large as those of five.
    made = {**_made(run, objects), **_made(one_slice(folder / "image"), pages), **_amended(run, folder)}
    return {**made, **_impressions(folder / "study")}


def _impressions(folder: Path) -> dict[str, bytes]:
    """What the reports among the samples, and one of another model on the same images, come to."""
    wanted = {form: name for name, form in FORMS.items() if form.kind is ResultKind.IMPRESSION}
    return {f"{wanted[one.form]}.dcm": one.part10 for one in impression_cases.study(folder).results(tuple(wanted))}


def _amended(run: Run, folder: Path) -> dict[str, bytes]:
    """The report of a second result, and the notes that take back the first."""
    forms = [usual(ResultKind.SEG), usual(ResultKind.SR)]
    first = run.results(forms, predecessors=())
    objects = [
        Predecessor(one.kind, one.form.sop_class, one.sop_instance_uid, one.series_instance_uid) for one in first
    ]
    file = folder / "first.dcm"
    file.write_bytes(first[0].part10)
    later = replace(run, findings=replace(run.findings, input_digest="of one image more"))
    edition = Edition(2, 1, _MADE)
    second = write(later.findings, run.mask, run.paths, objects, MOMENT, forms, run.maps, edition)
    made = {f"{SECOND}.dcm": one.part10 for one in second if one.kind is ResultKind.SR}
    for name, cause in NOTES.items():
        rejected = Rejected(objects, file, cause, 1, _MADE, 2 if cause is Cause.SUPERSEDED else None)
        made[f"{name}.dcm"] = rejection_note(run.findings, rejected, "sample", MOMENT, EXPLICIT).part10
    return made


def _made(run: Run, forms: Mapping[str, ResultFormat]) -> dict[str, bytes]:
    made: dict[ResultFormat, bytes] = {}
    for one in run.results(forms.values(), predecessors=()):
        made.setdefault(one.form, one.part10)
    return {f"{name}.dcm": made[form] for name, form in forms.items()}


def main() -> None:
    """Write them, and nothing else into their folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = samples(Path(folder))
    for old in FOLDER.glob("*.dcm"):
        old.unlink()
    for name, content in made.items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
