"""Where studies are, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.settings import Settings
from domain.conflict_records import CorrectionRecord
from domain.ids import StudyId
from domain.progress import Progress, progress
from domain.records import BoundedDecision, SeriesRecord, StudyPath, StudyRecord, StudySummary, bounded
from domain.states import StudyState
from roles.identity_key import known_marks
from store.database import Database
from store.queries.current import current_work
from store.queries.path import images_of, latest_decisions, some_series, study_path, study_record
from store.queries.quarantine import unreadable_of


@dataclass(frozen=True)
class Explained:
    """What was decided of each model on a study, and what stands in the way besides."""

    study: StudyRecord
    series: tuple[SeriesRecord, ...]
    decisions: tuple[BoundedDecision, ...]
    waiting: tuple[CorrectionRecord, ...]
    unreadable: int


def whole_path(source: Database, study: StudyId, most: int | None) -> tuple[StudyPath, Progress]:
    """Everything on a study's way, of each table the last `most` rows, and where it is."""
    path, work = study_path(source, study, most), current_work(source, study)
    place = progress(path.study, work.jobs, work.results, work.deliveries, work.rejections, work.other_bytes)
    return path, place


def explained(source: Database, study: StudyId, most: int | None) -> Explained:
    """Why each model ran on a study, or why not, with the reasons against the first `most` series."""
    decided = latest_decisions(source, study)
    of_images = images_of(source, study, decided)
    decisions = tuple(bounded(one, most, of_images.get(one.model, ())) for one in decided)
    series = some_series(source, study, {one for decision in decisions for one in decision.series})
    found = study_record(source, study)
    waiting = current_work(source, study).other_bytes if found.state is StudyState.STUCK else ()
    return Explained(found, series, decisions, waiting, unreadable_of(source, study))


def places(found: Sequence[StudySummary]) -> list[Progress]:
    """Where each of them is."""
    return [
        progress(one.study, one.jobs, one.results, one.deliveries, one.rejections, one.other_bytes) for one in found
    ]


def marks(source: Database, settings: Settings, accession: str, patient_id: str) -> tuple[str, ...]:
    """The digests that the images of the studies bear that are looked for; none for empty numbers."""
    if not accession.strip() and not patient_id.strip():
        return ()
    by = known_marks(settings, source)
    asked = ((accession, by.of_accession), (patient_id, by.of_patient_id))
    return tuple(digest(typed) for typed, digest in asked if typed.strip())
