"""The head of a request of HTTP/1 (RFC 9112), read in one way and no other: bytes in, values or a refusal out.

What a door makes of it is its own matter: the health doors (roles.http_messages), the viewer (console.viewer.requests).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(\d\.\d)", re.ASCII)
# One line each: a folded one has more readings than one.
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*")


class Refused(Exception):
    """A request that is not answered otherwise: the status, and a sentence for whoever asked."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = HTTPStatus(status)
        self.reason = reason


@dataclass(frozen=True)
class Head:
    """Method, target and version ("1.1") as they were sent; `fields` by their names in small letters, each as often as
    it came."""

    method: str
    target: str
    version: str
    fields: Mapping[str, Sequence[str]]

    @property
    def announces_body(self) -> bool:
        """Whether something is to follow the head (RFC 9112 6.3)."""
        lengths = self.fields.get("content-length", ())
        return "transfer-encoding" in self.fields or any(one != "0" for one in lengths)


def read_head(head: bytes) -> Head:
    """The head that these bytes are, without the empty line at the end; raises Refused."""
    line, *lines = head.decode("latin-1").split("\r\n")
    found = _LINE.fullmatch(line)
    if found is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1.1")
    fields: dict[str, list[str]] = {}
    for one in lines:
        field = _FIELD.fullmatch(one)
        if field is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "a field of the request is none")
        fields.setdefault(field[1].lower(), []).append(field[2])
    return Head(found[1], found[2], found[3], fields)
