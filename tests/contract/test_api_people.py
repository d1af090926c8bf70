"""Users, keys and settings by the API: as by commands; secrets are shown once or never, and are kept nowhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.actions import Action
from tests.support.api import Asked, entries, served
from tests.support.bench import KEY, Bench, open_bench

ADMIN = "administrator"


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def api(bench: Bench) -> Iterator[Asked]:
    with served(bench) as asked:
        yield asked


def change(api: Asked, method: str, path: str, status: int = 200, **more: Any) -> Any:
    """What an administrator's change is answered with, which is as it should be."""
    said = api(ADMIN, method, path, **more)
    assert said.status_code == status, said.text
    return said.json()


def add(api: Asked, name: str = "alice", **more: Any) -> Any:
    return change(api, "POST", "/users", 201, json={"name": name, "roles": ["radiologist"], **more})


def log_in(api: Asked, token: str) -> int:
    """The status of a first log-in by a one-time token."""
    said = api.client.post("/auth/password", json={"token": token, "password": "a long enough phrase of words"})
    return int(said.status_code)


def test_a_user_is_added_sets_a_password_by_the_token_and_is_listed_without_any_secret(api: Asked) -> None:
    made = add(api, "Alice", destinations=["PACS"], departments=[" ER "])
    assert (made["name"], made["roles"]) == ("alice", ["radiologist"])
    assert made["bounds"] == {"destinations": ["PACS"], "departments": ["ER"]}
    (entry,) = entries(api)
    assert (entry.action, entry.details["user"], entry.details["name"]) == (
        Action.USER_INVITED,
        "administrator-1",
        "alice",
    )
    assert log_in(api, made["token"]) < 300
    (listed,) = api.get(ADMIN, "/users")["users"]
    assert listed["password_set_at"] is not None
    assert "token" not in listed
    assert api.get(ADMIN, "/users/ALICE") == listed


def test_what_a_user_is_may_see_and_whether_they_come_in_is_changed_by_whom_the_trail_names(api: Asked) -> None:
    add(api)
    for method, what, body, has in (
        ("PUT", "roles", {"roles": ["operator", "auditor"]}, {"roles": ["auditor", "operator"]}),
        ("PUT", "bounds", {"destinations": ["PACS"]}, {"bounds": {"destinations": ["PACS"], "departments": []}}),
        ("POST", "disable", None, {}),
        ("POST", "enable", None, {"disabled_at": None}),
    ):
        said = change(api, method, f"/users/alice/{what}", json=body)
        assert has.items() <= said.items()
        (entry,) = entries(api)
        assert (entry.action, entry.details["user"]) == (Action.USER_CHANGED, "administrator-1")
    assert change(api, "POST", "/users/alice/invitation")["token"]


def test_a_change_of_a_user_whom_somebody_else_has_changed_meanwhile_is_refused(api: Asked) -> None:
    add(api)
    seen = {"If-Match": api(ADMIN, "GET", "/users/alice").headers["etag"]}
    change(api, "PUT", "/users/alice/roles", headers=seen, json={"roles": ["operator"]})
    change(api, "PUT", "/users/alice/roles", 412, headers=seen, json={"roles": ["auditor"]})
    assert api.get(ADMIN, "/users/alice")["roles"] == ["operator"]


def test_nobody_takes_their_own_rights_so_that_one_who_keeps_users_is_left(api: Asked) -> None:
    for method, what, body in (("POST", "disable", None), ("PUT", "roles", {"roles": ["auditor"]})):
        said = change(api, method, f"/users/Administrator-1/{what}", 409, json=body)
        assert "another administrator" in said["detail"]


def test_what_cannot_be_of_a_user_or_a_key_is_refused_with_what_to_do(api: Asked) -> None:
    add(api)
    change(api, "POST", "/users", 409, json={"name": "ALICE", "roles": ["auditor"]})
    for body in ({"name": "bob"}, {"name": "b b", "roles": ["auditor"]}, {"name": "bob", "roles": ["service"]}):
        change(api, "POST", "/users", 422, json=body)
    change(api, "POST", "/users/alice/disable")
    change(api, "POST", "/users/alice/invitation", 409)
    change(api, "POST", "/users/nobody/enable", 404)
    change(api, "DELETE", "/keys/nothing", 404)
    faults: tuple[dict[str, object], ...] = ({"scopes": []}, {"scopes": ["users:change"]}, {"days": 0})
    for wanted in faults:
        change(api, "POST", "/keys", 422, json={"name": "k", **wanted})


def test_a_key_is_shown_once_opens_what_its_scopes_say_and_nothing_once_revoked(api: Asked) -> None:
    made = change(api, "POST", "/keys", 201, json={"name": "worklist", "scopes": ["studies:read"], "days": 9})
    assert made["key"]
    (listed,) = api.get(ADMIN, "/keys")["keys"]
    assert listed == {name: one for name, one in made.items() if name != "key"}
    change(api, "POST", "/keys", 409, json={"name": "Worklist", "scopes": ["studies:read"]})
    assert change(api, "DELETE", "/keys/worklist")["revoked_at"]
    (entry,) = entries(api)
    assert (entry.action, entry.details["user"]) == (Action.KEY_REVOKED, "administrator-1")


@pytest.mark.parametrize(
    ("path", "secret", "body"),
    [
        ("/users", "token", {"name": "alice", "roles": ["radiologist"]}),
        ("/keys", "key", {"name": "worklist", "scopes": ["studies:read"]}),
    ],
)
def test_a_secret_is_in_the_first_answer_and_nowhere_afterwards(
    bench: Bench, api: Asked, path: str, secret: str, body: dict[str, Any]
) -> None:
    once = {"Idempotency-Key": "my-own-key-1"}
    first = change(api, "POST", path, 201, json=body, headers=once)
    again = change(api, "POST", path, 201, json=body, headers=once)
    assert again == {**first, secret: None}
    kept = "answered_once", "audit_entries", "users", "api_keys"
    assert first[secret] not in str([bench.ask(f"SELECT t::text FROM dicom_node.{one} t") for one in kept])


def test_a_walk_through_the_pages_gives_each_user_once_whoever_is_added_meanwhile(api: Asked) -> None:
    there = {add(api, f"user-{number}")["name"] for number in range(5)}
    walked: list[str] = []
    cursor: str | None = None
    while cursor is not None or not walked:
        page = api.get(ADMIN, "/users", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        walked += [one["name"] for one in page["users"]]
        add(api, f"late-{len(walked)}")
        cursor = page["next"]
    assert sorted(walked) == sorted(there)


def test_the_settings_in_effect_are_told_with_where_each_was_given_and_no_secret(api: Asked) -> None:
    found = {one["name"]: one for one in api.get(ADMIN, "/settings")["settings"]}
    assert found["listener.aet"] == {
        "name": "listener.aet",
        "value": "DICOM_NODE",
        "origin": "default",
        "about": "our AE title; a call for another one is rejected",
    }
    assert KEY not in str(found)
    for role in ("operator", "auditor", "radiologist", "service"):
        assert api(role, "GET", "/settings").status_code == 403


def test_nobody_sees_all_because_what_they_were_bound_to_is_blank(api: Asked) -> None:
    for blank in (" ", "  "):
        refused = api("administrator", "POST", "/keys", json={**BLANK, "name": "blank", "destinations": [blank]})
        assert refused.status_code == 422
    made = api("administrator", "POST", "/keys", json={**BLANK, "name": "odd", "departments": ["\u00a0"]})
    assert made.status_code == 201
    assert made.json()["bounds"] != {"destinations": [], "departments": []}


BLANK = {"scopes": ["studies:read"]}
