"""The settings that each role had at last: read and replaced in the transaction that records what has changed."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.json_records import JsonObject
from store.leases import NOW
from store.locks import locked
from store.settings_table import role_settings


def replace(connection: Connection, role: str, settings: JsonObject) -> JsonObject | None:
    """Keep `settings` as those of the role; those that it had before, None where it had none."""
    own = select(role_settings.c.settings).where(role_settings.c.role == role)
    before: JsonObject | None = connection.execute(locked(own, role_settings)).scalar_one_or_none()
    if before != settings:
        new = {"settings": settings, "at": NOW}
        made = upsert(role_settings).values(role=role, **new)
        connection.execute(made.on_conflict_do_update(index_elements=["role"], set_=new))
    return before
