"""Dead letters as people ask for them: page by page, and one by its number."""

from sqlalchemy import Select

from domain.records import DeadLetter
from store.database import Database
from store.queries.records import read, rows_of
from store.queries.studies import Bound, may_be_seen
from store.tables import dead_letters


def page_of_letters(
    database: Database,
    limit: int,
    replayed: bool | None = None,
    after: int | None = None,
    seen_by: Bound | None = None,
) -> tuple[DeadLetter, ...]:
    """The newest first, those behind the number that `after` names; whether they were `replayed`, None of all."""
    query = _seen(seen_by).order_by(dead_letters.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(dead_letters.c.id < after)
    if replayed is not None:
        query = query.where(dead_letters.c.replayed_at.is_not(None) == replayed)
    with database.transaction() as connection:
        return read(connection, query, DeadLetter)


def known_letter(database: Database, number: int, seen_by: Bound | None = None) -> DeadLetter | None:
    """The dead letter of this number; None where there is none of a study that may be seen."""
    with database.transaction() as connection:
        found = read(connection, _seen(seen_by).where(dead_letters.c.id == number), DeadLetter)
    return found[0] if found else None


def _seen(seen_by: Bound | None) -> Select[*tuple[object, ...]]:
    return rows_of(DeadLetter, dead_letters).where(may_be_seen(dead_letters.c.study_id, seen_by))
