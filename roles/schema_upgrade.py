"""The schema brought up to date, and its rights as they are to be: the trail says so, and who did it."""

from importlib.metadata import version

from audit.actions import Action
from audit.trail import Ledger
from store import schema
from store.database import Database
from store.grants import WHOEVER
from store.queries.backup import is_empty, revision


def upgrade_schema(owner_url: str, user: str = "") -> str:
    """As `store.schema.upgrade`, with an entry where anything has changed, in the name of `user` where there is one."""
    database = Database(owner_url, pool_size=1, role=WHOEVER)
    try:
        before = None if is_empty(database) else revision(database)
        after = schema.upgrade(owner_url)
        if after != before:
            ledger = Ledger(database, "database")
            said = {"before": before, "after": after, "version": version("dicom-node")}
            (ledger.on_behalf_of(user) if user else ledger).record(Action.SCHEMA_UPGRADED, **said)
    finally:
        database.close()
    return after


def grant_rights(owner_url: str, user: str) -> None:
    """As `store.schema.grant`, with an entry in the name of `user`."""
    schema.grant(owner_url)
    database = Database(owner_url, pool_size=1, role=WHOEVER)
    try:
        Ledger(database, "database").on_behalf_of(user).record(Action.RIGHTS_GRANTED)
    finally:
        database.close()
