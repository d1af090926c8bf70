"""A release that changes the schema says so on the trail, once."""

from audit.actions import Action
from audit.trail import newest_entries
from roles.schema_upgrade import grant_rights, upgrade_schema
from store import schema
from store.database import Database
from store.grants import WHOEVER
from tests.support.servers import Postgres


def test_an_upgrade_is_an_entry_and_one_that_changes_nothing_is_none(postgres: Postgres) -> None:
    url = postgres.url(dbname=postgres.fresh_database())
    schema.upgrade(url, "0036")
    upgrade_schema(url, "alice")
    upgrade_schema(url, "alice")
    database = Database(url, role=WHOEVER)
    (entry,) = newest_entries(database, 10).rows
    database.close()
    assert entry.action == Action.SCHEMA_UPGRADED
    assert (entry.details["before"], entry.details["after"], entry.details["user"]) == ("0036", schema.head(), "alice")


def test_that_somebody_set_the_rights_right_is_an_entry(postgres: Postgres) -> None:
    url = postgres.url(dbname=postgres.fresh_schema())
    grant_rights(url, "alice")
    database = Database(url, role=WHOEVER)
    (entry,) = newest_entries(database, 10).rows
    database.close()
    assert (entry.action, entry.details) == (Action.RIGHTS_GRANTED, {"user": "alice"})
