"""The two pages that need no script: log in, set a password. What they answer, and where they lead."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from console.auth import users
from domain.people import Bounds
from domain.permissions import UserRole
from tests.support.doors import ORIGIN, PASSWORD, DoorBench, open_door


@pytest.fixture
def door(tmp_path: Path, database_url: str) -> Iterator[DoorBench]:
    with open_door(tmp_path, database_url) as bench:
        yield bench


def test_a_user_sets_a_password_and_logs_in_without_a_script(door: DoorBench) -> None:
    roles, day = {UserRole.AUDITOR}, timedelta(days=1)
    _, token = users.add(door.ledger, "eve", roles, Bounds(), "a test", door.clock.now(), day)
    browser = door.client(follow_redirects=False)
    page = browser.get("/auth/password", params={"token": token})
    assert token in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    short = browser.post("/auth/form/password", data={"token": token, "password": "short"})
    assert (short.status_code, "15 to 1024 characters" in short.text) == (400, True)
    done = browser.post("/auth/form/password", data={"token": token, "password": PASSWORD})
    assert (done.status_code, done.headers["location"]) == (303, "/auth/login")
    wrong = browser.post("/auth/form/login", data={"name": "eve", "password": "wrong", "next": "/auth/me"})
    assert "user or password is wrong" in wrong.text
    right = browser.post("/auth/form/login", data={"name": "eve", "password": PASSWORD, "next": "/auth/me"})
    assert (right.status_code, right.headers["location"]) == (303, "/auth/me")
    assert browser.get("/auth/me").json()["name"] == "eve"


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http://[",
        "/a\n/b",
        "/" * 999,
        "",
    ],
)
def test_a_log_in_leads_to_no_other_host(door: DoorBench, place: str) -> None:
    door.user()
    browser = door.client(follow_redirects=False)
    data = {"name": "alice", "password": PASSWORD, "next": place}
    assert browser.post("/auth/form/login", data=data).headers["location"] == "/auth/me"


def test_what_is_typed_is_shown_and_never_obeyed(door: DoorBench) -> None:
    mean = '"><script>alert(1)</script>'
    for page in (
        door.client().get("/auth/login", params={"next": "/" + mean}),
        door.client().get("/auth/password", params={"token": mean}),
        door.client().post("/auth/form/password", data={"token": mean, "password": PASSWORD}),
    ):
        assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["/auth/form/login", "/auth/form/password"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "http://evil.example"}, 400), ({"Origin": "http://["}, 400), ({"Sec-Fetch-Site": "cross-site"}, 400)],
)
def test_another_sites_page_logs_nobody_in(door: DoorBench, path: str, headers: dict[str, str], status: int) -> None:
    door.user()
    data = {"name": "alice", "password": PASSWORD, "token": "x"}
    answer = door.client().post(path, data=data, headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)


def test_a_page_of_the_node_by_another_of_its_names_is_no_other_sites(door: DoorBench) -> None:
    door.user()
    other = door.client(follow_redirects=False)
    other.base_url = "http://node.local"
    data = {"name": "alice", "password": PASSWORD}
    answer = other.post("/auth/form/login", data=data, headers={"Origin": "http://node.local"})
    assert answer.status_code == 303
    assert ORIGIN != "http://node.local"
