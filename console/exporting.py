"""A study as files in a folder: as it is, or without its persons. For the command line and for the API.

One object at a time: what cannot be made safe is left out with its reason, and the next one goes on.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from audit.actions import Action
from audit.trail import Ledger
from domain.errors import ConfigurationError, NodeError
from domain.ids import StudyId
from domain.json_records import JsonObject
from store.database import Database
from store.objects import ObjectStore
from store.queries.exporting import Exportable, called, exportable, vocabularies

if TYPE_CHECKING:  # what cleans needs libraries that a node without results need not have
    from console.deidentifying import Deidentifier

# Part 10 file and where it goes below the folder, and what was done to it.
Made = tuple[bytes, str, Counter[str]]


@dataclass
class Report:
    """What an export came to: kinds and counts, and no value that was in a file."""

    deidentified: bool
    policy: str
    files: dict[str, str] = field(default_factory=dict)  # SHA-256 by name below the folder
    results: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # by reason
    done: Counter[str] = field(default_factory=Counter)  # by attribute, or kind of what was done

    def to_json(self) -> JsonObject:
        """Plain JSON."""
        return {
            "format": "dicom-node export",
            "deidentified": self.deidentified,
            "policy": self.policy,
            "objects": len(self.files),
            "results": self.results,
            "left_out": dict(sorted(self.left_out.items())),
            "done": dict(sorted(self.done.items())),
            "files": dict(sorted(self.files.items())),
        }

    @property
    def text(self) -> str:
        """The report as it is written."""
        return json.dumps(self.to_json(), indent=2, sort_keys=True) + "\n"


class Exporter:
    """Exports studies of a node into folders; each export is on the trail, before its first file and after its last."""

    def __init__(self, source: Database, objects: ObjectStore, ledger: Ledger, user: str) -> None:
        self._source, self._objects, self._ledger, self._user = source, objects, ledger, user

    def identified(self, study: StudyId, to: Path, results: bool) -> Report:
        """The study's objects, byte for byte as they lie in the node."""
        return self._export(study, to, results, Report(False, ""), self._plain)

    def deidentified(self, study: StudyId, to: Path, results: bool, made_by: Callable[..., "Deidentifier"]) -> Report:
        """The study's objects as `made_by` makes them, which is given what the study's packages call things."""
        words = vocabularies(self._source, study)
        texts = called(self._source, study).union(*(one.texts for one in words))
        by = made_by(texts, [code for one in words for code in one.codes])
        return self._export(study, to, results, Report(True, by.policy), lambda found: self._clean(by, found))

    def _export(
        self,
        study: StudyId,
        to: Path,
        results: bool,
        report: Report,
        makes: Callable[[Sequence[Exportable]], Iterator[tuple[Exportable, Made | NodeError]]],
    ) -> Report:
        _prepare(to)
        found = exportable(self._source, study, results)
        told = {"user": self._user, "deidentified": "yes" if report.deidentified else "no", "policy": report.policy}
        self._record(Action.EXPORT_BEGUN, study, **told, objects=len(found))
        cut_short = True
        try:
            for one, made in makes(found):
                _take(report, to, one, made)
            cut_short = False
        finally:  # what lies in the folder by now has left, whatever ended it
            digest = hashlib.sha256(report.text.encode()).hexdigest()
            counts = {"objects": len(report.files), "left_out": report.left_out.total(), "report": digest}
            self._record(Action.EXPORTED, study, **told, **counts, cut_short="yes" if cut_short else "no")
        return report

    def _record(self, action: Action, study: StudyId, **details: object) -> None:
        with self._ledger.transaction() as transaction:
            transaction.record(action, study, **details)

    def _plain(self, found: Sequence[Exportable]) -> Iterator[tuple[Exportable, Made | NodeError]]:
        for one in found:
            try:
                yield one, (self._objects.get(one.object_key), f"{one.sop_uid}.dcm", Counter())
            except NodeError as error:
                yield one, error

    def _clean(self, by: "Deidentifier", found: Sequence[Exportable]) -> Iterator[tuple[Exportable, Made | NodeError]]:
        """Whom any object of the study names is known before the first one is written."""
        readable = []
        for one in found:
            try:
                by.learn(self._objects.path(one.object_key))
                readable.append(one)
            except NodeError as error:
                yield one, error
        for one in readable:
            try:
                yield one, by.clean(self._objects.get(one.object_key))
            except NodeError as error:
                yield one, error


def _prepare(to: Path) -> None:
    try:
        to.mkdir(parents=True, exist_ok=True)
        if next(to.iterdir(), None):
            raise ConfigurationError(f"{to} has files already: name a folder that is new or empty")
    except OSError as error:
        raise ConfigurationError(f"{to} cannot be used: {error.strerror}") from error


def _take(report: Report, to: Path, one: Exportable, made: Made | NodeError) -> None:
    """Write what came of an object, and note it in the report."""
    if isinstance(made, NodeError):
        report.left_out[made.sentence] += 1
        return
    part10, name, done = made
    try:
        _write(to / name, part10)
    except OSError as error:
        raise ConfigurationError(
            f"{to} cannot be written: {error.strerror}. {len(report.files)} files of the export are there, each of "
            "them whole: make room, empty the folder, and export again"
        ) from error
    report.files[name] = hashlib.sha256(part10).hexdigest()
    report.results += one.is_result
    report.done += done


def _write(file: Path, content: bytes) -> None:
    """Whole under its name, or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
