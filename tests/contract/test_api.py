"""The API: who may what, cell by cell; errors that say what to do; what was asked once is done once."""

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from audit.actions import Action
from audit.trail import newest_entries
from console.api.app import OPEN, routes_of
from console.api.routing import permission_of
from domain.permissions import PERMITTED, UserRole
from tests.support.api import NOBODY, Asked, served
from tests.support.bench import Bench, open_bench
from tests.support.ingest import send
from tests.support.phantoms import Phantom
from tests.support.servers import Postgres

ROUTES = [(method, one) for one in routes_of() for method in sorted(one.methods or ()) if one.path not in OPEN]
NAMES = [f"{method} {one.path}" for method, one in ROUTES]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Bench]:
    url = postgres.url(dbname=postgres.fresh_schema())
    with open_bench(tmp_path_factory.mktemp("api"), url) as made:
        send(made.writer, Phantom(size=(8, 8), slices=2, study="1").datasets())
        made.index()
        yield made


@pytest.fixture(scope="module")
def api(bench: Bench) -> Iterator[Asked]:
    with served(bench) as asked:
        yield asked


@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
def test_each_route_is_for_the_roles_that_the_table_permits_and_for_nobody_else(
    api: Asked, route: tuple[str, APIRoute]
) -> None:
    method, one = route
    needed = permission_of(one)
    assert needed is not None
    path = re.sub(r"\{\w+\}", "0f5a3d1c-6c2e-4a56-9f5a-3d1c3d1e7c40", one.path)
    assert api(NOBODY, method, path).status_code == 401
    for role in UserRole:
        # Whatever else is wrong with the request: who may not is told that, and nothing besides.
        assert (api(role, method, path).status_code == 403) is (needed not in PERMITTED[role]), role


def test_what_is_refused_is_on_the_trail_with_who_asked_for_what_and_the_requests_id(api: Asked) -> None:
    said = api("auditor", "GET", "/studies")
    assert said.status_code == 403
    (entry,) = newest_entries(api.backend.ledger.database, 1).rows
    assert entry.action == Action.REQUEST_REFUSED
    assert entry.details == {
        "user": "auditor-1",
        "address": "testclient",
        "request": said.headers["x-request-id"],
        "permission": "studies:read",
        "what": "GET /studies",
    }
