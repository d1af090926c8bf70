"""Secrets that are handed out once: random texts of 256 bits, of which the node keeps a digest.

A digest without salt or stretching is enough for what nobody can guess (NIST SP 800-63B 5.1.2.2 asks for them below
112 bits). What a text is for stands in front, so that it is known where it is found.
"""

import hashlib
import secrets
from uuid import UUID

KEY, REFRESH, INVITATION = "dnk_", "dnr_", "dni_"
_BYTES = 32
_LONGEST = 256


def fresh(kind: str = "") -> str:
    """A new one."""
    return f"{kind}{secrets.token_urlsafe(_BYTES)}"


def fresh_refresh(session: UUID) -> str:
    """A refresh token: it names its session, so that one which is spent is known for that."""
    return f"{REFRESH}{session.hex}.{secrets.token_urlsafe(_BYTES)}"


def session_of(refresh: str) -> UUID | None:
    """The session that a refresh token names; None where it is none."""
    named = refresh.removeprefix(REFRESH).partition(".")[0]
    try:
        return UUID(hex=named) if refresh.startswith(REFRESH) and len(refresh) <= _LONGEST else None
    except ValueError:
        return None


def digest(text: str) -> bytes:
    """What is kept of it: SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
