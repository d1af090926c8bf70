"""What a provider may say, or whoever sends a browser back from it, and nobody comes in by it."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from config.access import AccessSettings, Grant
from config.secret_urls import Hidden
from console.auth import users
from console.auth.provider import Provider
from console.auth.refusals import ProviderAway
from domain.permissions import UserRole
from tests.support.doors import DoorBench, open_door, said
from tests.support.lying_provider import CLIENT, LyingProvider, lying_provider

GRANTS = (Grant(value="readers", role="radiologist"), Grant(value="keepers", role="administrator"))
CALLBACK = "/auth/oidc/callback"


def settings(provider: LyingProvider, **more: Any) -> AccessSettings:
    secret = Hidden("a secret of the node and its provider")
    return AccessSettings(issuer=provider.issuer, client_id=CLIENT, client_secret=secret, grants=GRANTS, **more)


@pytest.fixture
def provider() -> Iterator[LyingProvider]:
    with lying_provider() as made:
        yield made


@pytest.fixture
def door(tmp_path: Path, database_url: str, provider: LyingProvider) -> Iterator[DoorBench]:
    with open_door(tmp_path, database_url, settings(provider)) as bench:
        yield bench


def sent(door: DoorBench, provider: LyingProvider) -> tuple[TestClient, dict[str, str]]:
    """A browser on its way to the provider, and what it will come back with."""
    browser = door.client(follow_redirects=False)
    there = browser.get("/auth/oidc/start")
    assert there.status_code == 302, there.text
    asked = {key: one for key, (one,) in parse_qs(urlsplit(there.headers["location"]).query).items()}
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    provider.nonce = asked["nonce"]
    return browser, {"state": asked["state"], "code": "a code"}


def come_back(door: DoorBench, provider: LyingProvider) -> Any:
    browser, back = sent(door, provider)
    return browser.get(CALLBACK, params=back)


def test_whom_the_provider_proves_comes_in(door: DoorBench, provider: LyingProvider) -> None:
    browser, back = sent(door, provider)
    assert browser.get(CALLBACK, params={**back, "iss": provider.issuer}).status_code == 200
    assert browser.get("/auth/me").json()["name"] == "carol"
    again = browser.get(CALLBACK, params=back)
    assert again.status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "another"},
        {"state": ""},
        {"code": ""},
        {"error": "access_denied"},
        {"iss": "https://another.example"},
    ],
    ids=str,
)
def test_a_browser_that_comes_back_with_something_else_than_it_was_sent_with_is_refused(
    door: DoorBench, provider: LyingProvider, wrong: dict[str, str]
) -> None:
    browser, back = sent(door, provider)
    assert browser.get(CALLBACK, params={**back, **wrong}).status_code == 401
    assert browser.get("/auth/me").status_code == 401
    assert len(door.entries("access refused")) == 1


def test_a_browser_that_nobody_sent_is_refused(door: DoorBench, provider: LyingProvider) -> None:
    """Somebody else's code in this browser would log its user in as them (RFC 6749 10.12)."""
    _, back = sent(door, provider)
    assert door.client().get(CALLBACK, params=back).status_code == 401


LIES: dict[str, dict[str, object]] = {
    "another log-in": {"nonce": "another"},
    "another client": {"aud": "somebody"},
    "another issuer": {"iss": "https://another.example"},
    "an end in the past": {"exp": 1},
    "nobody": {"sub": ""},
    "no name": {"preferred_username": None},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_id_token_that_is_for_something_else_lets_nobody_in(
    door: DoorBench, provider: LyingProvider, lie: str
) -> None:
    provider.lie = lambda claims: {**claims, **LIES[lie]}
    assert come_back(door, provider).status_code == 401
    assert len(door.entries("access refused")) == 1
    assert door.entries("user added") == []


@pytest.mark.parametrize(
    "told",
    [
        {"issuer": "https://another.example"},
        {"authorization_endpoint": "http://provider.example/authorize"},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
def test_a_provider_that_says_something_unsound_of_itself_is_sent_nobody(
    door: DoorBench, provider: LyingProvider, told: dict[str, object]
) -> None:
    provider.told = told
    answer = door.client(follow_redirects=False).get("/auth/oidc/start")
    assert answer.status_code == 502


def test_a_provider_that_is_away_keeps_nobody_out_for_longer(door: DoorBench, provider: LyingProvider) -> None:
    provider.status = 500
    for _ in range(3):
        assert door.client(follow_redirects=False).get("/auth/oidc/start").status_code == 502
    assert len(provider.asked) == 1  # strangers do not make the node ask
    provider.status = 200
    door.clock.elapsed += 6
    assert come_back(door, provider).status_code == 200


def test_keys_that_are_others_are_asked_for_and_not_at_every_token(door: DoorBench, provider: LyingProvider) -> None:
    assert come_back(door, provider).status_code == 200
    provider.renew_keys()
    assert come_back(door, provider).status_code == 401  # they were asked for a moment ago
    door.clock.elapsed += 31
    assert come_back(door, provider).status_code == 200
    assert provider.asked.count("/keys") == 2


def test_what_somebody_may_is_what_the_provider_says_at_this_log_in(door: DoorBench, provider: LyingProvider) -> None:
    come_back(door, provider)
    provider.lie = lambda claims: {**claims, "groups": ["keepers"], "preferred_username": "carol.new"}
    come_back(door, provider)
    (change,) = door.entries("user changed")
    assert (change["before"]["roles"], change["after"]["roles"]) == (["radiologist"], ["administrator"])
    assert (change["before"]["name"], change["after"]["name"], change["user"]) == (
        "carol",
        "carol.new",
        provider.issuer,
    )
    provider.lie = lambda claims: {**claims, "groups": "nothing"}
    assert come_back(door, provider).status_code == 403


def test_a_name_that_another_has_is_nobody_elses(door: DoorBench, provider: LyingProvider) -> None:
    """A provider's names may be given to somebody else later; the trail's are somebody's for good."""
    door.user("carol", UserRole.AUDITOR)
    assert come_back(door, provider).status_code == 403
    users.disable(door.ledger, "carol", "a test", door.clock.now())
    assert come_back(door, provider).status_code == 200
    provider.lie = lambda claims: {**claims, "sub": "8"}
    assert come_back(door, provider).status_code == 403


def test_whom_the_node_has_disabled_its_provider_lets_in_no_more(door: DoorBench, provider: LyingProvider) -> None:
    come_back(door, provider)
    users.disable(door.ledger, "carol", "a test", door.clock.now())
    answer = come_back(door, provider)
    assert said(answer)[0] == 403
    assert door.entries("log-in refused")[-1]["reason"] == "the user is disabled here"


def test_departments_come_by_their_claim_and_nobody_without_one_comes_in(
    tmp_path: Path, database_url: str, provider: LyingProvider
) -> None:
    access = settings(provider, departments_claim="org.departments")
    with open_door(tmp_path, database_url, access) as door:
        assert come_back(door, provider).status_code == 403
        provider.lie = lambda claims: {**claims, "org": {"departments": ["chest", "neuro"]}}
        browser, back = sent(door, provider)
        browser.get(CALLBACK, params=back)
        assert browser.get("/auth/me").json()["departments"] == ["chest", "neuro"]


def test_a_provider_that_hangs_holds_a_few_threads_and_not_those_of_all_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging, ThreadPoolExecutor(9) as threads:
        issuer = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        provider = Provider(AccessSettings(issuer=issuer, client_id=CLIENT), time.monotonic)
        asked = [threads.submit(_started, provider) for _ in range(9)]
        connection, _ = hanging.accept()
        refused = [one.result() for one in islice(as_completed(asked), 6)]
        connection.close()
    assert all("as many as may wait" in one for one in refused)


def _started(provider: Provider) -> str:
    try:
        provider.start("https://node/back")
    except ProviderAway as error:
        return error.sentence
    return ""
