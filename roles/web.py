"""The role `web`: the door for instances by HTTP, its metrics and its readiness. It has no database to wait for."""

import logging
import threading

from config.settings import Settings
from dicom_node.spool import SpoolWriter
from dicom_node.web.door import WebDoor, serve
from domain.errors import ConfigurationError
from roles.health import Health
from roles.listen import ListenerMetrics, tell_certificates, watch
from roles.process import Context

log = logging.getLogger(__name__)


def web(context: Context) -> None:
    """Serve the port until told to stop."""
    settings = context.settings
    watching: list[threading.Thread] = []
    counted = ListenerMetrics(settings.web.callers)
    tell_certificates(settings, context.health)

    def ready(door: WebDoor, writer: SpoolWriter) -> None:
        if context.reloading is not None:
            context.reloading.taken_by(lambda new: _let_in(new, door, counted, context.health))
        watching.append(threading.Thread(target=watch, args=(context, door, writer), name="health", daemon=True))
        watching[0].start()

    serve(
        settings.web,
        settings.listener,
        settings.spool,
        settings.data / "spool",
        stop=context.stop,
        events=counted,
        ready=ready,
    )


def _let_in(settings: Settings, door: WebDoor, counted: ListenerMetrics, health: Health) -> None:
    """Whom the settings name now may store; what is under way goes on."""
    try:
        door.let_in(settings.web)
    except ConfigurationError as error:
        log.error("who may store by HTTP stays as it was: %s", error)
    else:
        counted.name_callers(settings.web.callers)
        tell_certificates(settings, health)
