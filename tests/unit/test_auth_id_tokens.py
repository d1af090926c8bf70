"""A provider's ID token proves somebody when all of it is right, and nobody when anything is not."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from console.auth import id_tokens
from console.auth.id_tokens import ASYMMETRIC, Expected, UnknownKey
from console.auth.refusals import Unproven

ISSUER, CLIENT, NONCE = "https://provider.example", "dicom-node", "a nonce"
EXPECTED = Expected(ISSUER, CLIENT, NONCE)
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = rsa.generate_private_key(65537, 2048)
SECRET = b"a secret that client and provider share"


def jwk(key: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    maker = jwt.get_algorithm_by_name(algorithm)
    return {**maker.to_jwk(key, as_dict=True), "kid": "one", "use": "sig", "alg": algorithm, **more}


KEYS = [jwk(RSA.public_key(), "RS256"), jwk(EC.public_key(), "ES256", kid="two")]


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    said = {"iss": ISSUER, "aud": CLIENT, "sub": "1", "nonce": NONCE, "iat": now, "exp": now + 60}
    return {key: value for key, value in {**said, **more}.items() if value is not None}


def token(said: Mapping[str, Any], key: Any = RSA, algorithm: str = "RS256", kid: str | None = "one") -> str:
    return jwt.encode(dict(said), key, algorithm, headers={"kid": kid} if kid else {})


def read(text: str, keys: list[dict[str, Any]] | None = None, expected: Expected = EXPECTED) -> Mapping[str, Any]:
    return id_tokens.read(text, keys or KEYS, ASYMMETRIC, expected)


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "one"), (EC, "ES256", "two")])
def test_a_token_that_is_right_proves_its_subject(key: Any, algorithm: str, kid: str) -> None:
    assert read(token(claims(), key, algorithm, kid))["sub"] == "1"


def test_a_provider_with_one_key_may_leave_its_name_out() -> None:
    assert read(token(claims(), kid=None), KEYS[:1])["sub"] == "1"
    with pytest.raises(UnknownKey):
        read(token(claims(), kid=None), [KEYS[0], {**KEYS[0], "kid": "another"}])


WRONG: dict[str, Callable[[], Mapping[str, Any]]] = {
    "expired": lambda: read(token(claims(exp=int(time.time()) - 120))),
    "not yet": lambda: read(token(claims(iat=int(time.time()) + 900))),
    "without an end": lambda: read(token(claims(exp=None))),
    "of another issuer": lambda: read(token(claims(iss="https://evil.example"))),
    "for another client": lambda: read(token(claims(aud="somebody"))),
    "for several, made for another": lambda: read(token(claims(aud=[CLIENT, "somebody"], azp="somebody"))),
    "for several, without a word for whom": lambda: read(token(claims(aud=[CLIENT, "somebody"]))),
    "of another log-in": lambda: read(token(claims(nonce="another"))),
    "without a nonce": lambda: read(token(claims(nonce=None))),
    "without a subject": lambda: read(token(claims(sub=""))),
    "by another key of that name": lambda: read(token(claims(), OTHER)),
    "by an unknown key": lambda: read(token(claims(), OTHER, kid="three")),
    "by a key for encryption": lambda: read(token(claims()), [{**KEYS[0], "use": "enc"}]),
    "by another algorithm than the key's": lambda: read(token(claims(), RSA, "PS256")),
    "unsigned": lambda: read(jwt.encode(claims(), "", "none", headers={"kid": "one"})),
    "by HMAC with a secret among the keys": lambda: read(
        token(claims(), SECRET, "HS256", "shared"),
        [{"kty": "oct", "kid": "shared", "k": "YSBzZWNyZXQ", "alg": "HS256"}],
    ),
    "by HMAC with the public key's modulus": lambda: read(token(claims(), KEYS[0]["n"].encode(), "HS256")),
    "by a lesser proof": lambda: read(token(claims(acr="pwd")), expected=Expected(ISSUER, CLIENT, NONCE, "mfa")),
    "no token": lambda: read("a.b.c"),
    "empty": lambda: read(""),
    "endless": lambda: read("a" * 70_000),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_id_token_that_proves_nobody_lets_nobody_in(name: str) -> None:
    with pytest.raises(Unproven):
        WRONG[name]()


def test_an_algorithm_that_the_provider_does_not_say_it_signs_by_is_not_taken() -> None:
    with pytest.raises(Unproven, match="algorithm"):
        id_tokens.read(token(claims()), KEYS, ASYMMETRIC & {"ES256"}, EXPECTED)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("groups", ["a"]),
        ("realm_access.roles", ["b"]),
        ("https://example.org/groups", ["c"]),
        ("groups.deeper", None),
        ("nothing.there", None),
    ],
)
def test_a_claim_is_found_by_its_name_or_its_path(path: str, found: object) -> None:
    said = {"groups": ["a"], "realm_access": {"roles": ["b"]}, "https://example.org/groups": ["c"]}
    assert id_tokens.claim(said, path) == found


def test_words_of_a_claim_are_texts_alone() -> None:
    assert id_tokens.names("one") == {"one"}
    assert id_tokens.names(["one", 2, None, "two"]) == {"one", "two"}
    assert id_tokens.names(None) == id_tokens.names({"a": 1}) == frozenset()
