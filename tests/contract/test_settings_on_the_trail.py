"""A role's start, and what it takes over on a reload, say on the trail which settings have changed."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from audit.actions import Action
from audit.trail import Ledger, newest_entries
from config import settings
from config.settings import Listener, Settings
from roles.health import Health
from roles.process import Context
from roles.recorded import run_recorded
from roles.table import ROLES
from store.database import Database
from store.grants import role_of
from store.right import Verb
from store.rights import PARTS
from store.settings_table import role_settings
from tests.support.bench import Bench

INDEX = role_of("index")


class Reloads:
    """In the place of a process's reloads: a test asks for one."""

    def __init__(self) -> None:
        self.take: Callable[[Settings], None] = lambda settings: None

    def taken_by(self, take: Callable[[Settings], None]) -> None:
        self.take = take


def live(bench: Bench, aet: str, then: str = "") -> None:
    """The role `index` begins and ends once as `aet`; meanwhile it takes over another title, `then`."""
    reloads: Any = Reloads()
    ledger = Ledger(Database(bench.database._engine.url.render_as_string(hide_password=False), role=INDEX), "index")
    own = _settings(aet)
    context = Context(own, bench.objects, threading.Event(), Health(), trail=ledger, reloading=reloads)

    def role(_context: Context) -> None:
        if then:
            reloads.take(_settings(then))

    run_recorded(role, context)


def _settings(aet: str) -> Settings:
    # The login of a test is a superuser's.
    return Settings(listener=Listener(aet=aet), database=settings.Database(trail_may_be_altered=True))


def changes(bench: Bench) -> list[list[object]]:
    """What each start and reload says has changed of our title."""
    found = newest_entries(bench.database, 100).rows
    told = [one.details["changes"] for one in found if one.action == Action.CONFIGURED]
    return [[change for change in one if change[0] == "listener.aet"] for one in told if isinstance(one, list)]


def test_a_first_start_tells_what_is_not_as_by_default_and_a_later_one_what_has_changed(bench: Bench) -> None:
    live(bench, "NODE1")
    live(bench, "NODE1")
    live(bench, "NODE2")
    name = "listener.aet"
    assert changes(bench) == [[[name, "DICOM_NODE", "NODE1"]], [], [[name, "NODE1", "NODE2"]]]


def test_what_is_taken_over_on_a_reload_is_told_once(bench: Bench) -> None:
    live(bench, "NODE1", then="NODE2")
    live(bench, "NODE2")
    assert changes(bench)[1:] == [[["listener.aet", "NODE1", "NODE2"]], []]
    assert bench.chain_holds()


@pytest.mark.parametrize("process", sorted(ROLES.keys() & PARTS.keys()))
def test_every_role_with_a_database_may_keep_what_it_had(process: str) -> None:
    kept = {right.verb for right in PARTS[process].rights if right.table is role_settings}
    assert kept == {Verb.SELECT, Verb.INSERT, Verb.UPDATE}
