"""Who comes through the viewer's door: whoever has the key of the printed address, and their browser after that.

The address holds a key. Whoever brings it gets a cookie and is sent on to the address without it, so that it stays in
no history, bookmark or referrer. A browser sends cookies to every port of this machine, so that another user's server
may be handed one: it opens the door to programs of the user alone who brought the key. And because a page of another
server here counts as the same site for cookies, a browser's own word on where a request comes from (Fetch Metadata) is
heard too.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from http import HTTPStatus

from console.viewer.answers import Answer
from console.viewer.requests import Request
from roles.http_heads import Refused

_KEY = "key"
_HOW = (
    "This viewer shows images of patients to whoever started it.\n"
    "Open the address that `dicom-node viewer` printed, with the key that stands in it."
)
# "none" is a person: an address that was typed, clicked in a terminal, bookmarked.
_OURS = (None, "none", "same-origin")


class Entrance:
    """The entrance at `host`:`port`, with a key of its own for as long as it stands."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host if port == 80 else f"{host}:{port}"
        self.origin = f"http://{self._host}"
        self._key = secrets.token_urlsafe(32)
        self._seal = secrets.token_bytes(32)
        self._cookie = f"dicom-node-viewer-{port}"

    def address(self, path: str = "/", query: str = "") -> str:
        """The address of a page, with the key."""
        return f"{self.origin}{path}?{query}{'&' if query else ''}{_KEY}={self._key}"

    def admit(self, request: Request, owner: int | None) -> Answer | None:
        """Let in a request of a program of the user `owner`: None, or where it has to go first; raises Refused."""
        if request.header("host") != self._host:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, f"this is {self._host} and nothing else")
        if request.header("origin") not in (None, self.origin):
            raise Refused(HTTPStatus.FORBIDDEN, "pages of other origins read nothing here")
        keys = [part for part in request.query.split("&") if part.startswith(f"{_KEY}=")]
        if keys:
            return self._entered(request, keys, owner)
        if request.header("sec-fetch-site") not in _OURS:
            raise Refused(HTTPStatus.FORBIDDEN, "pages of other servers read nothing here, and link to nothing")
        if not any(_same(one, self._session(owner)) for one in self._cookies(request)):
            raise Refused(HTTPStatus.FORBIDDEN, _HOW)
        if request.header("sec-fetch-mode") == "navigate" and request.header("sec-fetch-dest") != "document":
            raise Refused(HTTPStatus.FORBIDDEN, "the viewer is no part of another page")
        return None

    def _entered(self, request: Request, keys: list[str], owner: int | None) -> Answer:
        if len(keys) != 1 or not _same(keys[0], f"{_KEY}={self._key}"):
            raise Refused(HTTPStatus.FORBIDDEN, _HOW)
        rest = "&".join(part for part in request.query.split("&") if part not in keys)
        where = f"{self.origin}{request.path}{'?' if rest else ''}{rest}"
        cookie = f"{self._cookie}={self._session(owner)}; HttpOnly; SameSite=Strict; Path=/"
        # What another server left in the browser while it had this port: a service worker would see all that we answer.
        more = {"Location": where, "Set-Cookie": cookie, "Clear-Site-Data": '"storage"'}
        return Answer(HTTPStatus.SEE_OTHER, more=more)

    def _session(self, owner: int | None) -> str:
        """The cookie's value for programs of this user."""
        return hmac.new(self._seal, str(owner).encode(), hashlib.sha256).hexdigest()

    def _cookies(self, request: Request) -> Iterator[str]:
        """The values under our cookie's name: servers of other ports may have set more of them."""
        for one in (request.header("cookie") or "").split(";"):
            name, _, value = one.strip().partition("=")
            if name == self._cookie:
                yield value


def _same(one: str, other: str) -> bool:
    """Whether they are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(one.encode("latin-1", "replace"), other.encode("latin-1"))
