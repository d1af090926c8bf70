"""Settings as they may be shown or recorded: secrets masked by type, passwords inside other URLs by their look."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from config.settings import Settings

# Of a URL, RFC 3986 3.2.1: what stands between the user's name and the last "@" before the path.
_PASSWORD = re.compile(r"(://[^:/@]*):[^/]*@")


def public(settings: Settings) -> dict[str, Any]:
    """All settings as plain JSON, without secrets."""
    return dict(_masked(settings.model_dump(mode="json")))


def digest(settings: Settings) -> str:
    """SHA-256 (hex) of the settings without secrets, so that the trail tells when the configuration changed."""
    return hashlib.sha256(json.dumps(public(settings), sort_keys=True).encode()).hexdigest()


def _masked(value: Any) -> Any:
    """Secrets are masked by their type; a password that somebody writes into another setting is masked as well."""
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(one) for one in value]
    return _PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) else value
