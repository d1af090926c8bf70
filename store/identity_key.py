"""The key that digests of patients are made with: the database knows which one it is, and not the key itself."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from store.tables import identity_key


def is_the_one(connection: Connection, check_value: str) -> bool:
    """Whether all digests of this database are made with the key of this value; the first that asks decides that."""
    connection.execute(upsert(identity_key).values(check_value=check_value).on_conflict_do_nothing())
    return connection.scalar(select(identity_key.c.check_value)) == check_value


def known(connection: Connection) -> str | None:
    """The value of the key that all digests of this database are made with; None where it knows none yet."""
    return connection.scalar(select(identity_key.c.check_value))
