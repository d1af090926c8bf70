"""The impression of a study as people ask for it: where it stands, and nothing of what it says."""

from sqlalchemy import Connection, func, literal_column, select

from domain.ids import StudyId
from domain.records import SummaryRecord
from store.tables import summaries

_SAID = summaries.c.impression
_COLUMNS = {
    "author": func.coalesce(_SAID["author"].astext, ""),
    "sentences": func.coalesce(func.jsonb_array_length(_SAID["sentences"]), literal_column("0")),
}


def summary_of(connection: Connection, study: StudyId) -> SummaryRecord | None:
    """The newest of a study, None where none was asked for."""
    names = SummaryRecord.__dataclass_fields__
    columns = [(_COLUMNS[name] if name in _COLUMNS else summaries.c[name]).label(name) for name in names]
    mine = select(*columns).where(summaries.c.study_id == study).order_by(summaries.c.number.desc()).limit(1)
    found = connection.execute(mine).mappings().one_or_none()
    return SummaryRecord(**found) if found else None
