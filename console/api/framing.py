"""Around every request: its id, how much it may hold, and one line in the log."""

import logging
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.logs import at_work_on
from console.api import problems
from console.api.problems import Kind, ProblemError

#: Bytes of a request's body at most.
LARGEST = 64 << 10

_log = logging.getLogger(__name__)


class Framing:
    """The outermost of the application; no error leaves it but as a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, receive, send)
        with at_work_on(request=request.id):
            await request.go(self._app)


class _Request:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id = str(uuid.uuid4())
        self._scope, self._receive, self._send = scope, receive, send
        scope.setdefault("state", {})["request_id"] = self.id
        self._taken = 0
        self._status = 0

    async def go(self, app: ASGIApp) -> None:
        began = time.monotonic()
        try:
            headers = Headers(scope=self._scope)
            _refuse_two_lengths(headers)
            self._refuse_large(headers.get("content-length"))
            await app(self._scope, self._take, self._answer)
        except Exception as error:  # the boundary of a request: a defect costs this one and no other
            if not isinstance(error, ProblemError):
                _log.exception("a request ended in a defect", extra={"request": self.id})
            if not self._status:
                await problems.of(self.id, error)(self._scope, self._receive, self._answer)
        finally:
            self._tell(time.monotonic() - began)

    def _refuse_large(self, said: str | None) -> None:
        if said is not None and said.isdecimal() and int(said) > LARGEST:
            raise ProblemError(Kind.TOO_LARGE, headers={"Connection": "close"})

    async def _take(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > LARGEST:
                raise HTTPException(413)  # the framework lets this one through, and no other
        return message

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)["X-Request-Id"] = self.id
        await self._send(message)

    def _tell(self, seconds: float) -> None:
        """By the route and not by the address, in which UIDs and numbers of patients may stand."""
        route = getattr(self._scope.get("route"), "path", "(no route)")
        _log.info(
            "answered",
            extra={
                "request": self.id,
                "method": self._scope["method"] if self._status != 405 else "(none of ours)",
                "route": route,
                "status": self._status,
                "ms": round(seconds * 1000, 1),
            },
        )


def _refuse_two_lengths(headers: Headers) -> None:
    """A proxy before us may go by the other one, and take what follows for another's request (RFC 9112 6.1)."""
    if "transfer-encoding" in headers and "content-length" in headers:
        said = "give Content-Length or Transfer-Encoding: by both a request has two ends"
        raise ProblemError(Kind.INVALID, said, {"Connection": "close"})
