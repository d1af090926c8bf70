"""The role `serve`: the REST API by HTTP, on a loop and a thread of its own beside the role's."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from config.console import Console
from console.api.app import application
from console.api.backend import Backend
from console.api.connections import BoundedConnection
from console.api.proxied import Proxied
from console.auth.wiring import open_access
from dicom_node.tls.acceptor import TlsAcceptor
from domain.stopping import loop_until
from roles.process import Context
from roles.tasks import Throttled
from store import once

_log = logging.getLogger(__name__)
_LOOK = 0.5  # s
_TRY_AGAIN = 5.0  # s between two attempts to open a port that another program has
_FORGET = 3600.0  # s between two looks for answers that are kept no longer
_LAST_ANSWERS = 5  # s in which requests that are under way end, when the role is to stop
_SIGN = 5.0  # s between two signs of life of the server's loop
_HANGS = 60.0
_PORT = "the API's port"


def serve(context: Context) -> None:
    """Serve the API until told to stop."""
    console = context.settings.console
    backend = Backend(context.settings, context.ledger, context.objects, context.health)
    access = open_access(context.settings.access, context.ledger, context.settings.data, console.url)
    app = application(backend, access.door, [access.router])
    listening = _open(context, console)
    if listening is None:
        return
    forget = Throttled(_FORGET, lambda: _forget(context))
    with listening, _serving(context, console, app, listening) as is_alive:
        for _ in loop_until(context.stop, _LOOK):
            if not is_alive():
                raise RuntimeError("the server of the API ended by itself")
            forget()
            context.health.beat()


def _forget(context: Context) -> None:
    with context.database.transaction() as connection:
        once.forget(connection, datetime.now(UTC))


def _open(context: Context, console: Console) -> socket.socket | None:
    """The socket that listens, as soon as it can be had; None where the role is to stop before.

    Where nobody has asked for the API, the node is ready without it.
    """
    where, said = f"{console.host}:{console.port}", False
    for _ in loop_until(context.stop, _TRY_AGAIN):
        try:
            listening = _listening(console)
        except OSError as error:
            if not said:
                _log.error("the API is not served: %s cannot be opened: %s", where, error.strerror)
            said = True
            if console.enabled:
                context.health.waiting(_PORT, f"{where} cannot be opened: {error.strerror}")
            context.health.beat()
        else:
            context.health.ready(_PORT)
            _log.info("the API is served", extra={"port": listening.getsockname()[1]})
            return listening
    return None


def _listening(console: Console) -> socket.socket:
    family = socket.AF_INET6 if ":" in console.host else socket.AF_INET
    return socket.create_server((console.host, console.port), family=family)


@contextmanager
def _serving(
    context: Context, console: Console, app: ASGIApp, listening: socket.socket
) -> Iterator[Callable[[], bool]]:
    """A server in a thread, until the end of the block; what is given says whether it lives."""
    signing = _Signing(Proxied(app, console.proxies) if console.proxies else app, context.health.expect(_PORT, _HANGS))
    server = uvicorn.Server(_config(console, signing))
    thread = threading.Thread(target=server.run, args=([listening],), name="api", daemon=True)
    thread.start()
    try:
        yield thread.is_alive
    finally:
        server.should_exit = True
        thread.join(_LAST_ANSWERS * 2)


def _config(console: Console, app: ASGIApp) -> uvicorn.Config:
    """The log is the node's own: addresses as they are asked for hold UIDs. What proxies say is for `Proxied`."""
    tls = TlsAcceptor(console.tls, "console.tls") if console.tls.certificate else None
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=BoundedConnection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        limit_concurrency=console.max_connections,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=_LAST_ANSWERS,
        h11_max_incomplete_event_size=16 << 10,
        proxy_headers=False,
        ssl_context_factory=_context_factory(tls) if tls else None,
    )


def _context_factory(tls: TlsAcceptor) -> Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """What is spoken by the certificate as its files are when a connection begins: renewing needs no restart."""

    def made(_config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = tls.context()
        context.sni_callback = _take
        return context

    def _take(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = tls.context()

    return made


class _Signing:
    """The same application; the loop that it runs on gives signs of life from its first one on."""

    def __init__(self, app: ASGIApp, sign: Callable[[], None]) -> None:
        self._app = app
        self._sign = sign
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._signing())
        await self._app(scope, receive, send)

    async def _signing(self) -> None:
        while True:
            self._sign()
            await asyncio.sleep(_SIGN)
