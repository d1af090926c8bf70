"""The frame of the API without a node: bounds, defects, servers that are away, and what the settings forbid."""

from collections.abc import Callable, Iterator
from typing import Annotated

import pytest
from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.testclient import TestClient

from audit.trail import Ledger
from config.console import Console
from config.contradictions import contradictions
from config.settings import Settings
from console.api.access import Asking, Pace, allowed
from console.api.answers import answer, refuse_changed
from console.api.app import application, routes_of
from console.api.backend import Backend
from console.api.framing import LARGEST
from console.api.problems import ProblemError
from console.api.routing import subject
from domain.errors import ConfigurationError, IntegrityError, Permanent, Unavailable
from domain.permissions import Permission, Principal, UserRole
from roles.health import Health
from store.database import Database
from tests.support.memory_store import MemoryStore

Known = Annotated[Asking, Depends(allowed(Permission.STUDIES_READ))]
SECRET = "Doe^Jane at 10.0.0.7"
ERRORS = {
    "defect": ValueError(SECRET),
    "wrong": ConfigurationError(SECRET),
    "forged": IntegrityError(SECRET),
    "away": Unavailable(SECRET),
    "never": Permanent("nothing of it is on its way"),
}

router = subject("things")


class Said(BaseModel):
    words: str


@router.post("")
def said(asking: Known, body: Said) -> int:
    return len(body.words)


@router.get("/{error}")
def failing(asking: Known, error: str) -> None:
    raise ERRORS[error]


class Alice:
    """Whoever asks is she."""

    def principal(self, request: Request) -> Principal:
        return Principal("alice", frozenset({UserRole.OPERATOR}))


def served(**console: object) -> TestClient:
    settings = Settings.model_validate({"console": console})
    nowhere = Ledger(Database("postgresql://nobody@127.0.0.1:1/nothing"), "serve")
    backend = Backend(settings, nowhere, MemoryStore(), Health())
    return TestClient(application(backend, Alice(), routers=[router]))


@pytest.fixture
def client() -> Iterator[TestClient]:
    with served() as made:
        yield made


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_how_large_it_is(client: TestClient) -> None:
    large = b'{"words": "' + b"x" * LARGEST + b'"}'

    def parts() -> Iterator[bytes]:
        yield from (large[at : at + 1000] for at in range(0, len(large), 1000))

    for content in (large, parts()):
        refused = client.post("/api/v1/things", content=content, headers={"Content-Type": "application/json"})
        assert refused.status_code == 413
        assert refused.json()["type"].endswith("/too-large")


def test_no_address_is_made_of_the_host_that_a_stranger_names(client: TestClient) -> None:
    answer = client.get("/api/v1/things/never/", headers={"Host": "elsewhere.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert "elsewhere" not in str(answer.headers) + answer.text


def test_a_request_with_two_ends_is_refused_and_its_connection_closed(client: TestClient) -> None:
    fields = {"Content-Type": "application/json", "Content-Length": "14", "Transfer-Encoding": "chunked"}
    refused = client.post("/api/v1/things", content=b'{"words": "x"}', headers=fields)
    assert refused.json()["type"].endswith("/invalid")
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize(("error", "status"), [("defect", 500), ("wrong", 500), ("forged", 500), ("away", 503)])
def test_what_went_wrong_inside_is_for_the_log_and_not_for_who_asks(
    client: TestClient, error: str, status: int
) -> None:
    failed = client.get(f"/api/v1/things/{error}")
    assert failed.status_code == status
    assert "Doe" not in failed.text
    assert failed.json()["instance"] == f"urn:uuid:{failed.headers['x-request-id']}"
    assert ("retry-after" in failed.headers) is (status == 503)


def test_what_can_never_succeed_says_why(client: TestClient) -> None:
    failed = client.get("/api/v1/things/never")
    assert (failed.status_code, failed.json()["detail"]) == (409, "nothing of it is on its way")


def test_every_answer_keeps_a_browser_in_bounds(client: TestClient) -> None:
    for path in ("/api/v1/things/never", "/api/v1/openapi.json", "/nowhere"):
        fields = client.get(path).headers
        assert fields["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in fields["content-security-policy"]
        assert fields["cache-control"] == "no-store"


def test_who_asks_more_than_a_minute_allows_waits_and_goes_on_after_it() -> None:
    with served(requests_a_minute=3) as client:
        answers = [client.post("/api/v1/things", json={"words": "x"}) for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert int(answers[3].headers["retry-after"]) == 20


def test_the_pace_of_one_is_nobody_elses_and_comes_back_with_time() -> None:
    now = [0.0]
    pace = Pace(60, lambda: now[0])
    assert [pace.wait("a") for _ in range(60)] == [0.0] * 60
    assert pace.wait("a") == 1.0
    assert pace.wait("b") == 0.0
    now[0] += 1.0
    assert pace.wait("a") == 0.0
    assert pace.wait("a") == 1.0


def test_a_route_that_asks_for_no_permission_ends_the_start() -> None:
    open_one = subject("open")

    @open_one.get("/door")
    def door() -> int:
        return 1

    backend = Backend(Settings(), Ledger(Database("postgresql://h/d"), "serve"), MemoryStore(), Health())
    with pytest.raises(LookupError, match="/open/door asks for no permission"):
        application(backend, Alice(), routers=[open_one])


def request(method: str, **headers: str) -> Request:
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": told})


def test_an_etag_is_of_the_bytes_and_is_compared_as_the_standard_says() -> None:
    tag = answer(request("GET"), {"a": 1}).headers["etag"]
    for field, status in (
        (tag, 304),
        (f"W/{tag}", 304),
        (f'"x", {tag}', 304),
        ("*", 304),
        ('"x"', 200),
        (tag[1:], 200),
    ):
        assert answer(request("GET", if_none_match=field), {"a": 1}).status_code == status
    assert answer(request("POST", if_none_match=tag), {"a": 1}).status_code == 200
    refuse_changed(request("PUT"), {"a": 1})
    refuse_changed(request("PUT", if_match=f'"x", {tag}'), {"a": 1})
    for field in (f"W/{tag}", '"x"', ""):  # a weak one says nothing of bytes (RFC 9110 13.1.1)
        with pytest.raises(ProblemError):
            refuse_changed(request("PUT", if_match=field), {"a": 1})


@pytest.mark.parametrize(
    ("console", "said"),
    [
        ({"host": "0.0.0.0"}, "passwords would go there in clear"),
        ({"host": "10.1.0.10", "proxies": ["10.1.0.1"], "public_url": "https://node.hospital"}, ""),
        ({"host": "10.1.0.10", "proxies": ["10.1.0.1"]}, 'public_url = "https://NAME"'),
        ({"proxies": ["127.0.0.1"], "public_url": "http://localhost:8080"}, 'public_url = "https://NAME"'),
        ({"public_url": "http://node.hospital"}, "is without TLS, and passwords would go there in clear"),
        ({"host": "10.1.0.10", "tls": {"certificate": "c.pem", "key": "k.pem"}}, ""),
        ({"tls": {"certificate": "c.pem"}}, "console.tls.key is not given"),
        ({"tls": {"key": "k.pem"}}, "console.tls.certificate is not given"),
        ({"enabled": True, "port": 11112}, "console.port (11112) is listener.port: 11113 would fit"),
        ({"port": 11112}, ""),
    ],
    ids=str,
)
def test_settings_by_which_passwords_would_go_in_clear_or_two_doors_have_a_port_are_refused(
    console: dict[str, object], said: str
) -> None:
    found = [one.said for one in contradictions(Settings.model_validate({"console": console}))]
    assert any(said in one for one in found) == bool(said) == bool(found)


@pytest.mark.parametrize(
    ("console", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 1}, "http://[::1]:1"),
        ({"tls": {"certificate": "c.pem", "key": "k.pem"}}, "https://127.0.0.1:8080"),
        ({"public_url": "https://node.hospital/"}, "https://node.hospital"),
    ],
    ids=str,
)
def test_the_address_is_the_public_one_where_there_is_one(console: dict[str, object], url: str) -> None:
    assert Console.model_validate(console).url == url


def test_every_route_has_a_handler_of_its_own_name() -> None:
    names: list[Callable[..., object]] = [one.endpoint for one in routes_of()]
    assert len(names) == len(set(names))
