"""Told to reload (SIGHUP), a process that runs takes over what its settings say now, and answers what came of it.

A wrong file changes nothing. `up` reads the settings once and hands them to its roles, so that all go by the same.
The answer lies in DATA/run/NAME.reload, where `dicom-node reload` reads it.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from config import logs
from config.reloading import AS_IT_STANDS, Change, compared, taken_over
from config.settings import Listener, Logging, Settings
from config.sources import Fault
from config.web import Web
from domain.errors import ConfigurationError, NodeError
from domain.json_records import json_object, record
from domain.stopping import loop_until
from roles.run_files import all_running, is_held

_log = logging.getLogger(__name__)
_LOOK = 0.5  # s between two looks at whether it is asked for, or told to stop
UP = "up"  # the supervisor's name in DATA/run
_HANDED = "settings.handed"


@dataclass(frozen=True)
class Answer:
    """What came of the last of `number` reloads of the process `pid`; names of settings, and what is wrong in words."""

    pid: int
    number: int = 0
    taken: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def asked_by_hangup(stop: threading.Event, *, terminal: bool = True) -> threading.Event:
    """An event that SIGHUP sets; where `terminal`, one that is gone sets `stop`, as whoever closes it expects."""
    asked = threading.Event()
    ends = terminal and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and _has_terminal()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        (stop if ends and not _has_terminal() else asked).set()

    signal.signal(signal.SIGHUP, on_signal)
    return asked


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def reread(
    force: Settings, read: Callable[[], Settings], faults: Callable[[Settings], Iterable[Fault]] = lambda _: ()
) -> Change:
    """What to take over. Raises ConfigurationError where anything is wrong, also in a file that the settings name.

    `faults` are those that whoever asks would not have started with.
    """
    new = read()
    if said := [one.said for one in faults(new)]:
        raise ConfigurationError(*said)
    change = compared(force, new)
    if change.settings.listener.tls.certificate:
        from dicom_node.tls.contexts import acceptor_context  # noqa: PLC0415 - as below

        acceptor_context(change.settings.listener.tls)
    if change.settings.web.enabled and change.settings.web.tls.certificate:
        from dicom_node.tls.contexts import acceptor_context  # noqa: PLC0415 - as below

        acceptor_context(change.settings.web.tls, "web.tls")
    if change.settings.models.rules:
        from config.rules import load_rules  # noqa: PLC0415 - it takes time that the listener need not wait for

        load_rules(change.settings.models.rules)
    return change


def say(change: Change) -> None:
    """What came of a reload, to the log."""
    if change.taken:
        _log.info("settings taken over: %s", ", ".join(change.taken))
    if change.waiting:
        _log.warning("settings that wait for a restart: %s", ", ".join(change.waiting))
    if not change.taken and not change.waiting:
        _log.info("no setting has changed")


def answered(before: Answer, change: Change) -> Answer:
    """The next answer."""
    return replace(before, number=before.number + 1, taken=change.taken, waiting=change.waiting, wrong=())


def refused(before: Answer, error: NodeError) -> Answer:
    """The next answer where something is wrong; the log has it as well."""
    for line in error.lines:
        _log.error("settings are wrong, nothing is taken over: %s", line)
    return replace(before, number=before.number + 1, taken=(), waiting=(), wrong=error.lines)


def publish(data: Path, name: str, answer: Answer) -> None:
    """Write the answer, whole or not at all. That it cannot be written is said, and is no reason to end."""
    _write(_answer_file(data, name), json.dumps(asdict(answer)))


def last_answer(data: Path, name: str) -> Answer | None:
    """What `name` answered last; None where it never began."""
    try:
        return record(Answer, json_object(_answer_file(data, name).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except PermissionError as error:
        raise ConfigurationError(f"{data} is its owner's alone: run this as root, or as the node's own user") from error


def last_pid(data: Path, name: str) -> int | None:
    """The process that was `name` last, if it ever said so."""
    answer = last_answer(data, name)
    return answer.pid if answer else None


def reloadable(data: Path) -> dict[str, Answer]:
    """The processes that may be asked, and what each answered last: `up` for all of its roles, else each role."""
    supervisor = last_answer(data, UP)
    if supervisor is not None and _is_supervised(data):
        return {UP: supervisor}
    answers = {name: (said.pid, last_answer(data, name)) for name, said in all_running(data).items()}
    return {name: answer for name, (pid, answer) in answers.items() if answer is not None and answer.pid == pid}


def _is_supervised(data: Path) -> bool:
    try:
        with (data / "run" / "up.lock").open() as file:
            return is_held(file.fileno())
    except FileNotFoundError:
        return False


def hand_over(data: Path, settings: Settings) -> None:
    """Give the roles of `up` the settings that they take over as they stand; no secret is among them."""
    handed = {name: getattr(settings, name).model_dump(mode="json") for name in ("listener", "web", "logging")}
    _write(data / "run" / _HANDED, json.dumps(handed))


def handed_over(data: Path, force: Settings) -> Settings:
    """`force` with what `hand_over` gave; raises ConfigurationError where that cannot be read."""
    try:
        handed = json_object((data / "run" / _HANDED).read_text(encoding="utf-8"))
        read = force.model_copy(
            update={
                "listener": Listener.model_validate(handed["listener"]),
                "web": Web.model_validate(handed["web"]),
                "logging": Logging.model_validate(handed["logging"]),
            }
        )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{data / 'run' / _HANDED} cannot be read: {error}") from error
    return taken_over(force, read, tuple(AS_IT_STANDS))


def _answer_file(data: Path, name: str) -> Path:
    return data / "run" / f"{name}.reload"


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        _log.error("%s cannot be written: %s", file, error.strerror)
        with suppress(OSError):
            draft.unlink()


class Reloading:
    """The reloads of one role's process, in a thread. `anew` gets the settings that the role is to begin anew with."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        read: Callable[[Settings], Settings],
        anew: Callable[[Settings], None],
        answers: bool,
    ) -> None:
        self._name = name
        self._settings = settings
        self._read = read
        self._anew = anew
        self._answers = answers
        self._answer = last_answer(settings.data, name) or Answer(os.getpid())
        self._as_it_stands: list[Callable[[Settings], None]] = [lambda new: logs.set_level(new.logging)]
        self._publish(replace(self._answer, pid=os.getpid()))

    def taken_by(self, take: Callable[[Settings], None]) -> None:
        """Call `take` with the settings whenever something is taken over as the process stands."""
        self._as_it_stands.append(take)

    def watch(self, stop: threading.Event, asked: threading.Event) -> None:
        """Reload whenever asked, until told to stop, in a thread of its own."""
        threading.Thread(target=self._watch, args=(stop, asked), name="reload", daemon=True).start()

    def _watch(self, stop: threading.Event, asked: threading.Event) -> None:
        for _ in loop_until(stop):
            if asked.wait(_LOOK):
                asked.clear()
                self._reload()

    def _reload(self) -> None:
        try:
            change = reread(self._settings, lambda: self._read(self._settings))
        except NodeError as error:
            self._publish(refused(self._answer, error))
            return
        self._settings = change.settings
        for take in self._as_it_stands:
            take(change.settings)
        if self._answers:  # else the supervisor has said it for all
            say(change)
        self._publish(answered(self._answer, change))
        if self._name.partition("-")[0] in change.anew:
            self._anew(change.settings)

    def _publish(self, answer: Answer) -> None:
        self._answer = answer
        if self._answers:
            publish(self._settings.data, self._name, answer)
