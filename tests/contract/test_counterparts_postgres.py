"""The PostgreSQL that other tests rely on: it answers, keeps what it committed, and can be stopped in every way."""

import pytest
from sqlalchemy import create_engine, text

from tests.support.servers import Postgres


def test_a_fresh_database_answers_through_sqlalchemy(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_every_fresh_database_is_another_one(postgres: Postgres) -> None:
    first, second = postgres.fresh_database(), postgres.fresh_database()
    with postgres.connect(first) as connection:
        connection.execute("CREATE TABLE only_here ()")
    with postgres.connect(second) as connection:
        found = connection.execute("SELECT to_regclass('only_here')").fetchone()
    assert found == (None,)


@pytest.mark.slow
@pytest.mark.parametrize("end", [Postgres.stop, lambda server: server.stop(immediate=True), Postgres.kill])
def test_what_was_committed_survives_every_kind_of_stop(end: object) -> None:
    assert callable(end)
    with Postgres() as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
            end(server)
            assert not server.ready()
        server.start()
        with server.connect() as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
