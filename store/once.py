"""What somebody asked for under a key of theirs is done once, and answered alike when it is asked again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, update
from sqlalchemy.dialects.postgresql import insert

from store.once_tables import answered_once as once

#: For how long an answer is kept.
KEPT = timedelta(hours=24)
#: After which nobody is at work on it any more, for its process has ended.
GIVEN_UP = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """What is known of a key: the digest of what was asked, and its answer, None while it is being done."""

    request: bytes
    status: int | None
    answer: str | None


def claim(connection: Connection, key: bytes, request: bytes, now: datetime) -> Asked | None:
    """Take a key for a request; None where it is the caller's now, else what it was taken for before."""
    stale = (once.c.at < now - KEPT) | (once.c.status.is_(None) & (once.c.at < now - GIVEN_UP))
    connection.execute(delete(once).where(once.c.key == key, stale))
    taken = insert(once).values(key=key, request=request, at=now).on_conflict_do_nothing().returning(once.c.key)
    if connection.execute(taken).first() is not None:
        return None
    found = connection.execute(once.select().where(once.c.key == key)).first()
    return Asked(found.request, found.status, found.answer) if found else claim(connection, key, request, now)


def keep(connection: Connection, key: bytes, status: int, answer: str) -> None:
    """What is answered to the same request under this key from now on."""
    connection.execute(update(once).where(once.c.key == key).values(status=status, answer=answer))


def give_back(connection: Connection, key: bytes) -> None:
    """Nothing was done: whoever asks again under this key has it done."""
    connection.execute(delete(once).where(once.c.key == key, once.c.status.is_(None)))


def forget(connection: Connection, now: datetime) -> int:
    """Remove what is kept no longer; how many that were."""
    return connection.execute(delete(once).where(once.c.at < now - KEPT)).rowcount
