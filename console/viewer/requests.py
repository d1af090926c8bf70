"""What a request to the viewer's door must look like: a head of HTTP/1.1 that reads, and nothing behind it.

Bytes in, a request or a refusal out. Whatever has two readings (a header twice, a folded line, a body, a target that is
no path of ours) is refused, so that nobody reads it in another way than we do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from roles.http_heads import Head, Refused, read_head

# Bytes of a head at the most. Cookies of other servers on this address come along, for a cookie knows no port.
LONGEST_HEAD = 16 * 1024
_LONGEST_TARGET = 8 * 1024
_MOST_HEADERS = 64
_READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Request:
    """One request. `path` and `query` are as they were sent; `headers` have names in small letters, each once."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    def header(self, name: str) -> str | None:
        """The header `name` (in small letters), None where it was not sent."""
        return self.headers.get(name)


def read(head: bytes) -> Request:
    """The request whose head, without the empty line at its end, is `head`; raises Refused."""
    if len(head.partition(b"\r\n")[0]) > _LONGEST_TARGET:
        raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"an address has {_LONGEST_TARGET} letters at the most")
    asked = read_head(head)
    _check(asked)
    if asked.announces_body or "expect" in asked.fields:
        raise Refused(HTTPStatus.BAD_REQUEST, "a request to read has no body")
    path, _, query = asked.target.partition("?")
    return Request(asked.method, path, query, {name: values[0] for name, values in asked.fields.items()})


def _check(asked: Head) -> None:
    if asked.version != "1.1":
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
    if asked.method not in _READING:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "nothing can be changed here: GET and HEAD alone are answered")
    # Neither another server's address nor one that a browser would take for one (`//elsewhere`).
    if not asked.target.startswith("/") or asked.target.startswith(("//", "/\\")) or "#" in asked.target:
        raise Refused(HTTPStatus.BAD_REQUEST, "a target is a path of this address")
    if sum(map(len, asked.fields.values())) > _MOST_HEADERS:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a request has {_MOST_HEADERS} headers at the most")
    if any(len(values) > 1 for values in asked.fields.values()):
        raise Refused(HTTPStatus.BAD_REQUEST, "a header comes once")
