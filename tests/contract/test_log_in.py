"""Logging in by a password, going on, and logging out, over the database: what is let in, what is refused, what is
recorded."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.access import AccessSettings
from console.auth import csrf, limits, users
from console.auth.people import Asked
from console.auth.refusals import LockedOut
from domain.permissions import PERMITTED, UserRole
from tests.support.doors import ORIGIN, PASSWORD, DoorBench, bearer, open_door, said

REFUSED = "access refused"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def door(tmp_path: Path, database_url: str) -> Iterator[DoorBench]:
    with open_door(tmp_path, database_url) as bench:
        yield bench


def test_a_user_logs_in_is_known_and_logs_out_and_each_is_an_entry(door: DoorBench) -> None:
    browser = door.browser(door.user("Alice"))
    me = browser.get("/auth/me").json()
    assert me["name"] == "alice"
    assert me["roles"] == ["radiologist"]
    assert me["permissions"] == sorted(PERMITTED[UserRole.RADIOLOGIST])
    out = browser.post("/auth/logout", headers={"X-CSRF-Token": browser.cookies["dicom_node_csrf"]})
    assert out.status_code == 200
    assert browser.get("/auth/me").status_code == 401
    (entry,) = door.entries("user logged in")
    assert (entry["user"], entry["by"], entry["kind"]) == ("alice", "password", "browser")
    assert [one["login"] for one in door.entries("user logged out")] == [entry["login"]]


def test_an_unknown_user_and_a_wrong_password_get_the_same_answer_and_only_a_users_name_is_recorded(
    door: DoorBench,
) -> None:
    door.user("alice")
    wrong = door.client().post("/auth/login", json={"name": "alice", "password": "wrong"})
    unknown = door.client().post("/auth/login", json={"name": "my-password-by-mistake", "password": "wrong"})
    assert said(wrong) == said(unknown)
    assert wrong.headers.keys() == unknown.headers.keys()
    assert wrong.status_code == 401
    assert [one.get("user") for one in door.entries("log-in refused")] == ["alice", None]
    assert "mistake" not in str(door.entries())


@pytest.mark.parametrize("name", ["alice", "nobody-of-this-name"])
def test_whoever_fails_too_often_is_locked_out_known_or_not_and_let_in_when_that_is_over(
    tmp_path: Path, database_url: str, name: str
) -> None:
    with open_door(tmp_path, database_url, AccessSettings(attempts=3, lock=60.0)) as door:
        door.user("alice")
        client = door.client()
        answers = [client.post("/auth/login", json={"name": name, "password": "wrong"}) for _ in range(4)]
        assert [one.status_code for one in answers] == [401, 401, 401, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        right = client.post("/auth/login", json={"name": name, "password": PASSWORD})
        assert right.status_code == 429
        assert len(door.entries("user locked out")) == 1
        door.clock.step(61)
        again = client.post("/auth/login", json={"name": name, "password": PASSWORD})
        assert again.status_code == (200 if name == "alice" else 401)


def test_log_ins_that_succeed_lock_nobody_out(tmp_path: Path, database_url: str) -> None:
    with open_door(tmp_path, database_url, AccessSettings(attempts=1)) as door:
        door.user("alice")
        for _ in range(3):
            door.browser()


def test_a_session_is_over_when_it_was_idle_too_long_and_when_it_is_old(door: DoorBench) -> None:
    door.user()
    browser = door.browser()
    door.clock.step(door.access.people.settings.idle + 1)
    assert browser.get("/auth/me").status_code == 401
    browser = door.browser()
    for _ in range(25):
        door.clock.step(door.access.people.settings.idle - 1)
        last = browser.get("/auth/me").status_code
    assert last == 401
    reasons = [one["reason"] for one in door.entries(REFUSED)]
    assert reasons[0] == "its session was idle for too long"
    assert "its session is older than a session may be" in reasons[1:]


def test_a_change_with_a_stolen_cookie_and_without_its_csrf_token_is_refused_and_recorded(door: DoorBench) -> None:
    browser = door.browser(door.user())
    stolen = door.client(cookies={"dicom_node_session": browser.cookies["dicom_node_session"]})
    for headers in ({}, {"X-CSRF-Token": "guessed"}):
        assert stolen.post("/change", headers=headers).status_code == 403
    assert door.changed == []
    assert len(door.entries(REFUSED)) == 2
    assert all("CSRF" in one["reason"] and one["user"] == "alice" for one in door.entries(REFUSED))
    right = {"X-CSRF-Token": browser.cookies["dicom_node_csrf"]}
    assert browser.post("/change", headers=right).status_code == 200


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_change_from_another_sites_page_is_refused_whatever_it_brings(
    door: DoorBench, headers: dict[str, str]
) -> None:
    browser = door.browser(door.user())
    csrf = {"X-CSRF-Token": browser.cookies["dicom_node_csrf"]}
    assert browser.post("/change", headers={**csrf, **headers}).status_code == 403
    logging_in = door.client().post("/auth/login", json={"name": "alice", "password": PASSWORD}, headers=headers)
    assert logging_in.status_code == 403
    assert door.changed == []


def test_a_programs_tokens_let_it_in_and_its_refresh_token_counts_once(door: DoorBench) -> None:
    first = door.program(door.user())
    client = door.client()
    assert client.post("/change", headers=bearer(first["access_token"])).text == '"alice"'
    second = client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert client.get("/auth/me", headers=bearer(second["access_token"])).status_code == 200
    replayed = client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert replayed.status_code == 401
    for ended in (
        client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]}),
        client.get("/auth/me", headers=bearer(second["access_token"])),
    ):
        assert ended.status_code == 401
    assert [one["reason"] for one in door.entries("log-in ended")] == ["a refresh token came twice"]
    assert door.entries(REFUSED)[0]["reason"] == "the refresh token came twice"


def test_a_refresh_token_that_was_made_up_ends_no_session(door: DoorBench) -> None:
    tokens = door.program(door.user())
    made_up = tokens["refresh_token"].partition(".")[0] + ".made-up"
    client = door.client()
    assert client.post("/auth/refresh", json={"refresh_token": made_up}).status_code == 401
    assert client.post("/auth/refresh", json={"refresh_token": "dnr_nonsense"}).status_code == 401
    assert client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 200


def test_a_token_is_worth_nothing_once_its_user_logged_out(door: DoorBench) -> None:
    tokens = door.program(door.user())
    client = door.client()
    assert client.post("/auth/logout", headers=bearer(tokens["access_token"])).status_code == 200
    assert client.get("/auth/me", headers=bearer(tokens["access_token"])).status_code == 401
    assert client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 401
    assert "logged out" in door.entries(REFUSED)[0]["reason"]


def test_a_change_of_roles_and_the_end_of_a_user_count_at_once(door: DoorBench) -> None:
    door.user("bob")
    browser = door.browser("bob")
    users.give_roles(door.ledger, "bob", {UserRole.AUDITOR}, "a test")
    assert browser.get("/auth/me").json()["roles"] == ["auditor"]
    users.disable(door.ledger, "bob", "a test", door.clock.now())
    assert browser.get("/auth/me").status_code == 401
    assert door.client().post("/auth/login", json={"name": "bob", "password": PASSWORD}).status_code == 401
    roles, disabled = door.entries("user changed")
    assert (roles["before"]["roles"], roles["after"]["roles"]) == (["radiologist"], ["auditor"])
    assert (disabled["before"]["enabled"], disabled["after"]["enabled"]) == (True, False)


def test_strangers_do_not_fill_the_trail(tmp_path: Path, database_url: str) -> None:
    with open_door(tmp_path, database_url, AccessSettings(refusals=5)) as door:
        client = door.client()
        answers = [client.get("/auth/me", headers=bearer("dnk_made-up")).status_code for _ in range(9)]
        assert answers == [401] * 5 + [429] * 4
        door.clock.sleep(60)
        client.get("/auth/me", headers=bearer("dnk_made-up"))
        assert [one["count"] for one in door.entries(REFUSED)] == [1, 1, 1, 1, 1, 5]


def test_a_request_that_shows_nothing_is_no_entry(door: DoorBench) -> None:
    assert door.client().get("/auth/me").status_code == 401
    assert door.entries(REFUSED) == []


def test_by_tls_cookies_are_for_tls_and_this_host_alone_and_no_script_reads_the_sessions(
    tmp_path: Path, database_url: str
) -> None:
    with open_door(tmp_path, database_url, origin="https://node.example") as door:
        door.user()
        answer = door.client().post("/auth/login", json={"name": "alice", "password": PASSWORD})
        session, csrf = sorted(answer.headers.get_list("set-cookie"), key=len)
        session, csrf = (session, csrf) if "session" in session else (csrf, session)
        assert session.startswith("__Host-dicom_node_session=")
        assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(session.split("; "))
        assert csrf.startswith("__Host-dicom_node_csrf=")
        assert "HttpOnly" not in csrf
        assert "max-age=" in answer.headers["strict-transport-security"]


def test_every_answer_tells_the_browser_what_to_leave(door: DoorBench) -> None:
    for answer in (door.client().get("/auth/ways"), door.client().get("/nowhere")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_node_without_local_accounts_asks_no_password(tmp_path: Path, database_url: str) -> None:
    with open_door(tmp_path, database_url, AccessSettings(local=False)) as door:
        door.user()
        answer = door.client().post("/auth/login", json={"name": "alice", "password": PASSWORD})
        assert answer.status_code == 403
        assert door.client().get("/auth/ways").json()["password"] is False


def test_what_is_no_log_in_is_refused_without_a_word_of_it(door: DoorBench) -> None:
    for body in ({}, {"name": "a"}, {"name": 1, "password": []}, {"name": "a", "password": "b", "kind": "other"}):
        assert door.client().post("/auth/login", json=body).status_code == 422
    long = door.client().post("/auth/login", json={"name": "a" * 9000, "password": "b" * 9000})
    assert long.status_code == 401
    assert ORIGIN not in long.text


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "x" * 60_000, "\u202ealice"])
def test_a_name_or_a_password_that_nobody_can_have_is_a_wrong_one(door: DoorBench, odd: str) -> None:
    door.user("alice")
    for given in ({"name": odd, "password": "wrong"}, {"name": "alice", "password": odd}):
        answer = door.client().post("/auth/login", content=json.dumps(given), headers=JSON)
        assert answer.status_code == 401
    assert door.client().post("/auth/form/login", data={"name": "a\0b", "password": "x"}).status_code == 400
    assert len(door.entries("log-in refused")) == 3


def test_log_ins_at_the_same_moment_are_no_more_attempts_than_one_after_the_other(
    tmp_path: Path, database_url: str
) -> None:
    with open_door(tmp_path, database_url, AccessSettings(attempts=3, lock=60.0)) as door:
        door.user("alice")
        tried = limits.attempt(door.access.people, "alice", Asked("10.0.0.7"))
        with ThreadPoolExecutor(12) as threads:
            let = list(threads.map(lambda _: _is_let(door, tried), range(12)))
        assert sum(let) == 3


def _is_let(door: DoorBench, tried: limits.Attempt) -> bool:
    try:
        limits.begin(door.access.people, tried, known=True)
    except LockedOut:
        return False
    return True


def test_a_page_of_the_same_name_without_tls_is_another_origin() -> None:
    told = {"origin": "http://node.hospital", "host": "node.hospital"}
    assert csrf.foreign(told, "https://node.hospital")
    assert not csrf.foreign({**told, "origin": "https://node.hospital"}, "https://other.name")
