"""Who could alter the trail is told, each with what to do, and no role starts with it unless that is allowed."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import Ledger, newest_entries
from config.settings import Database as DatabaseSettings
from config.settings import Settings
from console.cli.app import app
from domain.errors import ConfigurationError
from roles.health import Health
from roles.process import Context
from roles.recorded import run_recorded
from store.database import Database
from store.grants import APPLICATION_ROLE, role_of
from store.objects import DirectoryStore
from store.rights import PARTS
from store.trail_guards import BODIES, bodies, faults
from tests.support.servers import Postgres

LOGIN = "somebody_of_a_site"


@pytest.fixture
def name(postgres: Postgres) -> Iterator[str]:
    """A database whose node logs in as a role of the site's own."""
    name = postgres.fresh_schema()
    with postgres.connect(name) as owner:
        owner.execute(f"CREATE ROLE {LOGIN} LOGIN IN ROLE {APPLICATION_ROLE}".encode())
        yield name
        owner.execute(f"REASSIGN OWNED BY {LOGIN} TO postgres".encode())
        owner.execute(f"DROP OWNED BY {LOGIN}".encode())
        owner.execute(f"DROP ROLE {LOGIN}".encode())
    postgres.drop(name)


@pytest.fixture
def owner(postgres: Postgres, name: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect(name) as connection:
        yield connection


def said(postgres: Postgres, name: str, login: str = LOGIN) -> list[str]:
    engine = create_engine(postgres.url(login, name))
    with engine.connect() as connection:
        found = [str(one) for one in faults(connection)]
    engine.dispose()
    return found


def test_the_functions_are_those_of_which_the_release_has_the_digests(postgres: Postgres, name: str) -> None:
    engine = create_engine(postgres.url(dbname=name))
    with engine.connect() as connection:
        assert bodies(connection) == BODIES, "who changes or adds a function enters it in store.trail_guards.BODIES"
    engine.dispose()


@pytest.mark.parametrize("login", [LOGIN, APPLICATION_ROLE])
def test_of_a_login_that_may_do_its_work_and_no_more_nothing_is_said(postgres: Postgres, name: str, login: str) -> None:
    assert said(postgres, name, login) == []


@pytest.mark.parametrize("process", PARTS)
def test_of_no_role_of_the_nodes_own_is_anything_said(
    postgres: Postgres, name: str, owner: psycopg.Connection[Any], process: str
) -> None:
    owner.execute(f"REVOKE {APPLICATION_ROLE} FROM {LOGIN}".encode())
    owner.execute(f"GRANT {role_of(process)} TO {LOGIN}".encode())
    assert said(postgres, name) == []


A_CONDITION = """
    CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON dicom_node.audit_parts
    FOR EACH ROW WHEN (false) EXECUTE FUNCTION dicom_node.refuse_change()
"""
A_TRIGGER = """
    CREATE TRIGGER mine BEFORE INSERT ON {trail} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
"""
A_LAX_FUNCTION = """
    CREATE OR REPLACE FUNCTION dicom_node.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'
"""
A_FUNCTION = """
    CREATE FUNCTION dicom_node.mine() RETURNS void LANGUAGE sql SECURITY DEFINER
    AS 'DELETE FROM dicom_node.audit_entries'
"""


@pytest.mark.parametrize(
    ("done", "told"),
    [
        (
            "ALTER ROLE {login} SUPERUSER",
            "is a superuser, who can switch the trail's triggers off: give the node a login",
        ),
        ("GRANT UPDATE (entry) ON {trail} TO {login}", "may UPDATE audit_entries: dicom-node database grant takes it"),
        ("GRANT INSERT ON {trail} TO dicom_node_app", "may INSERT audit_entries, as dicom_node_app: dicom-node"),
        ("GRANT DELETE ON {trail}_1 TO PUBLIC", "may DELETE audit_entries_1"),
        ("GRANT TRUNCATE ON dicom_node.audit_parts TO {login}", "may TRUNCATE audit_parts"),
        ("GRANT TRIGGER ON {trail} TO {login}", "may TRIGGER audit_entries"),
        ("GRANT pg_write_all_data TO {login}", "is a member of pg_write_all_data: REVOKE pg_write_all_data FROM"),
        ("GRANT pg_execute_server_program TO {login}", "is a member of pg_execute_server_program: REVOKE"),
        ("ALTER TABLE {trail} OWNER TO {login}", "owns the table audit_entries"),
        ("ALTER SCHEMA dicom_node OWNER TO {login}", "owns the schema"),
        ("ALTER FUNCTION dicom_node.refuse_change OWNER TO {login}", "owns the function refuse_change"),
        ("ALTER TABLE {trail} DISABLE TRIGGER append_only", "append_only of audit_entries is off"),
        ("ALTER TABLE {trail}_1 DISABLE TRIGGER no_truncate", "ALTER TABLE dicom_node.audit_entries_1 ENABLE ALWAYS"),
        ("ALTER TABLE {trail} ENABLE TRIGGER append_only", "append_only of audit_entries is off, or off for some"),
        ("DROP TRIGGER no_truncate ON {trail}_1", "no_truncate of audit_entries_1 is not there: keep the database"),
        ("DROP TRIGGER append_only ON {trail}", "append_only of audit_entries is not there"),
        (A_CONDITION, "append_only of audit_parts is not the one of the schema"),
        (A_TRIGGER, "audit_entries has the trigger mine, which is not the schema's"),
        ("CREATE RULE mine AS ON INSERT TO {trail}_1 DO INSTEAD NOTHING", "audit_entries_1 has the rule mine"),
        ("ALTER TABLE {trail} ENABLE ROW LEVEL SECURITY", "audit_entries has row security"),
        (A_LAX_FUNCTION, "the function refuse_change is not the one of this release: keep the database as it is"),
        (
            "ALTER FUNCTION dicom_node.append_to_trail RESET search_path",
            "append_to_trail is not the one of this release",
        ),
        (A_FUNCTION, "the function mine is not the one of this release"),
    ],
)
def test_whatever_would_let_the_trail_be_altered_is_told_with_what_to_do(
    postgres: Postgres, name: str, owner: psycopg.Connection[Any], done: str, told: str
) -> None:
    owner.execute(done.format(login=LOGIN, trail="dicom_node.audit_entries").encode())
    found = said(postgres, name)
    assert [one for one in found if told in one], found


def _role(url: str, tmp_path: Path, allowed: bool) -> Context:
    settings = Settings(data=tmp_path, database=DatabaseSettings(url=url, trail_may_be_altered=allowed))
    database = Database(url, role=role_of("retain"))
    objects = DirectoryStore(tmp_path)
    return Context(settings, objects, threading.Event(), Health(), trail=Ledger(database, "retain"))


def test_no_role_starts_whose_login_could_alter_the_trail(postgres: Postgres, name: str, tmp_path: Path) -> None:
    started = False

    def role(_context: Context) -> None:
        nonlocal started
        started = True

    with pytest.raises(ConfigurationError, match=r"postgres is a superuser.*\n.*database.trail_may_be_altered = true"):
        run_recorded(role, _role(postgres.url(dbname=name), tmp_path, allowed=False))
    assert not started


def test_a_role_that_may_start_all_the_same_says_so_in_the_entry_of_its_start(
    postgres: Postgres, name: str, tmp_path: Path
) -> None:
    url = postgres.url(dbname=name)
    run_recorded(lambda _: None, _role(url, tmp_path, allowed=True))
    database = Database(url)
    (start,) = [one for one in newest_entries(database, 9).rows if one.action == Action.STARTED]
    database.close()
    told = start.details["trail_may_be_altered"]
    assert told == ["the node's login postgres is a superuser, who can switch the trail's triggers off"]


def test_a_command_tells_the_same_and_who_could_do_it_whatever_is_done(postgres: Postgres, name: str) -> None:
    ask = ["database", "check", "--database"]
    well = CliRunner().invoke(app, [*ask, postgres.url(LOGIN, name)])
    assert well.exit_code == 0, well.output
    assert "the node's login cannot alter the trail" in well.stdout
    assert "who could alter it all the same: postgres (superuser)" in well.stdout
    ill = CliRunner().invoke(app, [*ask, postgres.url(dbname=name), "--json"])
    assert ill.exit_code == 1
    found = json.loads(ill.stdout)
    assert [one["said"] for one in found["faults"]] == [
        "the node's login postgres is a superuser, who can switch the trail's triggers off"
    ]
    assert found["who_may_alter"] == ["postgres (superuser)"]
