"""A proxy before the API: what it says of whoever asks counts, and who comes past it by plain HTTP is refused."""

import uuid
from collections.abc import Collection
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from console.api import problems
from console.api.problems import Kind

_PEER = "dicom_node.peer"


class Proxied:
    """The application behind `proxies`, addresses or networks, whose X-Forwarded-For and -Proto are believed."""

    def __init__(self, app: ASGIApp, proxies: Collection[str]) -> None:
        self._app = app
        self._believing = ProxyHeadersMiddleware(self._named, list(proxies))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            peer = scope.get("client")
            host = peer[0] if peer else ""
            if scope["scheme"] != "https" and host not in self._believing.trusted_hosts and not _is_here(host):
                said = "passwords and keys go over no network in clear: come by the address that console.public_url has"
                await problems.response(str(uuid.uuid4()), Kind.NOT_PERMITTED, said)(scope, receive, send)
                return
            scope[_PEER] = peer
        await self._believing(scope, receive, send)  # type: ignore[arg-type]

    async def _named(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is no address counts for none: whoever asks may have written it."""
        if scope["type"] == "http" and scope.get("client") and not _is_address(scope["client"][0]):
            scope["client"] = scope[_PEER]
        await self._app(scope, receive, send)


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _is_here(text: str) -> bool:
    return _is_address(text) and ip_address(text).is_loopback
