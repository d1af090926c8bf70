"""What people are shown of a study's procedure steps and requests: states, counts and codes, and no free text."""

from sqlalchemy import Connection, select, text

from domain.ids import StudyId
from domain.records import ProcedureStepRecord, RequestRecord
from domain.states import ProcedureStepState
from store.procedure_tables import requested_procedures
from store.tables import studies

_MOST = 50  # a study has a handful of each
_STEPS = text(
    """
    SELECT p.sop_uid, p.state, p.begun_at, p.ended_at, (
        SELECT sum(jsonb_array_length(made.value)) FROM jsonb_each(p.performed) AS made
    ) AS instances
    FROM dicom_node.procedure_steps p JOIN dicom_node.studies s ON p.study_uids @> ARRAY[s.study_uid]
    WHERE s.id = :study ORDER BY p.begun_at DESC, p.sop_uid DESC LIMIT :most
    """
)


def steps_of(connection: Connection, study: StudyId) -> tuple[ProcedureStepRecord, ...]:
    """The last steps of a study, in the order in which they began."""
    found = connection.execute(_STEPS, {"study": study, "most": _MOST}).all()
    return tuple(
        ProcedureStepRecord(
            row.sop_uid,
            ProcedureStepState(row.state),
            row.begun_at,
            row.ended_at,
            None if row.instances is None else int(row.instances),
        )
        for row in reversed(found)
    )


def requests_of(connection: Connection, study: StudyId) -> tuple[RequestRecord, ...]:
    """Who said what was requested, the first first."""
    shown = requested_procedures.c
    query = (
        select(shown.source, shown.codes, shown.object_key, shown.at)
        .join(studies, studies.c.study_uid == shown.study_uid)
        .where(studies.c.id == study)
        .order_by(shown.at, shown.sop_uid)
        .limit(_MOST)
    )
    found = connection.execute(query)
    return tuple(RequestRecord(row.source, tuple(row.codes), bool(row.object_key), row.at) for row in found)
