"""`dicom-node users`, `keys` and `access`: what a person types, what comes of it at the door and on the trail."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from tests.support.doors import PASSWORD, DoorBench, bearer, open_door

Command = Callable[..., dict[str, Any]]


@pytest.fixture
def door(tmp_path: Path, database_url: str) -> Iterator[DoorBench]:
    with open_door(tmp_path, database_url) as bench:
        yield bench


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    def run(words: str, *, fails: bool = False) -> dict[str, Any]:
        given = [*words.split(), "--data", str(tmp_path), "--database", database_url, "--json"]
        result = CliRunner().invoke(app, given)
        assert (result.exit_code != 0) == fails, result.output
        return dict(json.loads(result.stdout))

    return run


def test_the_first_administrator_comes_in_by_a_token_that_is_shown_once_and_counts_once(
    door: DoorBench, command: Command
) -> None:
    command("access first-administrator root")
    token = command("access first-administrator root")["token"]
    client = door.client()
    for password, status in (("short", 422), ("root root root root", 422), (PASSWORD, 204), (PASSWORD, 401)):
        assert client.post("/auth/password", json={"token": token, "password": password}).status_code == status
    assert door.browser("root").get("/auth/me").json()["roles"] == ["administrator"]
    said = command("access first-administrator other", fails=True)["error"]
    assert "there is an administrator" in said
    assert token not in str(door.entries())
    (added,) = door.entries("user added")
    assert (added["name"], added["roles"], "uid" in added["user"]) == ("root", ["administrator"], True)


def test_a_user_is_added_bound_given_other_roles_disabled_and_let_in_again(door: DoorBench, command: Command) -> None:
    token = command("users add Alice --role radiologist --destination PACS")["token"]
    assert door.client().post("/auth/password", json={"token": token, "password": PASSWORD}).status_code == 204
    browser = door.browser("alice")
    assert browser.get("/auth/me").json()["destinations"] == ["PACS"]
    command("users bind alice --department radiology")
    me = browser.get("/auth/me").json()
    assert (me["destinations"], me["departments"]) == ([], ["radiology"])
    command("users roles alice --role operator --role auditor")
    assert browser.get("/auth/me").json()["roles"] == ["auditor", "operator"]
    command("users disable alice")
    assert browser.get("/auth/me").status_code == 401
    command("users enable alice")
    door.browser("alice")
    (shown,) = command("users list")["users"]
    assert (shown["name"], bool(shown["password_set_at"]), shown["disabled_at"]) == ("alice", True, None)
    assert [sorted(one["after"]["roles"]) for one in door.entries("user changed")][1] == ["auditor", "operator"]


def test_bounds_that_no_setting_knows_are_told_of(door: DoorBench, tmp_path: Path, database_url: str) -> None:
    bind = ["users", "bind", door.user(), "--data", str(tmp_path), "--database", database_url]
    wrong = CliRunner().invoke(app, [*bind, "--destination", "NOWHERE", "--department", "nobodys"])
    assert wrong.exit_code == 0
    assert "no setting knows NOWHERE, nobodys: whoever is bound to that alone sees no study" in wrong.stderr
    free = CliRunner().invoke(app, bind)
    assert (free.stdout, free.stderr) == ("alice is bound to nothing, and sees all\n", "")


def test_a_password_that_is_set_anew_ends_what_was_logged_in_before(door: DoorBench, command: Command) -> None:
    browser = door.browser(door.user())
    token = command("users reset alice")["token"]
    assert browser.get("/auth/me").status_code == 200
    new = {"token": token, "password": "another battery of horses"}
    assert door.client().post("/auth/password", json=new).status_code == 204
    assert browser.get("/auth/me").status_code == 401
    assert door.client().post("/auth/login", json={"name": "alice", "password": PASSWORD}).status_code == 401


def test_a_key_is_shown_once_and_opens_until_it_is_revoked(door: DoorBench, command: Command) -> None:
    text = command("keys make worklist --scope studies:read --scope results:read --days 30")["key"]
    assert door.client().get("/auth/me", headers=bearer(text)).json()["roles"] == ["service"]
    (shown,) = command("keys list")["keys"]
    assert text not in str(shown)
    assert shown["scopes"] == ["results:read", "studies:read"]
    command("keys revoke worklist")
    assert door.client().get("/auth/me", headers=bearer(text)).status_code == 401


def test_a_running_door_signs_by_the_key_that_a_command_made(door: DoorBench, command: Command) -> None:
    before = door.program(door.user())["access_token"]
    made = command("access signing-key")["key"]
    assert door.access.people.keys.name == made
    after = door.program()["access_token"]
    for token in (before, after):
        assert door.client().get("/auth/me", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("users add alice --role king", "there is no role 'king'"),
        ("users add al/ice --role auditor", "is no user's name"),
        ("users roles nobody --role auditor", "there is no user nobody"),
        ("keys make a --scope users:change", "there is no scope 'users:change' for keys"),
        ("keys revoke nothing", "no key nothing holds"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_do(command: Command, words: str, said: str) -> None:
    assert said in command(words, fails=True)["error"]
