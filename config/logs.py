"""How the node logs: one JSON object a line, readable lines on a terminal, fields in the journal. Ids ride along.

Identity has no place in a log, so nothing here formats a data set, and messages are fixed texts with ids beside them.
What libraries say may quote what they were given: only that they said something, where, and at work on what, is logged,
once a place.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, TextIO

from config import defects
from config.journal import JournalHandler, is_journal
from config.log_files import SharedFileHandler
from domain.errors import ConfigurationError
from domain.leaving import WayOut, leaving
from domain.visible import visible

if TYPE_CHECKING:  # the model process and the command line log without settings, which take long to import
    from config.settings import Logging

# Whose words are the node's own: its rooms, and a module that is run by itself.
OWN = frozenset({
    "audit", "config", "console", "consumers", "dicom_node", "domain", "inference_worker", "models",
    "roles", "sr_writer", "store", "summary", "training", "__main__",
})  # fmt: skip
# Attributes that every LogRecord has; whatever else is on one was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_log = logging.getLogger(__name__)
_at_work_on: ContextVar[Mapping[str, object]] = ContextVar("at_work_on", default=MappingProxyType({}))


@contextmanager
def at_work_on(**ids: object) -> Iterator[None]:
    """What a library says in here is of what these ids of the node name; they are its own, and no UIDs."""
    token = _at_work_on.set(ids)
    try:
        yield
    finally:
        _at_work_on.reset(token)


def set_up(settings: "Logging", role: str, stream: TextIO = sys.stderr) -> None:
    """Send every log record of this process where the settings want it, marked with its role, `stream` by default.

    Raises ConfigurationError where `logging.file` cannot be written.
    """
    if settings.file is not None:
        _log_by(_to_file(settings, settings.file), _Readable(role) if settings.format == "text" else _Json(role))
    elif settings.format == "auto" and is_journal(stream):
        _log_by(JournalHandler(role, _extras), _Told(role))
    else:
        readable = settings.format == "text" or (settings.format == "auto" and stream.isatty())
        _log_by(_Handler(stream), _Readable(role) if readable else _Json(role))
    logging.getLogger().setLevel(settings.level)


def _to_file(settings: "Logging", file: Path) -> logging.Handler:
    try:
        return SharedFileHandler(file, settings.file_bytes, settings.file_kept)
    except OSError as error:
        raise ConfigurationError(f"logging.file: {file} cannot be written: {error.strerror}") from error


def set_level(settings: "Logging") -> None:
    """Write from another level on."""
    logging.getLogger().setLevel(settings.level)


def log_to(stream: TextIO, role: str, readable: bool, level: str = "WARNING") -> None:
    """Send every log record, warning and defect of this process to `stream`, marked with its role."""
    _log_by(_Handler(stream), _Readable(role) if readable else _Json(role))
    logging.getLogger().setLevel(level)


def _log_by(handler: logging.Handler, form: logging.Formatter) -> None:
    handler.setFormatter(form)
    handler.addFilter(_OncePerPlace())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # It tells of each attempt to reach an absent broker, which the loops tell once.
    logging.getLogger("kafka").setLevel("CRITICAL")
    logging.captureWarnings(False)
    defects.say_by(_defect, _warned)


def _defect(error: BaseException) -> None:
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        _log.critical("a defect", exc_info=error)


def _warned(category: type[Warning], place: str) -> None:
    _log.warning("a library warned", extra={"category": category.__name__, "place": place, **_at_work_on.get()})


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in OWN


def _words(record: logging.LogRecord) -> str:
    return record.getMessage() if _is_own(record) else "a library has something to say"


def _extras(record: logging.LogRecord) -> dict[str, object]:
    if not _is_own(record):
        place = defects.place(record.pathname, record.lineno)
        return {"library": record.name, "place": place, **_at_work_on.get()}
    return leaving(WayOut.LOG, {key: value for key, value in vars(record).items() if key not in _STANDARD})


class _OncePerPlace(logging.Filter):
    """Of what libraries log, the first warning or error of each place, for its words are not shown."""

    def __init__(self) -> None:
        super().__init__()
        self._places: set[tuple[str, int]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_own(record):
            return True
        place = record.pathname, record.lineno
        first = place not in self._places
        self._places.add(place)
        return first and record.levelno >= logging.WARNING


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Without the record's arguments, which logging itself would print."""
        self.stream.write(f"a log record of {defects.place(record.pathname, record.lineno)} cannot be written\n")


class _Formatter(logging.Formatter):
    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - logging's own name
        return defects.trace(ei[1]) if ei[1] else ""


class _Json(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "role": self._role,
            "message": _words(record),
            **_extras(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        # RFC 8259 section 7 escapes control characters, all but DEL.
        return json.dumps(fields, default=str).replace("\x7f", "\\u007f")


class _Readable(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        return self._told(f"{moment} {self._role:<8} {record.levelname:<7} ", record)

    def _told(self, start: str, record: logging.LogRecord) -> str:
        extras = " ".join(f"{key}={_quoted(str(value))}" for key, value in _extras(record).items())
        said, *further = _words(record).split("\n")
        line = f"{start}{said} {extras}".rstrip()
        trace = self.formatException(record.exc_info).split("\n") if record.exc_info else []
        # A record begins at the margin and nothing else does, whatever it quotes.
        return "\n    ".join(map(visible, (line, *further, *trace)))


class _Told(_Readable):
    """For the journal, which knows when and how grave."""

    def format(self, record: logging.LogRecord) -> str:
        return self._told(f"{self._role}: ", record)


def _quoted(value: str) -> str:
    """In quotes where it could be taken for another key and its value."""
    return json.dumps(value, ensure_ascii=False) if "=" in value or '"' in value else value
