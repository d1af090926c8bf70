"""The API over a bench, asked by whoever a test wants to be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.testclient import TestClient

from audit.trail import Entry, newest_entries
from config.settings import Settings
from console.api.app import application
from console.api.backend import Backend
from console.api.problems import Kind, ProblemError
from console.auth.wiring import open_access
from dicom_node.spool import Peer
from domain.permissions import Permission, Principal, UserRole
from models.registry import Registry
from roles.health import Health
from store.identity_key import is_the_one
from tests.support.bench import KEY, MARKS, Bench, open_bench
from tests.support.ingest import send
from tests.support.packages import write_package
from tests.support.phantoms import Phantom
from tests.support.working import ARCHIVE, SMALL, FakeChild, route, worker, write_and_plan

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
    access = open_access(backend.settings.access, backend.ledger, bench.root, "http://testserver")
    app = application(backend, known, [access.router])
    with TestClient(app, raise_server_exceptions=True) as client:
        yield Asked(client, known, backend)


OTHER = Phantom(size=(8, 8), slices=2, study="9", patient_id="P-9", accession_number="A 99")


@contextmanager
def open_house(root: Path, url: str) -> Iterator[Bench]:
    """A study with results, which go to an archive, and one of another sender that is only just coming in."""
    with open_bench(root, url) as made:
        with made.as_process("index").transaction() as transaction:
            assert is_the_one(transaction.connection, MARKS.check_value)
        write_package(root / "models")
        registry = Registry.load(root / "models")
        made.receive(SMALL.datasets())
        route(made, registry)
        worker(made, FakeChild(registry)).step()
        write_and_plan(made, [ARCHIVE])
        made.clock.sleep(1)
        send(made.writer, OTHER.datasets(), Peer("CT_ER", "NODE", "127.0.0.1"))
        made.index()
        yield made


@contextmanager
def served_house(bench: Bench, **tables: Any) -> Iterator[Asked]:
    """Its API, with the models that it has and a department that the other study is of."""
    house = {"models": {"folder": bench.root / "models"}, "console": {"departments": {"ER": ["CT_ER"]}}}
    with served(bench, **{**house, **tables}) as asked:
        yield asked


def written(bench: Bench) -> str:
    """The study of the house that has results."""
    ((found,),) = bench.ask("SELECT DISTINCT study_id FROM dicom_node.results")
    return str(found)


def entries(api: Asked, count: int = 1) -> list[Entry]:
    """The newest entries of the trail, the oldest of them first."""
    return list(newest_entries(api.backend.ledger.database, count).rows)
