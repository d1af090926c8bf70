"""Settings as they may be shown or recorded: secrets masked by type, and in other texts by their look."""

import hashlib
import json
import re
from collections.abc import Mapping
from urllib.parse import unquote

from config.secret_urls import MASK, without_password
from config.settings import Settings
from domain.json_records import Json

# A URL within a text, and words that a secret follows as in libpq's `password=x` and in forms of the web.
_URL = re.compile(r"[a-z][a-z0-9+.-]*:/\S+", re.IGNORECASE)
_NAMED = re.compile(r"(pass(word|wd|phrase)?|pwd|secret|token|api[_-]?key|credentials?)\s*[=:]\s*\S", re.IGNORECASE)


def public(settings: Settings) -> dict[str, Json]:
    """All settings as plain JSON, without secrets."""
    return {name: _masked(one) for name, one in settings.model_dump(mode="json").items()}


def digest(settings: Settings) -> str:
    """SHA-256 (hex) of the settings without secrets, so that the trail tells when the configuration changed."""
    return hashlib.sha256(json.dumps(public(settings), sort_keys=True).encode()).hexdigest()


def _masked(value: Json) -> Json:
    """Secrets are masked by their type; a password that somebody writes into another setting is masked as well."""
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(one) for one in value]
    return shown(value) if isinstance(value, str) else value


def shown(text: str) -> str:
    """`text` as it may be shown, wherever somebody wrote it: URLs without passwords, nothing where one is named."""
    masked = _URL.sub(lambda found: without_password(found[0]), text)
    return MASK if _NAMED.search(unquote(masked.replace(MASK, ""))) else masked
