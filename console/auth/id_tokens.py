"""What a provider's ID token says, once all of it is proven (OpenID Connect Core 3.1.3.7): pure, keys come in."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from console.auth.refusals import Unproven

#: Of all algorithms those whose secret the provider alone has; `none` and HMAC are never among what is taken.
ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_NEEDED = ["iss", "sub", "aud", "exp", "iat", "nonce"]
_LEEWAY = 60  # s that clocks may differ
_LONGEST = 65_536

Key = Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """What an ID token has to say: of whom, for whom, for which log-in, and how the user proved themselves."""

    issuer: str
    client_id: str
    nonce: str
    acr: str = ""


class UnknownKey(Unproven):
    """No key of the provider's has the name that the token's head gives: perhaps it has another by now."""


def read(token: str, keys: Sequence[Key], algorithms: frozenset[str], expected: Expected) -> Mapping[str, Any]:
    """Its claims. `keys` are the provider's (RFC 7517), `algorithms` what it says to sign by. Raises Unproven."""
    if len(token) > _LONGEST:
        raise Unproven("the ID token is longer than any")
    try:
        head = jwt.get_unverified_header(token)
        algorithm = str(head.get("alg"))
        if algorithm not in algorithms & ASYMMETRIC:
            raise Unproven("the ID token is signed by an algorithm that is not taken")
        claims = jwt.decode(
            token,
            jwt.PyJWK(dict(_key(keys, head, algorithm)), algorithm),
            algorithms=[algorithm],
            audience=expected.client_id,
            issuer=expected.issuer,
            leeway=_LEEWAY,
            options={"require": _NEEDED},
        )
    except jwt.PyJWTError as error:
        raise Unproven(f"the ID token is not to be believed ({type(error).__name__})") from error
    _judge(claims, expected)
    return claims


def names(value: object) -> frozenset[str]:
    """The words of a claim that is one or several."""
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def claim(claims: Mapping[str, Any], path: str) -> object:
    """The value at a path such as `realm_access.roles`; a claim whose own name has dots in it goes first."""
    if path in claims:
        return claims[path]
    value: object = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _key(keys: Sequence[Key], head: Mapping[str, Any], algorithm: str) -> Key:
    """The key that the head names. One that is for secrets of both sides, or for another use, is none."""
    fit = [
        one
        for one in keys
        if one.get("kty") != "oct" and one.get("use", "sig") == "sig" and one.get("alg", algorithm) == algorithm
    ]
    named = [one for one in fit if one.get("kid") == head.get("kid")]
    if "kid" not in head and len(fit) == 1:
        named = fit
    if len(named) != 1:
        raise UnknownKey("the ID token is signed by a key that the provider does not have")
    return named[0]


def _judge(claims: Mapping[str, Any], expected: Expected) -> None:
    if not hmac.compare_digest(str(claims["nonce"]).encode(), expected.nonce.encode()):
        raise Unproven("the ID token is of another log-in (nonce)")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else expected.client_id) != expected.client_id:
        raise Unproven("the ID token was made for another client (azp)")
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise Unproven("the ID token names nobody (sub)")
    if expected.acr and claims.get("acr") != expected.acr:
        raise Unproven("the user proved themselves by less than is asked for (acr)")
