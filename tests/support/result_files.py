"""Results as files: those of a case in the usual form of every kind, or in any form."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from domain.profiles import EXPLICIT, ResultFormat, ResultKind, every_form
from sr_writer.results import _DRAFTS
from tests.support.result_cases import Case, Run

# A kind is judged from the day on that a module writes it.
KINDS = tuple(_DRAFTS)


@dataclass(frozen=True)
class Written:
    """A run and its results by kind, a file each."""

    run: Run
    files: Mapping[ResultKind, tuple[Path, ...]]

    @property
    def source(self) -> Path:
        """One file of the series."""
        return self.run.paths[0]

    @property
    def all(self) -> list[Path]:
        """The files of all kinds."""
        return [path for paths in self.files.values() for path in paths]


def written(case: Case, folder: Path) -> Written:
    """The results of a case in the usual form of every kind; those of segments refer to their segmentation."""
    run = case.make(folder / "source")
    saved = save(run, map(usual, KINDS), folder)
    return Written(run, {kind: tuple(path for form, path in saved if form.kind is kind) for kind in KINDS})


def save(run: Run, forms: Iterable[ResultFormat], folder: Path) -> list[tuple[ResultFormat, Path]]:
    """The run's results in these forms, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for number, one in enumerate(run.results(tuple(forms))):
        saved.append((one.form, folder / f"{number}-{one.kind}.dcm"))
        saved[-1][1].write_bytes(one.part10)
    return saved


def usual(kind: ResultKind) -> ResultFormat:
    """The form of a kind that is sent where nothing speaks against it."""
    form = next(form for form in every_form() if form.kind is kind and form.transfer_syntax == EXPLICIT)
    return replace(form, refers=usual(ResultKind.SEG).name) if kind is ResultKind.SR else form


def forms() -> Iterator[ResultFormat]:
    """Every form of the kinds that are written; of reports of segments, those that refer to each segmentation too."""
    for form in every_form():
        if form.kind in KINDS:
            yield form
        if form.kind is ResultKind.SR and form.transfer_syntax == EXPLICIT:
            yield from (replace(form, refers=one.name) for one in segmentations())


def segmentations() -> Iterator[ResultFormat]:
    """The forms of a segmentation that a report can refer to."""
    return (form for form in every_form() if form.kind is ResultKind.SEG and form.transfer_syntax == EXPLICIT)
