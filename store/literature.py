"""Articles that sources of literature told of, by the coded terms that they were asked for: of no study."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.json_records import JsonObject
from store.tables import literature


def kept(connection: Connection, subject: str, since: datetime) -> Sequence[JsonObject] | None:
    """The articles of a subject that were found since then; None where there was no look for them."""
    mine = select(literature.c.articles).where(literature.c.subject == subject, literature.c.found_at >= since)
    found: Sequence[JsonObject] | None = connection.scalar(mine)
    return found


def keep(connection: Connection, subject: str, articles: Sequence[JsonObject], now: datetime) -> None:
    """These are the articles of a subject from now on."""
    new = upsert(literature).values(subject=subject, articles=list(articles), found_at=now)
    changed = {"articles": new.excluded.articles, "found_at": new.excluded.found_at}
    connection.execute(new.on_conflict_do_update(index_elements=["subject"], set_=changed))
