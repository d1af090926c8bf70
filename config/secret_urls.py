"""Settings that nobody may see: types, so that whatever has it is masked wherever it is shown, dumped or logged."""

import re
from typing import Annotated

from pydantic import AfterValidator, Secret

# One slash is what a path makes of two.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/{1,2}", re.IGNORECASE)
# What a user, a place (hosts, ports, a database) and a parameter may be that are shown; anything else may hold a secret
# that its writer did not escape as RFC 3986 wants it.
_USER = re.compile(r"[\w.+-]*")
_PLACE = re.compile(r"[\w.:,/\[\]-]*")
# Parameters of PostgreSQL's URLs (libpq 32.1.2) that say how to connect and not as whom; the others are not shown.
_OPEN = {
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "host", "hostaddr",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts", "passfile",
    "port", "service", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs", "tcp_user_timeout",
}  # fmt: skip
MASK = "***"
SHORTEST_KEY = 32


class SecretUrl(Secret[str]):
    """A URL that may hold a password; `get_secret_value` gives all of it, and everything else shows it without."""

    def _display(self) -> str:
        return without_password(self.get_secret_value())


class Hidden(Secret[str]):
    """A text of which nothing is shown."""

    def _display(self) -> str:
        return MASK


def _long_enough(key: Hidden) -> Hidden:
    if len(key.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"is shorter than {SHORTEST_KEY} letters")
    return key


SecretKey = Annotated[Hidden, AfterValidator(_long_enough)]


def without_password(url: str) -> str:
    """The URL as it may be shown, which is what of its parts is known to be no secret; nothing of what is no URL.

    Whatever stands before the last "@" is whose that connects: there a password may hold each of the other delimiters.
    """
    scheme = _SCHEME.match(url)
    if not scheme:
        return MASK if url else url
    whom, at, where = url[scheme.end() :].rpartition("@")
    user, colon, password = whom.partition(":")
    place, question, parameters = where.partition("?")
    kept = "&".join(map(_parameter, parameters.split("&")))
    whom = f"{_if(_USER, user)}{colon}{MASK if password else ''}"
    return f"{scheme[0]}{whom}{at}{_if(_PLACE, place)}{question}{kept}"


def has_password(url: str) -> bool:
    """Whether something of the URL may be a password, or of what is no URL, as `password=x host=y` of libpq."""
    return without_password(url) != url if _SCHEME.match(url) else bool({"=", "@"} & set(url))


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    if not text or name not in _OPEN:
        return f"{_if(_USER, name)}{equals}{MASK if value else ''}"
    return f"{name}{equals}{_if(_PLACE, value)}"


def _if(open_: re.Pattern[str], text: str) -> str:
    return text if open_.fullmatch(text) else MASK
