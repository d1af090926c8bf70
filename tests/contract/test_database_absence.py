"""What a database's server lacks is waited for, and nothing else that it answers is: the errors told apart."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from domain.errors import Retryable, Unavailable
from store.database import Database, is_for_data
from store.holders import Life
from store.outbox import OutboxReader
from store.tables import inbox
from tests.support.bench import Bench, open_bench
from tests.support.cut_line import CutLine


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("08006", "does not answer"),
        ("57P01", "is being stopped"),
        ("57P03", "is starting"),
        ("53100", "has no room left on its disk"),
        ("53300", "has no connection left"),
        ("25006", "is a standby"),
        ("25P03", "waited for longer"),
        ("25P04", "took longer"),
    ],
)
def test_what_a_server_says_of_its_own_absence_is_unavailable(bench: Bench, state: str, word: str) -> None:
    with pytest.raises(Unavailable, match=word), bench.database.transaction() as connection:
        _raise(connection, state)


def test_every_session_has_keepalives_and_notices_a_server_that_is_gone_without_a_word(database_url: str) -> None:
    database = Database(database_url)
    notifications = database.listener("anything")
    with ExitStack() as held:
        held.callback(database.close)
        held.callback(notifications.close)
        session = held.enter_context(database.session())
        pooled = held.enter_context(database.transaction())
        notifications.wait(0)
        drivers = [session.connection.dbapi_connection, pooled.connection.dbapi_connection, notifications._connection]
        kept = [one.info.get_parameters() for one in drivers if isinstance(one, psycopg.Connection)]
    assert [(one["keepalives_idle"], one["tcp_user_timeout"]) for one in kept] == [("30", "60000")] * 3


def test_no_limit_of_the_servers_ends_a_transaction_that_waits_for_its_files(database_url: str) -> None:
    limits = ("idle_in_transaction_session_timeout", "transaction_timeout")
    asked = make_url(database_url).update_query_dict({"options": " ".join(f"-c {one}=60000" for one in limits)})
    with (
        closing(Database(asked.render_as_string(hide_password=False))) as database,
        database.transaction() as connection,
    ):
        assert [connection.scalar(text(f"SHOW {one}")) for one in limits] == ["0", "0"]


def test_waiting_for_a_connection_of_this_process_is_a_servers_absence(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    pool = database._engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.1
    with ExitStack() as held:
        held.callback(database.close)
        for _ in range(1 + pool._max_overflow):
            held.enter_context(database._engine.connect())
        with pytest.raises(Unavailable, match="every connection"), database.transaction():
            pass


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
def test_a_transaction_that_was_given_up_is_tried_again(bench: Bench, state: str) -> None:
    with pytest.raises(Retryable, match="gave a transaction up"), bench.database.transaction() as connection:
        _raise(connection, state)


@pytest.mark.parametrize(
    ("state", "for_data"), [("22003", True), ("23505", True), ("54000", True), ("XX000", False), ("42P01", False)]
)
def test_whatever_else_the_server_says_is_never_its_absence(bench: Bench, state: str, for_data: bool) -> None:
    with pytest.raises(DBAPIError) as raised, bench.database.transaction() as connection:
        _raise(connection, state)
    assert is_for_data(raised.value) is for_data


def test_a_statement_with_too_many_parameters_is_never_the_servers_absence(bench: Bench) -> None:
    rows = [{"reader": "x", "event_id": uuid.uuid4(), "handled_at": bench.clock.now()} for _ in range(22_000)]
    with pytest.raises(OperationalError, match="number of parameters") as raised, bench.database.transaction() as made:
        made.execute(insert(inbox).values(rows))
    assert is_for_data(raised.value)


@pytest.mark.parametrize("use", ["transact", "live", "wait", "read"])
def test_a_line_that_breaks_at_any_answer_is_the_servers_absence(database_url: str, use: str) -> None:
    server = make_url(database_url)
    with CutLine(server.host or "", server.port or 0) as line:
        url = server.set(host="127.0.0.1", port=line.port).render_as_string(hide_password=False)
        _USES[use](url)
        for answers in range(line.answers):
            line.limit, line.answers = answers, 0
            with suppress(Unavailable):
                _USES[use](url)
        assert line.answers  # and the last try was still cut in two


def _transact(url: str) -> None:
    with closing(Database(url)) as database:
        for _ in range(2):
            with database.transaction() as connection:
                connection.execute(text("SELECT 1"))


def _live(url: str) -> None:
    with closing(Database(url)) as database, closing(Life(database, serves=["PACS"])) as life:
        life.prove()
        life.prove()


def _wait(url: str) -> None:
    with closing(Database(url)) as database, closing(database.listener("anything")) as notifications:
        notifications.wait(0)
        notifications.wait(0)


def _read(url: str) -> None:
    with closing(Database(url)) as database, closing(OutboxReader(database, "reader", ["topic"])) as reader:
        reader.read(0)
        reader.commit(1)


_USES = {"transact": _transact, "live": _live, "wait": _wait, "read": _read}


def _raise(connection: Any, state: str) -> None:
    connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'told to' USING ERRCODE = '{state}'; END $$"))
