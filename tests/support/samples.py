"""The sample files of the documentation, made anew from a phantom: one of each kind of object, and of some forms.

.venv/bin/python -m tests.support.samples      writes docs/samples
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from domain.profiles import DEFLATED, ENHANCED_SR, LABEL_MAP_SEGMENTATION, ResultFormat, ResultKind
from tests.support.counterparts import ROOT
from tests.support.result_cases import Run, everything, one_slice
from tests.support.result_files import usual

FOLDER = ROOT / "docs" / "samples"
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
    # As it is received it is six megabytes.
    "page-deflated": replace(usual(ResultKind.SC), transfer_syntax=DEFLATED),
}


def samples(folder: Path) -> dict[str, bytes]:
    """Each sample's file name and bytes; of a kind that has several objects, the first. Sources go to `folder`."""
    pages = {name: form for name, form in FORMS.items() if form.kind in (ResultKind.PDF, ResultKind.SC)}
    objects = {name: form for name, form in FORMS.items() if name not in pages}
    # The pages of one image are a third as large as those of five.
    return {**_made(everything(folder / "series"), objects), **_made(one_slice(folder / "image"), pages)}


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
