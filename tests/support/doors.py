"""The people's door of a node without the rest of it: the application, a browser and programs before it, the trail."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient
from httpx2 import Response
from starlette.exceptions import HTTPException

from audit.trail import Ledger, newest_entries
from config.access import AccessSettings
from console.api import problems
from console.api.framing import Framing
from console.api.problems import ProblemError
from console.auth import sign_in, users
from console.auth.headers import SecurityHeaders
from console.auth.people import Asked
from console.auth.wiring import Access, open_access
from domain.clock import ManualClock
from domain.errors import NodeError
from domain.people import Bounds
from domain.permissions import UserRole
from store.database import Database
from store.grants import role_of

ORIGIN = "http://testserver"
PASSWORD = "correct horse battery"
_TODAY = timedelta(days=1)


@dataclass
class DoorBench:
    """A door with a clock that moves when told. `changed` counts changes that were let through."""

    access: Access
    ledger: Ledger
    clock: ManualClock
    app: FastAPI
    changed: list[str] = field(default_factory=list)

    def client(self, **options: Any) -> TestClient:
        """A browser, or a program: it keeps its own cookies."""
        return TestClient(self.app, base_url=ORIGIN, **options)

    def user(self, name: str = "alice", *roles: UserRole, bounds: Bounds | None = None) -> str:
        """A local user with PASSWORD; their name."""
        given = set(roles) or {UserRole.RADIOLOGIST}
        _, token = users.add(self.ledger, name, given, bounds or Bounds(), "a test", self.clock.now(), _TODAY)
        sign_in.set_password(self.access.people, token, PASSWORD, Asked("127.0.0.1"))
        return name

    def browser(self, name: str = "alice") -> TestClient:
        """A browser in which this user has logged in."""
        client = self.client()
        answer = client.post("/auth/login", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client

    def program(self, name: str = "alice") -> dict[str, Any]:
        """The tokens of a program as which this user has logged in."""
        given = {"name": name, "password": PASSWORD, "kind": "program"}
        answer = self.client().post("/auth/login", json=given)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def entries(self, action: str = "") -> list[Mapping[str, Any]]:
        """The details of all entries of an action."""
        found = newest_entries(self.ledger.database, 1000).rows
        return [one.details for one in found if not action or one.action == action]


def said(answer: Response) -> tuple[int, Mapping[str, Any]]:
    """Status and words of an answer, without its own number."""
    return answer.status_code, {key: value for key, value in answer.json().items() if key != "instance"}


def bearer(token: str) -> dict[str, str]:
    """What a program shows."""
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def open_door(
    data: Path, database_url: str, settings: AccessSettings | None = None, origin: str = ORIGIN
) -> Iterator[DoorBench]:
    """A door over a database, and one route behind it that changes something."""
    database = Database(database_url, role=role_of("serve"))
    clock = ManualClock(datetime.now(UTC))
    ledger = Ledger(database, "test", clock)
    access = open_access(settings or AccessSettings(), ledger, data, origin, clock)
    app = FastAPI()
    for kind in (ProblemError, NodeError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, problems.answering)
    app.include_router(access.router)
    app.add_middleware(Framing)
    app.add_middleware(SecurityHeaders, secure=origin.startswith("https"))
    bench = DoorBench(access, ledger, clock, app)

    @app.post("/change")
    def change(request: Request) -> str:
        bench.changed.append(access.door.principal(request).name)
        return bench.changed[-1]

    try:
        yield bench
    finally:
        database.close()
