"""The role `listen`: the listener, its metrics and its readiness. It has no database to wait for."""

import logging
import threading
from collections.abc import Callable, Iterable
from functools import cache
from shutil import disk_usage
from typing import Protocol

from config import metrics
from config.settings import Settings
from dicom_node.dimse import Status
from dicom_node.listener import Listener, serve
from dicom_node.spool import Close, SpoolWriter
from dicom_node.tls.faults import CODES
from domain.stopping import loop_until
from roles.certificates import publish_certificates, troubles
from roles.health import Health
from roles.process import Context

log = logging.getLogger(__name__)

_LOOK = 0.5
_ROOM = "room in the spool"
_CONNECTIONS = "the thread that accepts connections"

# Whoever is not among the settings' callers: peers choose their names, and each would be a series of figures for good.
UNLISTED = "(unlisted)"
# Unknown called and calling AE titles, too many associations (PS3.8 table 9-21), and what is no DICOM.
_WORTH_AN_ALERT = (
    *("rejected-1-1-7", "rejected-1-1-3", "rejected-1-2-1", "rejected-2-3-2", "no-context", "protocol", "busy"),
    *("tls-at-plain-port", *CODES),
)


_Add = Callable[[float], None]


@cache
def _of_instances(caller: str, outcome: str) -> tuple[Callable[[], None], _Add, _Add]:
    """What counts them; to find it by its labels takes longer, and there are no more than callers are listed."""
    return (
        metrics.instances.labels(caller, outcome).inc,
        metrics.instance_bytes.labels(caller, outcome).inc,
        metrics.instance_seconds.labels(caller, outcome).observe,
    )


class Named(Protocol):
    """One of the callers that the settings name."""

    @property
    def aet(self) -> str: ...


class Accepting(Protocol):
    """A door, and whether the thread that accepts connections there lives and comes round."""

    @property
    def is_accepting(self) -> bool: ...


class ListenerMetrics:
    """Counts what the listener tells: each of the settings' callers by its AE title, all others as one."""

    def __init__(self, callers: Iterable[Named]) -> None:
        self.name_callers(callers)

    def name_callers(self, callers: Iterable[Named]) -> None:
        """Count these by name from now on."""
        self._listed = frozenset(caller.aet for caller in callers)
        self._begin()

    def _begin(self) -> None:
        """At 0: what a counter does that first appears as 1 is no increase to whoever asks for one."""
        for outcome in _WORTH_AN_ALERT:
            metrics.associations.labels(outcome)
        for caller in (*self._listed, UNLISTED):
            metrics.instances.labels(caller, Status.OUT_OF_RESOURCES.name.lower())

    def _told(self, caller: str) -> str:
        return caller if caller in self._listed else UNLISTED

    def instance(self, caller: str, outcome: str, size: int, seconds: float) -> None:
        count, add, observe = _of_instances(self._told(caller), outcome)
        count()
        add(size)
        observe(seconds)

    def echo(self, caller: str) -> None:
        metrics.echoes.labels(self._told(caller)).inc()

    def message(self, caller: str, operation: str, taken: bool) -> None:
        metrics.messages.labels(self._told(caller), operation, "taken" if taken else "refused").inc()

    def opened(self, caller: str) -> None:
        metrics.associations_open.inc()

    def closed(self, caller: str, how: Close) -> None:
        metrics.associations_open.dec()
        metrics.associations.labels(how.value).inc()

    def refused(self, reason: str) -> None:
        metrics.associations.labels(reason).inc()


def listen(context: Context) -> None:
    """Serve the port until told to stop."""
    settings = context.settings
    watching: list[threading.Thread] = []
    counted = ListenerMetrics(settings.listener.callers)
    tell_certificates(settings, context.health)

    def ready(listener: Listener, writer: SpoolWriter) -> None:
        if context.reloading is not None:
            context.reloading.taken_by(lambda new: _let_in(new, listener, counted, context.health))
        context.health.publish(dicom_port=listener.port, aet=settings.listener.aet)
        watching.append(threading.Thread(target=watch, args=(context, listener, writer), name="health", daemon=True))
        watching[0].start()

    serve(
        settings.listener,
        settings.spool,
        settings.data / "spool",
        context.index,
        stop=context.stop,
        events=counted,
        ready=ready,
    )


def _let_in(settings: Settings, listener: Listener, counted: ListenerMetrics, health: Health) -> None:
    """Whom the settings name now may call; whoever has an association keeps it."""
    listener.let_in(settings.listener)
    counted.name_callers(settings.listener.callers)
    tell_certificates(settings, health)


def tell_certificates(settings: Settings, health: Health) -> None:
    """When those that the settings name end, in figures and in what health says."""
    publish_certificates(settings)
    health.tell_certificates(lambda: troubles(settings))


def watch(context: Context, listener: Accepting, writer: SpoolWriter) -> None:
    """Signs of life, as long as connections are accepted; who sees none for long starts the process anew."""
    was_accepting = True
    room = _Room(context)
    for _ in loop_until(context.stop, _LOOK):
        if listener.is_accepting:
            room.look(writer.trouble)
            context.health.ready(_CONNECTIONS)
            context.health.beat()
        elif was_accepting:
            log.error("no connection is accepted any more")
            context.health.waiting(_CONNECTIONS)
        was_accepting = listener.is_accepting


class _Room:
    """Says when the spool has no room and when it has again, and by which cause."""

    def __init__(self, context: Context) -> None:
        self._health = context.health
        self._folder = context.settings.data / "spool"
        self._floor = context.settings.spool.disk_floor
        self._trouble = ""

    def look(self, trouble: str) -> None:
        """`trouble` is why instances are refused or soon will be, "" where they are not."""
        free = self._free()
        metrics.disk_free.labels("spool").set(free)
        if trouble == self._trouble:
            return
        numbers = {"folder": str(self._folder), "free_bytes": free, "floor_bytes": self._floor}
        if trouble:
            self._health.waiting(_ROOM, trouble)
            log.warning("instances are refused: %s", trouble, extra=numbers)
        else:
            self._health.ready(_ROOM)
            log.warning("there is room in the spool again", extra=numbers)
        self._trouble = trouble

    def _free(self) -> int:
        # A disk that does not answer has no room; the sign of life that hangs on this look goes on.
        try:
            return disk_usage(self._folder).free
        except OSError:
            return 0
