"""What a process that runs models prints: it never writes to the node's log or to a terminal, its parent reads it.

A package's code may print what it likes: escape sequences, records that look like the node's own, more than a disk
holds. So each line becomes the word of one of the node's own records, made visible and cut, so many of them a minute.
And libraries print what they were given: once a process has been handed images, their headers with them, none of its
words is shown, and lines are counted alone.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from domain.visible import visible

_log = logging.getLogger(__name__)

LONGEST = 1000  # letters of a line
MOST = 200  # lines a minute
_MINUTE = 60.0
_PART = 1 << 16


class Printed:
    """Reads what is written to `writable`, which a child gets as its standard output and error, until it ends."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._read, self.writable = os.pipe()
        self._now = now
        self._line = bytearray()
        self._since, self._shown, self._left_out = now(), 0, 0
        self._concealed, self._said_so, self.pid = False, False, 0
        self._thread = threading.Thread(target=self._follow, name="printed", daemon=True)

    def follow(self, pid: int) -> None:
        """The child of this number has begun."""
        self.pid = pid
        os.close(self.writable)
        self.writable = -1
        self._thread.start()

    def conceal(self) -> None:
        """Images are handed over: from now on nothing is shown."""
        self._concealed = True

    def end(self, seconds: float) -> None:
        """Wait until all is read, so many seconds at the most: at once where the child has ended."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.writable >= 0:  # no child has begun
            os.close(self.writable)
            os.close(self._read)

    def _follow(self) -> None:
        with contextlib.suppress(OSError), os.fdopen(self._read, "rb", buffering=0) as pipe:
            while part := pipe.read(_PART):
                self._take(part)
        if self._line:
            self._take(b"\n")
        self._tell_left_out()

    def _take(self, part: bytes) -> None:
        if self._now() - self._since >= _MINUTE:
            self._tell_left_out()
            self._since, self._shown = self._now(), 0
        while part and self._shown < MOST and not self._concealed:
            line, end, part = part.partition(b"\n")
            self._keep(line)
            if end:
                self._show()
        if part:  # counted at once, however many they are
            self._left_out += part.count(b"\n")
            self._line.clear()
            self._keep(part.rpartition(b"\n")[2])
            self._tell_concealed()

    def _keep(self, more: bytes) -> None:
        """Of a line what may be shown of it, and a letter more."""
        self._line += more[: max(0, 4 * (LONGEST + 1) - len(self._line))]

    def _show(self) -> None:
        text = self._line.decode("utf-8", "replace").rstrip("\r")
        self._line.clear()
        if text.strip():
            self._shown += 1
            cut = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
            _log.warning("a model process prints", extra={"child": self.pid, "words": visible(cut)})

    def _tell_concealed(self) -> None:
        if self._concealed and not self._said_so:
            self._said_so = True
            said = "a model process prints; its words are not shown, for it has images"
            _log.warning(said, extra={"child": self.pid})

    def _tell_left_out(self) -> None:
        if self._left_out:
            said = {"child": self.pid, "lines": self._left_out}
            _log.warning("lines that a model process printed are left out", extra=said)
            self._left_out = 0
