"""Tokens and keys that prove nobody: each is refused with the same answer, and recorded with its reason."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from console.auth import keys, signing
from console.auth.signing import SigningKeys
from console.auth.tokens import Claims, issue
from domain.people import Bounds
from domain.permissions import Permission
from tests.support.doors import DoorBench, bearer, open_door, said

Forge = Callable[[SigningKeys, dict[str, Any]], str]


@pytest.fixture
def door(tmp_path: Path, database_url: str) -> Iterator[DoorBench]:
    with open_door(tmp_path, database_url) as bench:
        yield bench


def signed(given: SigningKeys, claims: dict[str, Any], **head: Any) -> str:
    head = {"kid": given.name, "typ": "at+jwt", **head}
    return jwt.encode(claims, given.key, algorithm="EdDSA", headers=head)


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(given: SigningKeys, claims: dict[str, Any]) -> str:
    return f"{part({'alg': 'none', 'typ': 'at+jwt', 'kid': given.name})}.{part(claims)}."


def by_hmac_with_the_public_key(given: SigningKeys, claims: dict[str, Any]) -> str:
    """As an attacker makes it, who knows the public key alone (RFC 8725 2.1)."""
    public = given.known[given.name].public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = f"{part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': given.name})}.{part(claims)}"
    return f"{body}.{part(hmac.digest(public, body.encode(), hashlib.sha256))}"


def by_an_unknown_key(given: SigningKeys, claims: dict[str, Any]) -> str:
    return jwt.encode(
        claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "other", "typ": "at+jwt"}
    )


def by_another_key_of_our_name(given: SigningKeys, claims: dict[str, Any]) -> str:
    head = {"kid": given.name, "typ": "at+jwt"}
    return jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=head)


def changed(given: SigningKeys, claims: dict[str, Any]) -> str:
    head, _, signature = signed(given, claims).split(".")
    return f"{head}.{part({**claims, 'sub': str(uuid4())})}.{signature}"


PAST = datetime.now(UTC) - timedelta(hours=1)
FORGERIES: dict[str, tuple[Forge, str]] = {
    "expired": (lambda given, claims: signed(given, {**claims, "exp": PAST}), "has expired"),
    "for another": (lambda given, claims: signed(given, {**claims, "aud": "somebody"}), "meant for another"),
    "of another issuer": (lambda given, claims: signed(given, {**claims, "iss": "somebody"}), "another issuer"),
    "without an end": (
        lambda given, claims: signed(given, {key: one for key, one in claims.items() if key != "exp"}),
        "lacks a claim",
    ),
    "of another kind": (lambda given, claims: signed(given, claims, typ="JWT"), "another kind"),
    "without an algorithm": (unsigned, "another algorithm"),
    "HMAC with the public key": (by_hmac_with_the_public_key, "another algorithm"),
    "by an unknown key": (by_an_unknown_key, "key that is not known"),
    "by another key of our name": (by_another_key_of_our_name, "not of our key"),
    "changed": (changed, "not of our key"),
    "of no session": (lambda given, claims: signed(given, {**claims, "sid": str(uuid4())}), "of no session"),
    "of another user's session": (
        lambda given, claims: signed(given, {**claims, "sub": str(uuid4())}),
        "of no session",
    ),
    "no token": (lambda given, claims: "nonsense", "no token"),
    "long": (lambda given, claims: "a" * 5000, "no bearer token"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_token_that_proves_nobody_is_refused_and_recorded(door: DoorBench, name: str) -> None:
    forge, reason = FORGERIES[name]
    given = door.access.people.keys
    right = door.program(door.user())["access_token"]
    claims = jwt.decode(right, options={"verify_signature": False})
    assert door.client().get("/auth/me", headers=bearer(signed(given, claims))).status_code == 200
    answer = door.client().get("/auth/me", headers=bearer(forge(given, claims)))
    nothing = door.client().get("/auth/me")
    assert said(answer) == said(nothing)
    assert answer.status_code == 401
    (entry,) = door.entries("access refused")
    assert reason in entry["reason"]


def test_a_token_of_a_key_that_was_rotated_out_is_refused(door: DoorBench, tmp_path: Path) -> None:
    token = door.program(door.user())["access_token"]
    for still in (200, 401):
        signing.make(tmp_path)
        assert door.client().get("/auth/me", headers=bearer(token)).status_code == still


def test_a_key_opens_what_its_scopes_name_until_it_ends(door: DoorBench) -> None:
    now, people = door.clock.now(), door.access.people
    scopes = {Permission.STUDIES_READ}
    bounds = Bounds(frozenset({"PACS"}))
    _, text = keys.make(door.ledger, "Worklist", scopes, bounds, "a test", now, people.after(60))
    me = door.client().get("/auth/me", headers=bearer(text)).json()
    assert (me["name"], me["permissions"], me["destinations"]) == ("key worklist", ["studies:read"], ["PACS"])
    door.client().get("/auth/me", headers=bearer(text))
    assert len(door.entries("API key used")) == 1
    door.clock.step(61)
    assert door.client().get("/auth/me", headers=bearer(text)).status_code == 401
    keys.revoke(door.ledger, "worklist", "a test", door.clock.now())
    _, other = keys.make(door.ledger, "worklist", scopes, Bounds(), "a test", now)
    keys.revoke(door.ledger, "worklist", "a test", door.clock.now())
    assert door.client().get("/auth/me", headers=bearer(other)).status_code == 401
    assert [one["reason"] for one in door.entries("access refused")] == ["the key has ended", "the key was revoked"]
    assert text not in str(door.entries())


def test_an_access_token_of_a_browsers_session_is_none(door: DoorBench) -> None:
    """A cookie is a browser's; no token goes with it that a page could read."""
    browser = door.browser(door.user())
    assert "token" not in browser.get("/auth/me").text
    claims = Claims(uuid4(), uuid4())
    forged = issue(door.access.people.keys, claims, door.clock.now(), 60)
    assert door.client().get("/auth/me", headers=bearer(forged)).status_code == 401
