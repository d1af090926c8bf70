"""What assembly asks of the database: the studies that are not complete, and the step to complete."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, select, text, update

from domain.completeness import StudyFacts
from domain.states import StudyState
from store.tables import instances, series, studies

_FACTS = text(
    """
    SELECT s.id, s.study_uid, s.state, s.revision,
           count(a.id) FILTER (WHERE a.closed_at IS NULL) AS open_associations,
           greatest(s.last_received, max(a.closed_at)) AS last_activity,
           ARRAY(SELECT DISTINCT modality FROM dicom_node.series WHERE study_id = s.id) AS modalities
    FROM dicom_node.studies s
    LEFT JOIN dicom_node.study_associations sa ON sa.study_id = s.id
    LEFT JOIN dicom_node.associations a ON a.id = sa.association_id
    WHERE s.state IN ('receiving', 'amended') AND (CAST(:study AS uuid) IS NULL OR s.id = :study)
    GROUP BY s.id
    """
)


@dataclass(frozen=True)
class OpenStudy:
    """A study that is not complete, and what is known of it."""

    id: uuid.UUID
    uid: str
    state: StudyState
    revision: int
    facts: StudyFacts


def open_studies(connection: Connection) -> Sequence[OpenStudy]:
    """Every study that is not complete."""
    return [_study(row) for row in connection.execute(_FACTS, {"study": None})]


def lock_open_study(connection: Connection, study: uuid.UUID) -> OpenStudy | None:
    """The study, locked and read again; None where it is complete by now."""
    connection.execute(select(studies.c.id).where(studies.c.id == study).with_for_update())
    row = connection.execute(_FACTS, {"study": study}).one_or_none()
    return _study(row) if row else None


def set_state(
    connection: Connection, study: uuid.UUID, state: StudyState, reason: str, now: datetime, revision: int | None = None
) -> None:
    """Move a study that this transaction has locked."""
    values = {"state": state, "reason": reason, "since": now} | ({"revision": revision} if revision is not None else {})
    connection.execute(update(studies).where(studies.c.id == study).values(values))


def note_progress(connection: Connection, study: uuid.UUID, reason: str, now: datetime) -> None:
    """Say where a complete study is on its way; one that is amended or stuck meanwhile keeps its own reason."""
    complete = update(studies).where(studies.c.id == study, studies.c.state == StudyState.COMPLETE)
    connection.execute(complete.values(reason=reason, since=now))


def size(connection: Connection, study: uuid.UUID) -> tuple[int, int]:
    """How many series and instances a study has."""
    counted = select(
        select(func.count()).where(series.c.study_id == study).scalar_subquery(),
        select(func.count()).where(instances.c.study_id == study).scalar_subquery(),
    )
    row = connection.execute(counted).one()
    return row[0], row[1]


def _study(row: Row[tuple[object, ...]]) -> OpenStudy:
    facts = StudyFacts(row.open_associations, row.last_activity, frozenset(row.modalities))
    return OpenStudy(row.id, row.study_uid, StudyState(row.state), row.revision, facts)
