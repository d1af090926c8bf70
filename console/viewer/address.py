"""Where an archive's DICOMweb services are, as a person types it, and who asks there."""

import base64
import ipaddress
import urllib.parse
from dataclasses import dataclass

from domain.errors import ConfigurationError

_FORM = "http://HOST:PORT/PATH, such as http://127.0.0.1:8042/dicom-web"
_SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Root:
    """The root of DICOMweb services. `port` is None where it is the scheme's own; `path` ends without a slash."""

    tls: bool
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"http{'s' if self.tls else ''}://{host}{port}{self.path}"

    @property
    def is_overheard(self) -> bool:
        """Whether what is sent there can be read on its way: no TLS, and another machine."""
        try:
            return not self.tls and not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return not self.tls and self.host != "localhost"


def parse(text: str) -> Root:
    """The root that `text` names; raises ConfigurationError that says what is wrong with it.

    What may be a password is not repeated.
    """
    if not text.isascii() or not text.isprintable() or not text.strip():
        raise _wrong(text, "it is empty or has letters that no address has")
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise _wrong(text.rpartition("@")[2], "http:// or https:// is missing before it")
    if scheme.lower() not in _SCHEMES:
        raise _wrong(scheme, "it is neither http nor https")
    if "@" in rest.partition("/")[0] or "?" in rest or "#" in rest:
        raise ConfigurationError(
            f"the root of DICOMweb services is {_FORM}, and nothing more: a password on a command line can be read by "
            "everybody; put USER:PASSWORD into a file of yours and name that: --credentials FILE"
        )
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong(text, "its port is no number from 0 to 65535, or its brackets do not match") from error
    if not host:
        raise _wrong(text, "it names no host")
    return Root(parts.scheme == "https", host, port, parts.path.rstrip("/"))


def _wrong(shown: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{shown!r} is not the root of DICOMweb services: {why}. It is {_FORM}")


def authorization(credentials: str) -> str:
    """The value of the field Authorization: `USER:PASSWORD` (RFC 7617) or `Bearer TOKEN` (RFC 6750); "" for none.

    Raises ConfigurationError, which repeats nothing of them.
    """
    if not credentials:
        return ""
    if not credentials.isprintable():
        raise ConfigurationError("the viewer's credentials are of several lines: USER:PASSWORD or Bearer TOKEN, in one")
    if credentials.startswith("Bearer ") and credentials.isascii():
        return credentials
    if ":" not in credentials:
        raise ConfigurationError("the viewer's credentials are neither USER:PASSWORD nor Bearer TOKEN")
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"
