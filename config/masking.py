"""Settings as they may be shown or recorded, and as a child process gets them."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import Secret
from pydantic_core import to_jsonable_python

from config.settings import Settings

# Of a URL, RFC 3986 3.2.1: what stands between the user's name and the last "@" before the path.
_PASSWORD = re.compile(r"(://[^:/@]*):[^/]*@")


def public(settings: Settings) -> dict[str, Any]:
    """All settings as plain JSON, without secrets."""
    return dict(_masked(settings.model_dump(mode="json")))


def whole(settings: Settings) -> dict[str, Any]:
    """All settings as plain JSON, secrets among them: for the environment of a child and nothing else."""
    return dict(to_jsonable_python(_bare(settings.model_dump())))


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


def _bare(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {key: _bare(one) for key, one in value.items()}
    return [_bare(one) for one in value] if isinstance(value, list | tuple) else value
