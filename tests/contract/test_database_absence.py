"""What a database's server lacks is waited for, and nothing else that it answers is: the errors told apart."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from domain.errors import Retryable, Unavailable
from store.database import Database, is_for_data
from store.tables import inbox
from tests.support.bench import Bench, open_bench


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
    ],
)
def test_what_a_server_says_of_its_own_absence_is_unavailable(bench: Bench, state: str, word: str) -> None:
    with pytest.raises(Unavailable, match=word), bench.database.transaction() as connection:
        _raise(connection, state)


def test_every_session_notices_a_server_that_is_gone_without_a_word(database_url: str) -> None:
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


def _raise(connection: Any, state: str) -> None:
    connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'told to' USING ERRCODE = '{state}'; END $$"))
