"""What routing asks of the database: facts about every series of a study, decisions, jobs."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import JobId, StudyId, new_id, set_digest
from domain.routing import Choice
from domain.states import JobState
from store.tables import decisions, instances, jobs

# Wakes the workers.
JOBS_CHANNEL = "dicom_node_jobs"

_SLICES = text(
    """
    SELECT s.id AS series_id, s.modality, s.series_description, s.study_description,
           i.sop_class, i.body_part, i.frames, i.position, i.orientation, i.slice_spacing, a.calling_ae,
           i.view, i.image_type, i.photometric, i.contrast, i.burned_in, i.age
    FROM dicom_node.instances i
    JOIN dicom_node.series s ON s.id = i.series_id
    LEFT JOIN dicom_node.associations a ON a.id = i.association_id
    WHERE i.study_id = :study AND i.revision <= :revision
    ORDER BY s.id
    """
)


@dataclass(frozen=True)
class SliceRow:
    """What the index knows of one instance, for routing."""

    series_id: uuid.UUID
    modality: str
    series_description: str
    study_description: str
    sop_class: str
    body_part: str
    frames: int
    position: Sequence[float] | None
    orientation: Sequence[float] | None
    slice_spacing: float | None
    calling_ae: str | None
    view: str
    image_type: str
    photometric: str
    contrast: bool
    burned_in: bool
    age: float | None


@dataclass(frozen=True)
class WantedJob:
    """An inference that routing asks for: `inputs` are the series of the model's inputs, `series_id` the first's."""

    study_id: StudyId
    series_id: uuid.UUID
    inputs: Mapping[str, str]
    revision: int
    model: str
    version: str
    model_digest: str


def slices(connection: Connection, study: StudyId, revision: int) -> Sequence[SliceRow]:
    """Every instance of the study up to and with `revision`, series by series."""
    found = connection.execute(_SLICES, {"study": study, "revision": revision})
    return [SliceRow(**row) for row in found.mappings()]


def note_decision(
    connection: Connection,
    study: StudyId,
    revision: int,
    model: str,
    version: str,
    choice: Choice,
    reason: str,
    now: datetime,
) -> None:
    """Keep why a model ran or did not; the last decision of a revision counts."""
    row: dict[str, Any] = {
        "study_id": study,
        "revision": revision,
        "model": model,
        "version": version,
        "series_id": uuid.UUID(choice.series_id) if choice.series_id else None,
        "inputs": dict(choice.inputs),
        "reason": reason,
        "refusals": {series: list(reasons) for series, reasons in choice.refusals.items()},
        "decided_at": now,
    }
    key = ("study_id", "revision", "model")
    changed = {name: value for name, value in row.items() if name not in key}
    connection.execute(upsert(decisions).values(row).on_conflict_do_update(index_elements=key, set_=changed))


def request_job(connection: Connection, wanted: WantedJob, now: datetime) -> JobId | None:
    """Make the job; None where the same model has this very input already."""
    digests = connection.execute(
        select(instances.c.digest).where(
            instances.c.series_id.in_([uuid.UUID(one) for one in wanted.inputs.values()]),
            instances.c.revision <= wanted.revision,
        )
    ).scalars()
    row: Mapping[str, Any] = {
        **vars(wanted),
        "inputs": dict(wanted.inputs),
        "id": new_id(),
        "input_set": set_digest(digests),
        "state": JobState.REQUESTED,
        "reason": "waits for a worker",
        "since": now,
        "requested_at": now,
        "not_before": now,
    }
    made = connection.execute(upsert(jobs).values(row).on_conflict_do_nothing().returning(jobs.c.id))
    job = made.scalar_one_or_none()
    return JobId(job) if job else None
