"""The keeper of `up`'s database: a process that runs the data folder's PostgreSQL as long as the node."""

import logging
import threading

from config import logs
from config.settings import Settings
from domain.errors import NodeError, Unavailable
from domain.stopping import loop_until
from roles.database import KEEPER, embedded_server, locked, server_folder
from roles.health import Health, HealthServer
from roles.process import stopped_by_signals
from roles.run_files import Facts
from store.embedded import EmbeddedPostgres, end_orphan, postmaster

_log = logging.getLogger(__name__)
_WATCH = 1.0  # s between two looks at the server


def keep(settings: Settings) -> int:
    """Run the embedded PostgreSQL until SIGTERM or SIGINT; the exit code: 1 when it ended by itself."""
    logs.set_up(settings.logging, KEEPER)
    stop = stopped_by_signals()
    try:
        with locked(settings.data, wait=True):
            # Of a keeper that was killed: the new keeper's own server is stopped with it.
            if end_orphan(server_folder(settings)):
                _log.warning("a database that outlived its node is restarted")
            with embedded_server(settings) as server:
                _watch(server, settings, stop)
    except NodeError as error:
        _log.error("%s", error)
        return 1
    return 0


def _watch(server: EmbeddedPostgres, settings: Settings, stop: threading.Event) -> None:
    health = Health()
    facts = Facts(url=server.url, owner_url=server.owner_url)
    with HealthServer(health, settings.http, settings.data, KEEPER, facts):
        for _ in loop_until(stop, _WATCH):
            if postmaster(server_folder(settings)) is None:
                raise Unavailable("the embedded PostgreSQL ended by itself")
            health.beat()
