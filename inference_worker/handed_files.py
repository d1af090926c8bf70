"""Images on their way to the process that runs models: it opens none, it is handed them open (unix(7), SCM_RIGHTS).

So it needs no right to read where images lie, and has those of its task and no others. Descriptors go before the line
of JSON that counts them, on bytes of white space, in the order of its tasks, of the names of each and of their files.
"""

import array
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from domain.errors import Retryable
from inference_worker.model_messages import Request, SentTask

# The kernel passes 253 at once.
_AT_ONCE = 200
_LINE = 1 << 16


def send_files(channel: socket.socket, request: Request) -> Request:
    """Hand over the files of the tasks in `request`; what to send then: it with what each has been handed.

    Of a task one of whose files cannot be opened, it says that sentence in place of the others.
    """
    tasks = tuple(_handed(channel, task) for task in request.tasks)
    return Request(tasks, _handed(channel, request.next) if request.next else None)


def _handed(channel: socket.socket, task: SentTask) -> SentTask:
    """The task with the count of files that were `handed` over, and why no more were: `unopened`."""
    opened: list[int] = []
    handed = 0
    try:
        for k, (path, of) in enumerate(_paths(task)):
            try:
                opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                return replace(task, handed=handed, unopened=f"file {of} cannot be opened: {error.strerror}")
            if len(opened) == _AT_ONCE or k + 1 == sum(map(len, task.files.values())):
                _send(channel, opened)
                handed += len(opened)
                _close(opened)
        return replace(task, handed=handed)
    finally:
        _close(opened)


def _paths(task: SentTask) -> Iterator[tuple[str, str]]:
    for paths in task.files.values():
        for k, path in enumerate(paths, 1):
            yield path, f"{k} of {len(paths)}"


def _send(channel: socket.socket, descriptors: Sequence[int]) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    channel.sendmsg([b" "], rights)


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


class Inbox:
    """The other end: lines, and the files that came before each."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._text = bytearray()
        self._files: list[int] = []

    def __iter__(self) -> Iterator[str]:
        """Each line, until the channel is closed."""
        while (line := self.line()) is not None:
            yield line

    def line(self) -> str | None:
        """The next line; None where the channel is closed."""
        while b"\n" not in self._text:
            part, files, _, _ = socket.recv_fds(self._channel, _LINE, _AT_ONCE)
            self._files += files
            if not part:
                return None
            self._text += part
        line, _, rest = bytes(self._text).partition(b"\n")
        self._text = bytearray(rest)
        return line.decode()

    def files_of(self, task: SentTask) -> "HandedFiles":
        """The files of `task`, whose line was the last one; asked of each task in turn."""
        taken, self._files = self._files[: task.handed], self._files[task.handed :]
        return HandedFiles(task, taken)


class HandedFiles:
    """The files of one task, open, by the names of its inputs."""

    def __init__(self, task: SentTask, descriptors: Sequence[int]) -> None:
        self._files = [os.fdopen(one, "rb") for one in descriptors]
        self._names = {name: len(paths) for name, paths in task.files.items()}
        self._unopened = task.unopened

    def by_name(self) -> dict[str, list[BinaryIO]]:
        """The files of each input; raises Retryable where one could not be opened."""
        if self._unopened:
            raise Retryable(self._unopened)
        rest: list[BinaryIO] = list(self._files)
        found = {}
        for name, count in self._names.items():
            found[name], rest = rest[:count], rest[count:]
        return found

    def size(self) -> int:
        """Bytes of all of them."""
        return sum(os.fstat(one.fileno()).st_size for one in self._files)

    def close(self) -> None:
        """Let them go."""
        for one in self._files:
            one.close()
