"""What every role's process does before, around and after its role: log, health, signals.

`run_role` is the whole life of such a process. A role is a function of a Context that returns once `stop` is set; it
outlives Unavailable by itself, and any other NodeError ends the process with one line and its exit code.
"""

import ctypes
import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from types import FrameType
from typing import TYPE_CHECKING

from config import logs, masking, metrics
from config.environment import forget_secrets
from config.secret_files import secret_settings
from config.settings import Settings
from domain.errors import ConfigurationError, NodeError, exit_code
from roles.data_folder import prepare
from roles.health import Health, HealthServer
from roles.reload import Reloading, asked_by_hangup, handed_over
from roles.run_files import Facts
from store.objects import DirectoryStore, ObjectStore

if TYPE_CHECKING:
    from audit.trail import Ledger
    from store.database import Database

# Who sends is answered, and a source followed, whether or not a database is there.
WITHOUT_DATABASE = frozenset({"listen", "web", "follow"})

_log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PARENT_LOOK = 1.0  # s between two looks at whether the parent lives
_STOPPED_BY_THEN = 30.0  # s after which a process whose parent is gone does not wait for its own stop any more
_PR_SET_DUMPABLE = 4


@dataclass(frozen=True)
class Context:
    """What a role works with.

    `index` tells several processes of one role apart (listeners), from 0. `trail` is None for roles that work
    without a database.
    """

    settings: Settings
    objects: ObjectStore
    stop: threading.Event
    health: Health
    index: int = 0
    trail: "Ledger | None" = None
    reloading: Reloading | None = None

    @property
    def ledger(self) -> "Ledger":
        """Where changes of state are committed; raises ConfigurationError in a role that has no database."""
        if self.trail is None:
            raise ConfigurationError("this role works without a database")
        return self.trail

    @property
    def database(self) -> "Database":
        """The database beneath the ledger."""
        return self.ledger.database


Role = Callable[[Context], None]


def process_name(role: str, index: int = 0) -> str:
    """The name of a role's process in logs and in DATA/run: `listen`, `listen-1`, ..."""
    return f"{role}-{index}" if index else role


def known_by_commands(name: str, settings: Settings) -> Facts:
    """What a command has to know of a running role: options of `up` are nowhere else."""
    if name == "deliver":
        return Facts(destinations=tuple(one.name for one in settings.destinations))
    if name == "work" and settings.models.folder is not None:
        return Facts(models=str(settings.models.folder.absolute()))
    if name == "serve" and settings.console.port:
        return Facts(api=settings.console.url)
    return Facts()


class _Lives:
    """The lives of a role in one process: it ends with the last of them, or where a signal asks for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self._goes_on = False
        self._ended = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def begin_anew(self, settings: Settings) -> None:
        """End this life for another one by these settings."""
        self.settings, self._goes_on = settings, True
        self.stop.set()

    def goes_on(self) -> bool:
        """Whether another life begins."""
        if not self._goes_on or self._ended:
            return False
        self.stop, self._goes_on = threading.Event(), False
        if self._ended:  # since the line above
            self.stop.set()
        return True

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ended = True
        self.stop.set()


def run_role(
    name: str, role: Role, settings: Settings, index: int = 0, read: Callable[[], Settings] | None = None
) -> int:
    """Live as `role` until SIGTERM or SIGINT; the exit code: 0 after a stop, else 2 (a wrong setting) or 1.

    SIGHUP has it go by what `read` gives then; without, by what its supervisor hands over.
    """
    logs.set_up(settings.logging, process_name(name, index))
    allow_all_descriptors()
    metrics.build.labels(version("dicom-node")).set(1)
    lives = _Lives(settings)
    while True:
        code = _live(name, role, lives, index, read)
        if code or not lives.goes_on():
            return code
        _log.info("the role begins anew")


def _live(name: str, role: Role, lives: _Lives, index: int, read: Callable[[], Settings] | None) -> int:
    settings, stop, health = lives.settings, lives.stop, Health()
    try:
        prepare(settings.data)
        with HealthServer(
            health, settings.http, settings.data, process_name(name, index), known_by_commands(name, settings)
        ):
            reloading = _reloading(name, lives, index, read)
            context = Context(settings, _object_store(settings), stop, health, index, reloading=reloading)
            if name in WITHOUT_DATABASE:
                _run_alone(role, context)
            else:
                # The listener is not to wait for what talks to a database.
                from roles.recorded import ledger, run_recorded  # noqa: PLC0415

                run_recorded(role, replace(context, trail=ledger(name, settings)))
    except NodeError as error:
        log_end(error)
        return exit_code(error)
    except Exception:  # the process boundary: a defect must reach the log in the log's own format
        _log.critical("a defect ended this process", exc_info=True)
        return 1
    return 0


def _reloading(name: str, lives: _Lives, index: int, read: Callable[[], Settings] | None) -> Reloading:
    settings = lives.settings
    asked = asked_by_hangup(lives.stop, terminal=read is not None)
    reloading = Reloading(
        process_name(name, index),
        settings,
        (lambda _: read()) if read else (lambda force: handed_over(settings.data, force)),
        lives.begin_anew,
        answers=read is not None,
    )
    reloading.watch(lives.stop, asked)
    return reloading


def log_end(error: NodeError) -> None:
    """Say what ends this process."""
    _log.error("%s", error, extra={"error": type(error).__name__})


def allow_all_descriptors() -> None:
    """Take the descriptors that the machine allows: the usual 1024 are too few for all associations that may be set."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def stopped_by_signals() -> threading.Event:
    """An event that SIGTERM, SIGINT and SIGHUP set."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    return stop


def conceal() -> None:
    """Let no other process of this user look into this one: its memory and environment hold passwords and images.

    PR_SET_DUMPABLE (prctl(2)): what lies in /proc for its owner is root's then, ptrace is refused, and no core is
    written. Copies of this process inherit it, programs that it starts do not.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
    forget_secrets(tuple(secret_settings()))


def die_with(parent: int) -> None:
    """Stop this process, as SIGTERM does, when `parent`, which started it, ends in whatever way.

    The kernel is asked for the signal. That it comes is not relied on: a thread looks at the parent as well.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before the request
        raise SystemExit(1)
    threading.Thread(target=_end_after, args=(parent,), name="parent", daemon=True).start()


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK)
    os.kill(os.getpid(), signal.SIGTERM)
    # Nobody is left who would end by force what does not stop.
    time.sleep(_STOPPED_BY_THEN)
    os._exit(1)


def _run_alone(role: Role, context: Context) -> None:
    _log.info("started", extra={"version": version("dicom-node"), "settings": masking.digest(context.settings)})
    role(context)
    _log.info("stopped")


def _object_store(settings: Settings) -> DirectoryStore:
    folder = settings.data / "objects"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be made: {error.strerror}") from error
    return DirectoryStore(folder)
