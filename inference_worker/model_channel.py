"""What the parent and the model process say to each other: lines of JSON, images handed over open beside them.

The parent believes nothing of it: a line has a longest length, what is none ends the child, and while the parent waits
it watches what the child writes.
"""

import json
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from domain.errors import (
    ConfigurationError,
    IntegrityError,
    NodeError,
    NotSuitable,
    Permanent,
    Retryable,
    UnusableInput,
)
from domain.json_records import Json, JsonObject, json_object
from domain.visible import visible
from inference_worker.handed_files import send_files
from inference_worker.model_messages import Request, Start, Trial
from inference_worker.scratch import Scratch

_log = logging.getLogger(__name__)

# Bytes of one answer at the most: its arrays go by files, and a thousand findings take less than a megabyte.
_LONGEST = 64 * 1024**2

# What a child may say that went wrong. Others are its parent's: one that says "unavailable" would be waited for always.
_ERRORS: Mapping[str, type[NodeError]] = {
    kind.__name__: kind
    for kind in (Retryable, Permanent, UnusableInput, NotSuitable, ConfigurationError, IntegrityError)
}
_LINES, _LETTERS = 200, 500  # of what it says of a defect at the most
_SENTENCE = 10_000  # letters of an error's message

# Seconds between looks at what lies in the scratch folder, while an answer is awaited.
_LOOKS = 0.5


class Stopped(OSError):
    """The child did what it may not, and is to be killed."""


class ModelChannel:
    """The parent's end of the socket. `scratch` is the child's own folder.

    Every call ends at `deadline` (of time.monotonic) with TimeoutError, and raises EOFError or OSError where the child
    is gone, Stopped where it is to be.
    """

    def __init__(self, connected: socket.socket, scratch: Scratch) -> None:
        self._socket = connected
        self._scratch = scratch
        self._received = bytearray()

    def send(self, message: Start | Request | Trial, deadline: float) -> None:
        """Send `message`, a request's files open, with the place of each task's results in the child's own folder."""
        self._socket.settimeout(_left(deadline))
        if isinstance(message, Request):
            message = _placed(send_files(self._socket, message), self._scratch)
        self._socket.sendall(json.dumps(message.to_json()).encode() + b"\n")

    def receive(self, deadline: float) -> dict[str, Json]:
        """The next line. What came behind it is kept: replies to a request may arrive together."""
        while b"\n" not in self._received:
            part = self._part(deadline)
            if not part:
                raise EOFError
            self._received += part
            if len(self._received) > _LONGEST:
                raise OSError("the answer has no end")
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        try:
            return json_object(line)
        except (ValueError, RecursionError) as error:
            raise Stopped("the model process sent what is no message") from error

    def close(self) -> None:
        """Close it, at which the child ends by itself."""
        self._socket.close()

    def _part(self, deadline: float) -> bytes:
        """What the child says next. Meanwhile its scratch folder is watched."""
        while True:
            self._socket.settimeout(min(_left(deadline), _LOOKS))
            try:
                return self._socket.recv(1 << 20)
            except TimeoutError:
                if self._scratch.overfull():
                    most = self._scratch.room / 1e9
                    raise Stopped(f"the model process wrote more than {most:g} GB of temporary files") from None


def raised(reply: JsonObject) -> NodeError:
    """The error that the child reported, as the same class of domain.errors. Where it met a defect is logged."""
    kind = _ERRORS.get(str(reply["error"]), Retryable)
    trace = [visible(line[:_LETTERS]) for line in str(reply.get("trace") or "").split("\n")[:_LINES]]
    if trace != [""]:
        _log.error("the model failed\n%s", "\n".join(trace))
    return kind(*str(reply.get("message"))[:_SENTENCE].split("\n"))


def _placed(request: Request, scratch: Scratch) -> Request:
    """`request` with the place of each task's results in the child's own folder."""
    tasks = (replace(task, scratch=str(scratch.result(Path(task.scratch).name))) for task in request.tasks)
    return replace(request, tasks=tuple(tasks))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
