"""Settings that nobody may see: types, so that whatever has it is masked wherever it is shown, dumped or logged."""

import re
from typing import Annotated

from pydantic import AfterValidator, Secret

# RFC 3986: a scheme, then what stands between the user's name and the last "@".
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PASSWORD = re.compile(r"(://[^:/@]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"(?<=[?&])([^=&]*)=([^&]*)")
# Parameters of PostgreSQL's URLs (libpq 32.1.2) that say how to connect and not as whom; the others are not shown.
_OPEN = {"application_name", "connect_timeout", "host", "port", "sslmode", "sslrootcert", "target_session_attrs"}
_MASK = "***"
SHORTEST_KEY = 32


class SecretUrl(Secret[str]):
    """A URL that may hold a password; `get_secret_value` gives all of it, and everything else shows it without."""

    def _display(self) -> str:
        return without_password(self.get_secret_value())


class Hidden(Secret[str]):
    """A text of which nothing is shown."""

    def _display(self) -> str:
        return _MASK


def _long_enough(key: Hidden) -> Hidden:
    if len(key.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"is shorter than {SHORTEST_KEY} letters")
    return key


SecretKey = Annotated[Hidden, AfterValidator(_long_enough)]


def without_password(url: str) -> str:
    """The URL as it may be shown; nothing of what is no URL."""
    if not url or not _SCHEME.match(url):
        return _MASK if url else url
    return _PARAMETER.sub(_parameter, _PASSWORD.sub(rf"\1:{_MASK}@", url))


def _parameter(found: re.Match[str]) -> str:
    name, value = found.groups()
    return f"{name}={value if name in _OPEN else _MASK}"
