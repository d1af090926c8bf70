"""What was requested of studies, and what modalities performed: rows of steps and requests, nothing decided.

A step's rows are locked before any study's, under a lock of their own that `lock_steps` takes: with it, whoever ends a
step knows how all others of the study stand.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import StudyId
from domain.procedures import NOTHING, Performed, RequestedProcedure
from domain.states import ProcedureStepState
from store.leases import NOW
from store.procedure_tables import procedure_steps, requested_procedures
from store.tables import studies

#: Who says so, of a procedure step: as a reason names it.
MPPS = "MPPS"
_LOCK = 0x6D707073  # "mpps"
_MOST_FILES = 64  # that are read for a study's results; it has a handful

_STEPS, _REQUESTS = procedure_steps.c, requested_procedures.c


@dataclass(frozen=True)
class Step:
    """A procedure step as it stands; `performed` is None while its modality has not said."""

    sop_uid: str
    study_uids: tuple[str, ...]
    state: ProcedureStepState
    performed: Performed | None
    object_key: str = ""


@dataclass(frozen=True)
class Request:
    """What `source` says was requested of a study, in the file of `object_key`; "" where it knows nothing of it."""

    sop_uid: str
    study_uid: str
    source: str
    procedure: RequestedProcedure = NOTHING
    object_key: str = ""


@dataclass(frozen=True)
class Unasked:
    """A study of which nobody has told what was requested; `object_key` is of one of its images."""

    id: StudyId
    study_uid: str
    object_key: str


def lock_steps(connection: Connection) -> None:
    """Until this transaction ends nobody else changes a step; to be taken before any study is locked."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def step(connection: Connection, sop_uid: str) -> Step | None:
    """The step of this UID."""
    row = connection.execute(select(procedure_steps).where(_STEPS.sop_uid == sop_uid)).one_or_none()
    return None if row is None else _step(row._mapping)


def steps_of(connection: Connection, study_uids: Collection[str]) -> list[Step]:
    """The steps of any of these studies, in the order in which they began."""
    mine = select(procedure_steps).where(_STEPS.study_uids.overlap(list(study_uids)))
    found = connection.execute(mine.order_by(_STEPS.begun_at, _STEPS.sop_uid))
    return [_step(row._mapping) for row in found]


def keep_step(connection: Connection, one: Step) -> None:
    """Have the step as `one` says it; that it has ended is of this moment, where it had not."""
    ended = None if one.state is ProcedureStepState.IN_PROGRESS else NOW
    performed = None if one.performed is None else {uid: list(uids) for uid, uids in one.performed.series.items()}
    values = {
        "study_uids": sorted(one.study_uids),
        "state": one.state,
        "performed": performed,
        "object_key": one.object_key,
    }
    new = upsert(procedure_steps).values(sop_uid=one.sop_uid, begun_at=NOW, ended_at=ended, **values)
    kept = new.on_conflict_do_update(
        index_elements=["sop_uid"], set_={**values, "ended_at": func.coalesce(_STEPS.ended_at, ended)}
    )
    connection.execute(kept)


def keep_requests(connection: Connection, requests: Sequence[Request], now: datetime) -> list[str]:
    """Have what was requested as these say it; the keys of files that this leaves without a row."""
    if not requests:
        return []
    uids = {one.sop_uid for one in requests}
    before = set(connection.execute(select(_REQUESTS.object_key).where(_REQUESTS.sop_uid.in_(uids))).scalars())
    for one in sorted(requests, key=lambda each: (each.sop_uid, each.study_uid)):
        said = one.procedure
        values = {
            "source": one.source,
            "codes": list(said.codes),
            "description": said.description,
            "reason": said.reason,
            "object_key": one.object_key,
        }
        new = upsert(requested_procedures).values(sop_uid=one.sop_uid, study_uid=one.study_uid, at=now, **values)
        # The first moment stays: results are written from what was known when their run ended.
        connection.execute(new.on_conflict_do_update(index_elements=["sop_uid", "study_uid"], set_=values))
    after = set(connection.execute(select(_REQUESTS.object_key).where(_REQUESTS.sop_uid.in_(uids))).scalars())
    return sorted(before - after - {""})


def files_of(connection: Connection, study: StudyId, until: datetime) -> list[str]:
    """The keys of the files that said until then what was requested of a study; steps before worklists."""
    mine = (
        select(_REQUESTS.object_key)
        .join(studies, studies.c.study_uid == _REQUESTS.study_uid)
        .where(studies.c.id == study, _REQUESTS.object_key != "", _REQUESTS.at <= until)
    )
    ordered = mine.order_by(_REQUESTS.source != MPPS, _REQUESTS.sop_uid).limit(_MOST_FILES)
    return list(dict.fromkeys(connection.execute(ordered).scalars()))


def unasked(connection: Connection, source: str, most: int) -> list[Unasked]:
    """Studies that come, or just came, of which nobody told what was requested, and this source was not asked."""
    found = connection.execute(_UNASKED, {"source": source, "most": most})
    return [Unasked(StudyId(row.id), row.study_uid, row.object_key) for row in found]


def unanswered(connection: Connection, study_uids: Collection[str], sources: Collection[str]) -> set[str]:
    """Those of these studies of which nobody told what was requested, and not all of the sources have answered."""
    asked = {"uids": list(study_uids), "sources": list(sources)}
    return set(connection.execute(_UNANSWERED, asked).scalars())


# What is long complete nobody writes results of any more, and of what was fetched to compare with nobody ever does.
_UNASKED = text(
    """
    SELECT s.id, s.study_uid, image.object_key
    FROM dicom_node.studies s
    CROSS JOIN LATERAL (
        SELECT i.object_key FROM dicom_node.instances i WHERE i.study_id = s.id LIMIT 1
    ) AS image
    WHERE (s.state IN ('receiving', 'amended')
           OR (s.state = 'complete' AND s.last_received > statement_timestamp() - interval '1 hour'))
      AND NOT EXISTS (
          SELECT FROM dicom_node.requested_procedures r
          WHERE r.study_uid = s.study_uid AND (r.object_key <> '' OR r.source = :source)
      )
      AND NOT EXISTS (
          SELECT FROM dicom_node.fetched_studies f
          WHERE f.study_uid = s.study_uid AND f.until > statement_timestamp()
      )
    ORDER BY s.last_received LIMIT :most
    """
)
_UNANSWERED = text(
    """
    SELECT uid FROM unnest(CAST(:uids AS text[])) AS asked(uid)
    WHERE NOT EXISTS (
        SELECT FROM dicom_node.requested_procedures r WHERE r.study_uid = uid AND r.object_key <> ''
    ) AND EXISTS (
        SELECT FROM unnest(CAST(:sources AS text[])) AS wanted(source) WHERE NOT EXISTS (
            SELECT FROM dicom_node.requested_procedures r WHERE r.study_uid = uid AND r.source = wanted.source
        )
    )
    """
)


def let_go_of_study(connection: Connection, study: StudyId) -> list[tuple[str, str]]:
    """Remove what was requested and performed of a study; key and UID of each file that no row names then.

    Nothing, while somebody changes a step: who does may wait for the study, which this transaction has locked.
    """
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
        return []
    uid = connection.scalar(select(studies.c.study_uid).where(studies.c.id == study))
    return _remove(connection, _REQUESTS.study_uid == uid, _STEPS.study_uids == [uid])


def let_go_before(connection: Connection, before: datetime) -> list[tuple[str, str]]:
    """Remove what was said before that moment of studies of which no image is here; as `let_go_of_study`."""
    lock_steps(connection)
    gone = studies.c.images_removed_at.is_not(None) & (studies.c.last_received <= studies.c.images_removed_at)
    here = exists(studies.c.id).where(studies.c.study_uid == _REQUESTS.study_uid, ~gone)
    any_here = exists(studies.c.id).where(studies.c.study_uid == func.any(_STEPS.study_uids), ~gone)
    return _remove(connection, and_(_REQUESTS.at < before, ~here), and_(_STEPS.begun_at < before, ~any_here))


def _remove(connection: Connection, requests: ColumnElement[bool], steps: ColumnElement[bool]) -> list[tuple[str, str]]:
    of_requests = delete(requested_procedures).where(requests).returning(_REQUESTS.object_key, _REQUESTS.sop_uid)
    of_steps = delete(procedure_steps).where(steps).returning(_STEPS.object_key, _STEPS.sop_uid)
    rows = [*connection.execute(of_requests), *connection.execute(of_steps)]
    return sorted({(row.object_key, row.sop_uid) for row in rows if row.object_key})


def _step(row: RowMapping) -> Step:
    performed = None if row["performed"] is None else Performed(_uids(row["performed"]))
    state = ProcedureStepState(row["state"])
    return Step(row["sop_uid"], tuple(row["study_uids"]), state, performed, row["object_key"])


def _uids(series: Mapping[str, Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    return {uid: tuple(uids) for uid, uids in series.items()}
