"""Access tokens: JSON Web Tokens (RFC 7519, RFC 9068) of the node's own, short, and signed by one algorithm.

What a token's head says of its algorithm decides nothing (RFC 8725 3.1). Roles stand in no token: a change of roles and
the end of a session count at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt

from console.auth.refusals import Unproven
from console.auth.signing import SigningKeys

ISSUER = AUDIENCE = "dicom-node"
_ALGORITHM = "EdDSA"
_ACCESS, _FLOW = "at+jwt", "flow+jwt"
_LONGEST = 4096
_NEEDED = ["exp", "iat", "iss", "aud", "sub", "jti"]


@dataclass(frozen=True)
class Claims:
    """Whose access token it is, and of which session."""

    user: UUID
    session: UUID


def issue(keys: SigningKeys, claims: Claims, now: datetime, seconds: float) -> str:
    """A token that holds for so many seconds from `now`."""
    return _signed(keys, _ACCESS, {"sub": str(claims.user), "sid": str(claims.session)}, now, seconds)


def read(keys: SigningKeys, token: str) -> Claims:
    """What a token of ours says; raises Unproven with the reason."""
    said = _verified(keys, _ACCESS, token)
    try:
        return Claims(UUID(said["sub"]), UUID(said["sid"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Unproven("the token names no session") from None


def seal(keys: SigningKeys, said: dict[str, str], now: datetime, seconds: float) -> str:
    """What a browser keeps for us while it is at the provider: nobody else can make it, and it is no access token."""
    return _signed(keys, _FLOW, {"sub": "flow", "said": said}, now, seconds)


def unseal(keys: SigningKeys, token: str) -> dict[str, str]:
    """What was sealed; raises Unproven."""
    said = _verified(keys, _FLOW, token).get("said")
    if not isinstance(said, dict):
        raise Unproven("the token says nothing")
    return {str(name): str(value) for name, value in said.items()}


def _signed(keys: SigningKeys, kind: str, said: dict[str, Any], now: datetime, seconds: float) -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + timedelta(seconds=seconds),
        "jti": str(uuid4()),
        **said,
    }
    return jwt.encode(claims, keys.key, algorithm=_ALGORITHM, headers={"kid": keys.name, "typ": kind})


def _verified(keys: SigningKeys, kind: str, token: str) -> dict[str, Any]:
    if len(token) > _LONGEST:
        raise Unproven("the token is longer than any of ours")
    try:
        head = jwt.get_unverified_header(token)
        key = keys.known.get(str(head.get("kid")))
        if key is None:
            raise Unproven("the token is signed by a key that is not known")
        if head.get("typ") != kind:
            raise Unproven("the token is of another kind")
        return jwt.decode(
            token, key, algorithms=[_ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options={"require": _NEEDED}
        )
    except jwt.InvalidTokenError as error:
        raise Unproven(_said(error)) from error


def _said(error: jwt.InvalidTokenError) -> str:
    """In the node's own words: the library's quote what came."""
    for kind, words in (
        (jwt.ExpiredSignatureError, "the token has expired"),
        (jwt.InvalidAudienceError, "the token is meant for another"),
        (jwt.InvalidIssuerError, "the token is of another issuer"),
        (jwt.InvalidAlgorithmError, "the token is signed by another algorithm"),
        (jwt.InvalidSignatureError, "the token's signature is not of our key"),
        (jwt.ImmatureSignatureError, "the token does not hold yet"),
        (jwt.MissingRequiredClaimError, "the token lacks a claim"),
    ):
        if isinstance(error, kind):
            return words
    return "what came is no token"
