"""What a request to the viewer's door must look like: a head of HTTP/1.1 (RFC 9112) that reads, and nothing behind it.

Bytes in, a request or a refusal out. Whatever has two readings (a header twice, a folded line, a body, a target that is
no path of ours) is refused, so that nobody reads it in another way than we do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

# Bytes of a head at the most. Cookies of other servers on this address come along, for a cookie knows no port.
LONGEST_HEAD = 16 * 1024
_LONGEST_TARGET = 8 * 1024
_MOST_HEADERS = 64
_READING = ("GET", "HEAD")

_LINE = re.compile(r"([A-Z]{1,20}) ([\x21-\x7e]+) HTTP/(\d)\.(\d)", re.ASCII)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*")


class Refused(Exception):
    """Why a request is not answered otherwise: a status, and a sentence for whoever asked."""

    def __init__(self, status: HTTPStatus, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


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
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target = _asked(line)
    headers = _headers(lines)
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0" or "expect" in headers:
        raise Refused(HTTPStatus.BAD_REQUEST, "a request to read has no body")
    path, _, query = target.partition("?")
    return Request(method, path, query, headers)


def _asked(line: str) -> tuple[str, str]:
    """Method and target."""
    if len(line) > _LONGEST_TARGET:
        raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"an address has {_LONGEST_TARGET} letters at the most")
    found = _LINE.fullmatch(line)
    if found is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1.1")
    method, target, *version = found.groups()
    if version != ["1", "1"]:
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
    if method not in _READING:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "nothing can be changed here: GET and HEAD alone are answered")
    # Neither another server's address nor one that a browser would take for one (`//elsewhere`).
    if not target.startswith("/") or target.startswith(("//", "/\\")) or "#" in target:
        raise Refused(HTTPStatus.BAD_REQUEST, "a target is a path of this address")
    return method, target


def _headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > _MOST_HEADERS:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a request has {_MOST_HEADERS} headers at the most")
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None or found[1].lower() in headers:
            raise Refused(HTTPStatus.BAD_REQUEST, "a header is one line, once")
        headers[found[1].lower()] = found[2]
    return headers
