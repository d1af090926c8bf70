"""Tokens that say who speaks: JSON Web Tokens (RFC 7519) that one known key has signed.

The key alone says by which algorithm; what a token says of that has to agree, and decides nothing (RFC 8725 3.1).
"""

import base64
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from config.tls import UserIdentity
from domain.errors import ConfigurationError, NodeError
from domain.json_records import JsonObject, json_object

_SETTING = "listener.user_identity"
_LONGEST = 16_384  # bytes
_LEEWAY = 60.0  # s that clocks may differ
_HALF = 32  # bytes of each number of a signature by ES256 (RFC 7518 section 3.4)
_WEAKEST = 2048  # bits of an RSA key (RFC 7518 section 3.3)

_Verify = Callable[[bytes, bytes], None]


class WrongToken(NodeError):
    """A token that proves nobody; says what is wrong, and nothing of what stands in it."""


def subject(token: bytes, settings: UserIdentity, now: float | None = None) -> str:
    """Whom `token` names (its sub), at `now` (s since 1970).

    Raises WrongToken, ConfigurationError where the settings know no key.
    """
    if settings.token_key is None or not settings.token_audience or not settings.token_issuer:
        said = f"no token is known: {_SETTING} needs token_key, token_issuer and token_audience"
        raise ConfigurationError(said)
    algorithm, verify = _key(settings.token_key)
    claims = _claims(token, algorithm, verify)
    _judge(claims, settings, time.time() if now is None else now)
    found = claims.get("sub")
    if not isinstance(found, str) or not found:
        raise WrongToken("the token names nobody (sub)")
    return found


def _claims(token: bytes, algorithm: str, verify: _Verify) -> JsonObject:
    parts = token.split(b".")
    if len(token) > _LONGEST or len(parts) != 3:
        raise WrongToken("what came is no token (JWT)")
    head = _object(_decoded(parts[0]))
    # What a header asks for besides has to be understood (RFC 7515 section 4.1.11), and nothing is.
    if head.get("alg") != algorithm or "crit" in head:
        raise WrongToken(f"the token is signed by another algorithm than {algorithm}, which the key is for")
    try:
        verify(_decoded(parts[2]), parts[0] + b"." + parts[1])
    except InvalidSignature as error:
        raise WrongToken("the token's signature is not of the key that is known") from error
    return _object(_decoded(parts[1]))


def _judge(claims: JsonObject, settings: UserIdentity, now: float) -> None:
    audience = claims.get("aud")
    if settings.token_audience not in (audience if isinstance(audience, list) else [audience]):
        raise WrongToken("the token is meant for another (aud)")
    if claims.get("iss") != settings.token_issuer:
        raise WrongToken("the token is of another issuer (iss)")
    ends, begins = _moment(claims.get("exp")), _moment(claims.get("nbf", 0))
    if now > ends + _LEEWAY or now < begins - _LEEWAY:
        raise WrongToken("the token has expired, or does not hold yet")


def _moment(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WrongToken("the token does not say until when it holds (exp)")
    return value


def _object(data: bytes) -> JsonObject:
    try:
        return json_object(data)
    except (ValueError, RecursionError) as error:
        raise WrongToken("what came is no token (JWT)") from error


def _decoded(part: bytes) -> bytes:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise WrongToken("what came is no token (JWT)") from error


def _key(file: Path) -> tuple[str, _Verify]:
    """The algorithm that the key is for, and what verifies a signature of some bytes by it."""
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{_SETTING}.token_key: {file} cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{_SETTING}.token_key: {file} is no public key (PEM)") from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA", key.verify
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _WEAKEST:
        return "RS256", lambda signature, data: key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256", lambda signature, data: key.verify(_der(signature), data, ec.ECDSA(hashes.SHA256()))
    raise ConfigurationError(f"{_SETTING}.token_key: {file} is neither P-256, RSA of 2048 bits or more, nor Ed25519")


def _der(signature: bytes) -> bytes:
    if len(signature) != 2 * _HALF:
        raise InvalidSignature
    return utils.encode_dss_signature(
        int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    )
