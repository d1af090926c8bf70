"""What a process says of itself at its door for health, to whoever asks: a command, the supervisor, another role.

Apart from the door (roles.health), for who asks needs no figures and no server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.json_records import JsonObject, json_object, record
from roles.http_ask import ask_door
from roles.run_files import running

_ANSWER = 5.0  # s for a process to say how it is


@dataclass(frozen=True)
class Report:
    """What /health/ready of a process says: whether it is ready, and else what it waits for, the oldest wait first.

    The listener adds its port and its AE title, `summarise` how each language model is: that makes nothing unready,
    for without them the template writes; nor do `certificates`, those that have to be renewed. `address` is the door's
    URL, where it answered.
    """

    ready: bool
    waiting_for: tuple[str, ...] = ()
    dicom_port: int | None = None
    aet: str | None = None
    language_models: Mapping[str, str] | None = None
    certificates: Mapping[str, str] | None = None
    address: str = ""

    def as_json(self) -> JsonObject:
        """The body of the answer."""
        told: JsonObject = {
            "dicom_port": self.dicom_port,
            "aet": self.aet,
            "language_models": self.language_models,
            "certificates": self.certificates,
        }
        known = {name: value for name, value in told.items() if value is not None}
        return {"ready": self.ready, "waiting_for": self.waiting_for, **known}


def ask(data: Path, name: str, pid: int | None = None) -> Report:
    """What the process `name` says of itself; until it answers, it is itself what is waited for.

    With `pid`, what another process of that name says does not count: it may be the one before.
    """
    said = running(data, name)
    if said is None or pid not in {None, said.pid}:
        return Report(ready=False, waiting_for=("its process",))
    try:
        return _asked(said.host, said.port)
    except (OSError, ValueError):  # it may end in the middle of its answer
        return Report(ready=False, waiting_for=("its health door",))


def got(host: str, port: int, path: str) -> bytes:
    """What a door answers; raises OSError or ValueError where it does not."""
    return ask_door(host, port, path, _ANSWER)[1]


def _asked(host: str, port: int) -> Report:
    said = json_object(got(host, port, "/health/ready"))
    return record(Report, {**said, "address": f"http://{f'[{host}]' if ':' in host else host}:{port}"})
