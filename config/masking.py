"""Settings as they may be shown or recorded: passwords inside URLs are masked, nothing else is secret."""

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from config.settings import Settings

_MASK = "***"


def public(settings: Settings) -> dict[str, Any]:
    """All settings as plain JSON, without secrets."""
    shown = settings.model_dump(mode="json")
    for name in ("url", "owner_url"):
        shown["database"][name] = _without_password(shown["database"][name])
    return shown


def digest(settings: Settings) -> str:
    """SHA-256 (hex) of the settings without secrets, so that the trail tells when the configuration changed."""
    return hashlib.sha256(json.dumps(public(settings), sort_keys=True).encode()).hexdigest()


def _without_password(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, address = parts.netloc.rpartition("@")
    name = user.split(":", 1)[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{_MASK}@{address}"))
