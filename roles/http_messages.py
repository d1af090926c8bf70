"""What a client of a health door may ask and how it is answered, as bytes: values in, values out.

A GET or HEAD without a body (RFC 9110, RFC 9112), under a name that is the door's own: a page in somebody's browser,
whose name was made to point here (DNS rebinding), would otherwise read what the browser's machine can.
"""

import re
from collections.abc import Collection, Sequence
from email.utils import formatdate
from http import HTTPStatus
from ipaddress import ip_address

from roles.http_heads import Refused, read_head

# Bytes of the request line and all fields. A scraper sends half a thousand; a browser adds what cookies it has.
LONGEST_HEAD = 8192
END = b"\r\n\r\n"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::[0-9]{0,5})?")
_LOOPBACK_NAME = "localhost"


def read_path(head: bytes | None, names: Collection[str]) -> str:
    """What is asked for, without its query, by the line and fields of a request up to the empty line; raises Refused.

    `head` is None where they are longer than may be. `names`, in lower case, are those under which the door may be
    called beside localhost and every IP address.
    """
    if head is None:
        raise Refused(431, f"a request has {LONGEST_HEAD} bytes at most")
    asked = read_head(head)
    if asked.version not in ("1.0", "1.1"):
        raise Refused(400, "this is no request of HTTP/1.1")
    _check_host(asked.fields.get("host", ()), names, needed=asked.version == "1.1")
    if asked.method not in ("GET", "HEAD"):
        raise Refused(405, "there are GET and HEAD")
    if asked.announces_body:
        raise Refused(413, "a request has no body here")
    return asked.target.partition("?")[0]


def asks_for_no_body(head: bytes | None) -> bool:
    """Whether an answer is to have none, whatever it says (RFC 9110 9.3.2)."""
    return head is not None and head.startswith(b"HEAD ")


def _check_host(told: Sequence[str], names: Collection[str], *, needed: bool) -> None:
    """RFC 9112 3.2: one Host; probes that speak HTTP/1.0, which no browser does, have none."""
    if not told and not needed:
        return
    found = _HOST.fullmatch(told[0]) if len(told) == 1 else None
    if found is None:
        raise Refused(400, "a request names one host")
    if not _is_ours(found[1].lower().removesuffix("."), names):
        raise Refused(421, "this door is not called so: use its address, or add the name to http.names")


def _is_ours(host: str, names: Collection[str]) -> bool:
    if host == _LOOPBACK_NAME or host in names:
        return True
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def response(status: int, kind: str, body: bytes, *, with_body: bool = True) -> bytes:
    """All of an answer, after which the connection ends. It is for whoever asked, now, and is what `kind` says."""
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
        "Connection: close",
        *(["Allow: GET, HEAD"] if status == HTTPStatus.METHOD_NOT_ALLOWED else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body if with_body else b"")
