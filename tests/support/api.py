"""The API over a bench, asked by whoever a test wants to be."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.testclient import TestClient

from config.settings import Settings
from console.api.app import application
from console.api.backend import Backend
from console.api.problems import Kind, ProblemError
from domain.permissions import Permission, Principal, UserRole
from roles.health import Health
from tests.support.bench import KEY, Bench

NOBODY = "nobody"


@dataclass
class Known:
    """Knows people by the word that they send as Bearer: one of each role by its name, and those that a test adds."""

    people: dict[str, Principal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in UserRole:
            scopes = frozenset(Permission) if role is UserRole.SERVICE else None
            self.people[role.value] = Principal(f"{role.value}-1", frozenset({role}), scopes)

    def principal(self, request: Request) -> Principal:
        word = request.headers.get("authorization", "").removeprefix("Bearer ")
        if word not in self.people:
            raise ProblemError(Kind.NOT_LOGGED_IN, headers={"WWW-Authenticate": "Bearer"})
        return self.people[word]


@dataclass
class Asked:
    """The application, and how it is asked."""

    client: TestClient
    known: Known
    backend: Backend

    def __call__(self, who: str, method: str, path: str, **more: Any) -> Any:
        """The answer to `who`; `path` is below /api/v1."""
        headers = {**({} if who == NOBODY else {"Authorization": f"Bearer {who}"}), **more.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    def get(self, who: str, path: str, **more: Any) -> Any:
        """What is answered with 200, as JSON."""
        said = self(who, "GET", path, **more)
        assert said.status_code == 200, said.text
        return said.json()


def settings_of(bench: Bench, **tables: Any) -> Settings:
    """Settings of a node at the bench."""
    given = {"data": bench.root, "identity": {"key": KEY}, "destinations": ["PACS@127.0.0.1:104"], **tables}
    return Settings.model_validate(given)


@contextmanager
def served(bench: Bench, **tables: Any) -> Iterator[Asked]:
    """The API of a node at the bench, by the rights of its own role of the database."""
    health = Health()
    health.beat()
    backend = Backend(settings_of(bench, **tables), bench.as_process("serve"), bench.objects, health)
    known = Known()
    with TestClient(application(backend, known), raise_server_exceptions=True) as client:
        yield Asked(client, known, backend)


def roles(permission: Permission, people: Iterable[Principal]) -> set[str]:
    """The names of those who may."""
    return {one.name for one in people if one.may(permission)}
