"""What each role of the node can do in the database with the rights of `store.rights`: its part, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text

from audit.actions import Action
from audit.trail import Ledger
from roles.process import WITHOUT_DATABASE
from roles.table import GROUPS, ROLES
from store.columns import SCHEMA
from store.database import Database, MissingRight
from store.granting import excess, held, wanted
from store.grants import APPLICATION_ROLE, AUDITOR, OPERATOR, READER, role_of
from store.outbox import OutboxReader
from store.right import Verb, generated
from store.rights import PARTS
from store.schema import grant, upgrade
from store.tables import metadata
from tests.support.servers import Postgres

LARGEST = 2**63 - 1
TABLES = {table.name: table for table in metadata.tables.values()}
REFUSED = (psycopg.errors.InsufficientPrivilege,)


@pytest.fixture(scope="module")
def house(postgres: Postgres) -> Iterator[str]:
    """The name of a database with the node's schema and an entry in its trail."""
    name = postgres.fresh_database()
    upgrade(postgres.url(dbname=name))
    database = Database(postgres.url(dbname=name))
    Ledger(database, "test").record(Action.STARTED)
    database.close()
    yield name


@pytest.fixture(params=list(PARTS))
def process(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def working_as(postgres: Postgres, name: str, process: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect(name) as connection:
        connection.execute(f"SET ROLE {role_of(process)}".encode())
        yield connection


def test_the_table_is_of_the_processes_that_have_a_database_and_of_the_kinds_of_commands() -> None:
    assert set(PARTS) == {*ROLES, OPERATOR, READER, AUDITOR} - WITHOUT_DATABASE


def test_a_consumers_place_is_that_of_its_own_group() -> None:
    for process, part in PARTS.items():
        groups = {name for name, group in GROUPS.items() if group.role == process}
        own = groups or ({process} if process in ("index", "relay") else set())
        assert part.reads_as is None or set(part.reads_as) == own
        assert part.reads_as is not None or process in (OPERATOR, "retain", "serve")


def test_the_rights_are_those_of_the_table_and_no_others(postgres: Postgres, house: str) -> None:
    engine = create_engine(postgres.url(dbname=house))
    with engine.connect() as connection:
        assert held(connection) == wanted()
    engine.dispose()


def test_no_role_may_give_a_number_that_the_database_gives_nor_set_a_sequence() -> None:
    numbered = {name: generated(table) for name, table in TABLES.items() if generated(table)}
    ids = {"dead_letters": ("id",), "conflicts": ("id",), "quarantine": ("id",)}
    assert numbered == {"outbox": ("seq",), "audit_checkpoints": ("number",), "audit_archives": ("number",), **ids}
    writes = {(verb, table, column) for _, verb, table, column in wanted() if verb in (Verb.INSERT, Verb.UPDATE)}
    assert not [one for one in writes for column in numbered.get(one[1], ()) if one[2] == column]


def test_no_role_stops_a_table_by_its_largest_number(postgres: Postgres, house: str, process: str) -> None:
    """Every role, every number that the database gives: by an insert, past the rule, by a change, by its sequence."""
    with working_as(postgres, house, process) as role:
        for name, table in TABLES.items():
            for column in generated(table):
                others = ", ".join(f'"{one.name}"' for one in table.columns if one.name != column)
                sequence = f"{SCHEMA}.{name}_{column}_seq"
                again = f"INSERT INTO {SCHEMA}.{name} ({column}, {others}) OVERRIDING SYSTEM VALUE"
                for statement in (
                    f"{again} SELECT {column}, {others} FROM {SCHEMA}.{name}",
                    f"INSERT INTO {SCHEMA}.{name} ({column}) VALUES ({LARGEST})",
                    f"INSERT INTO {SCHEMA}.{name} ({column}) OVERRIDING SYSTEM VALUE VALUES ({LARGEST})",
                    f"UPDATE {SCHEMA}.{name} SET {column} = {LARGEST}",
                    f"UPDATE {SCHEMA}.{name} SET {column} = DEFAULT",
                    f"SELECT setval('{sequence}', {LARGEST})",
                    f"SELECT nextval('{sequence}')",
                    f"ALTER SEQUENCE {sequence} RESTART WITH {LARGEST}",
                ):
                    # The rule that no number is given is looked at before the right.
                    with pytest.raises((*REFUSED, psycopg.errors.GeneratedAlways)):
                        role.execute(statement.encode())


def test_the_owner_alone_gives_a_number_even_where_a_right_were_given_by_mistake(
    postgres: Postgres, house: str
) -> None:
    with postgres.connect(house) as owner:
        for name, table in TABLES.items():
            for column in generated(table):
                with pytest.raises(psycopg.errors.GeneratedAlways):
                    owner.execute(f"INSERT INTO {SCHEMA}.{name} ({column}) VALUES ({LARGEST})".encode())


def test_whatever_a_role_has_no_right_to_it_is_refused(postgres: Postgres, house: str, process: str) -> None:
    """Every table, column by column, as the server itself answers."""
    may = {(verb, table, column) for role, verb, table, column in wanted() if role == role_of(process)}
    with working_as(postgres, house, process) as role:
        for table, column in ((name, column.name) for name, one in TABLES.items() for column in one.columns):
            asked = {
                Verb.SELECT: f'SELECT "{column}" FROM {SCHEMA}.{table}',
                Verb.INSERT: f'INSERT INTO {SCHEMA}.{table} ("{column}") SELECT NULL WHERE false',
                Verb.UPDATE: f'UPDATE {SCHEMA}.{table} SET "{column}" = NULL WHERE false',
                Verb.DELETE: f"DELETE FROM {SCHEMA}.{table} WHERE false",
            }
            for verb, statement in asked.items():
                if (verb.value, table, column) not in may:
                    with pytest.raises((*REFUSED, psycopg.errors.GeneratedAlways)):
                        role.execute(statement.encode())
        for table in TABLES:
            for statement in (
                f"TRUNCATE {SCHEMA}.{table}",
                f"DROP TABLE {SCHEMA}.{table}",
                f"ALTER TABLE {SCHEMA}.{table} DISABLE ROW LEVEL SECURITY",
                f"CREATE TRIGGER mine BEFORE INSERT ON {SCHEMA}.{table} EXECUTE FUNCTION dicom_node.refuse_change()",
            ):
                with pytest.raises(REFUSED):
                    role.execute(statement.encode())
        for statement in (f"CREATE TABLE {SCHEMA}.mine ()", f"CREATE FUNCTION {SCHEMA}.mine() RETURNS int RETURN 1"):
            with pytest.raises(REFUSED):
                role.execute(statement.encode())


@pytest.mark.parametrize(
    ("process", "statement"),
    [
        ("work", "SELECT identity FROM dicom_node.instances"),
        ("work", "SELECT series_description FROM dicom_node.instances"),
        ("work", "SELECT envelope FROM dicom_node.outbox"),
        ("work", "SELECT named FROM dicom_node.studies"),
        ("work", "UPDATE dicom_node.deliveries SET state = 'stored'"),
        ("work", "UPDATE dicom_node.offsets SET seq = 0"),
        ("deliver", "UPDATE dicom_node.jobs SET findings = NULL"),
        ("deliver", "UPDATE dicom_node.results SET object_key = ''"),
        ("deliver", "INSERT INTO dicom_node.instances (sop_uid) VALUES ('')"),
        ("write", "UPDATE dicom_node.jobs SET findings = NULL"),
        ("write", "UPDATE dicom_node.jobs SET state = 'succeeded'"),
        ("assemble", "UPDATE dicom_node.jobs SET findings = NULL"),
        ("assemble", "INSERT INTO dicom_node.instances (sop_uid) VALUES ('')"),
        ("assemble", "SELECT identity FROM dicom_node.instances"),
        ("relay", "SELECT * FROM dicom_node.studies"),
        ("relay", "INSERT INTO dicom_node.outbox (topic) VALUES ('')"),
        ("index", "INSERT INTO dicom_node.outbox (topic) VALUES ('')"),
        ("index", "UPDATE dicom_node.instances SET identity = NULL"),
        ("retain", "UPDATE dicom_node.offsets SET seq = 0"),
        ("retain", "SELECT identity FROM dicom_node.instances"),
        ("retain", "SELECT named FROM dicom_node.studies"),
        ("retain", "DELETE FROM dicom_node.studies"),
        ("retain", "DELETE FROM dicom_node.holds"),
        ("retain", "UPDATE dicom_node.deliveries SET state = 'stored'"),
        ("summarise", "SELECT named FROM dicom_node.studies"),
        ("work", "SELECT * FROM dicom_node.earlier_studies(gen_random_uuid())"),
        (READER, "SELECT entry FROM dicom_node.audit_entries"),
        (OPERATOR, "SELECT entry FROM dicom_node.audit_entries"),
        (OPERATOR, "UPDATE dicom_node.offsets SET seq = 0"),
        (AUDITOR, "SELECT * FROM dicom_node.instances"),
    ],
)
def test_what_is_another_roles_matter_is_refused(postgres: Postgres, house: str, process: str, statement: str) -> None:
    with working_as(postgres, house, process) as role, pytest.raises(REFUSED):
        role.execute(statement.encode())


def test_no_roles_place_in_the_log_is_anothers_to_move_or_to_see(postgres: Postgres, house: str) -> None:
    """The relay's is what says that a row was sent."""
    url = postgres.url(dbname=house)
    relay = Database(url, role=role_of("relay"))
    reader = OutboxReader(relay, "relay", ["events"])
    reader.read(0)
    assert reader.commit(0)
    with working_as(postgres, house, "assemble") as role:
        assert role.execute("SELECT * FROM dicom_node.offsets").fetchall() == []
        assert role.execute(f"UPDATE dicom_node.offsets SET seq = {LARGEST}".encode()).rowcount == 0
        for statement in (
            f"INSERT INTO dicom_node.offsets VALUES ('delivery', {LARGEST})",
            "INSERT INTO dicom_node.offsets VALUES ('relay', 9) ON CONFLICT (reader) DO UPDATE SET seq = excluded.seq",
            "INSERT INTO dicom_node.inbox VALUES ('delivery', gen_random_uuid(), now())",
        ):
            with pytest.raises(REFUSED, match="row-level security"):
                role.execute(statement.encode())
        role.execute("INSERT INTO dicom_node.offsets VALUES ('routing', 0)")
    reader.close()
    relay.close()
    with postgres.connect(house) as owner:
        assert owner.execute("SELECT reader, seq FROM dicom_node.offsets ORDER BY 1").fetchall() == [
            ("relay", 0),
            ("routing", 0),
        ]
        owner.execute("DELETE FROM dicom_node.offsets")


def test_what_is_too_much_is_named_and_taken_and_what_is_missing_given(postgres: Postgres) -> None:
    name = postgres.fresh_database()
    url = postgres.url(dbname=name)
    upgrade(url)
    with postgres.connect(name) as owner:
        owner.execute("GRANT INSERT ON dicom_node.results TO dicom_node_work")
        owner.execute("GRANT UPDATE (entry) ON dicom_node.audit_entries TO dicom_node_app")
        owner.execute("GRANT USAGE, UPDATE ON SEQUENCE dicom_node.outbox_seq_seq TO dicom_node_relay")
        owner.execute("GRANT DELETE ON dicom_node.studies TO dicom_node_index")
        owner.execute("CREATE POLICY mine ON dicom_node.offsets TO dicom_node_work USING (true)")
        owner.execute("REVOKE SELECT ON dicom_node.outbox FROM dicom_node_relay")
    engine = create_engine(url)
    with engine.connect() as connection:
        said = excess(connection)
    assert [one.removesuffix(": dicom-node database grant") for one in said[1:]] == [
        "dicom_node_app may UPDATE audit_entries",
        "dicom_node_index may DELETE studies",
        "dicom_node_relay may UPDATE outbox_seq_seq",
        "dicom_node_relay may USAGE outbox_seq_seq",
        "dicom_node_work may INSERT results",
    ]
    assert "is a superuser" in said[0]
    for _ in range(2):
        grant(url)
        with engine.connect() as connection:
            assert held(connection) == wanted()
            policies = connection.execute(text("SELECT policyname FROM pg_policies WHERE policyname = 'mine'"))
            assert policies.all() == []
    engine.dispose()


def test_a_role_without_a_right_is_told_so_with_its_name_and_what_mends_it(postgres: Postgres) -> None:
    name = postgres.fresh_database()
    url = postgres.url(dbname=name)
    upgrade(url)
    with postgres.connect(name) as owner:
        owner.execute("REVOKE SELECT ON dicom_node.jobs FROM dicom_node_work")
    database = Database(url, role=role_of("work"))
    with (
        pytest.raises(
            MissingRight, match=r"the role dicom_node_work: permission denied for table jobs: .* database grant"
        ),
        database.transaction() as connection,
    ):
        connection.execute(text("SELECT count(*) FROM dicom_node.jobs"))
    grant(url)
    with database.transaction() as connection:  # the same process, and the same connection
        connection.execute(text("SELECT count(*) FROM dicom_node.jobs"))
    database.close()


def test_a_login_that_may_not_work_as_a_role_is_told_so(postgres: Postgres, house: str) -> None:
    with postgres.connect(house) as owner:
        owner.execute("CREATE ROLE somebody_else LOGIN")
    try:
        stranger = Database(postgres.url("somebody_else", house), role=role_of("work"))
        with (
            pytest.raises(MissingRight, match="the login somebody_else work as dicom_node_work"),
            stranger.transaction(),
        ):
            pass
        stranger.close()
    finally:
        with postgres.connect(house) as owner:
            owner.execute("DROP ROLE somebody_else")


def test_the_login_of_a_whole_node_may_work_as_each_of_its_roles(postgres: Postgres, house: str, process: str) -> None:
    database = Database(postgres.url(APPLICATION_ROLE, house), role=role_of(process))
    with database.transaction() as connection:
        assert connection.scalar(text("SELECT current_user")) == role_of(process)
        assert connection.scalar(text("SELECT session_user")) == APPLICATION_ROLE
        assert excess(connection) == []
    database.close()
