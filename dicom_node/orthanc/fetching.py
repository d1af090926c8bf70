"""Several instances of an Orthanc at once, in order and bounded."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue

from config.peers import Source
from dicom_node.dimse import Status
from dicom_node.orthanc.line import Line, Rules, Taken
from dicom_node.orthanc.rest import NotNow
from dicom_node.spool import Close, SpoolWriter
from domain.stopping import Stopped

_LINES = 4


class Fetcher:
    """Fetches from one source, over four connections. Made and used by one thread; `alive` is called while it works."""

    def __init__(
        self,
        source: Source,
        writer: SpoolWriter,
        rules: Rules,
        stop: threading.Event,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._stop = stop
        self._alive = alive
        self._lines = [Line(source, writer, rules, self._sign) for _ in range(_LINES)]
        self._idle: SimpleQueue[Line] = SimpleQueue()
        for line in self._lines:
            self._idle.put(line)
        self._pool = ThreadPoolExecutor(_LINES, f"fetch {source.name}")

    def each(self, instances: Sequence[str]) -> Iterator[tuple[str, Taken | NotNow]]:
        """What became of each of these, in their order; what is STORED is durable.

        Raises Retryable where the source is away or the spool takes nothing, Stopped when told to stop.
        """
        futures = [self._pool.submit(self._taken, instance) for instance in instances]
        try:
            for instance, future in zip(instances, futures, strict=True):
                yield instance, future.result()
        finally:
            for future in futures:
                future.cancel()
            wait(futures)

    def give_up(self, reason: str) -> Taken:
        """Record that one will not come, and why."""
        return self._lines[0].refuse(Status.CANNOT_UNDERSTAND, reason)

    def end(self, how: Close, reason: str = "") -> None:
        """Nothing more comes for now."""
        for line in self._lines:
            line.end(how, reason)

    def close(self) -> None:
        """The node stops."""
        self._pool.shutdown()
        self.end(Close.ABORTED_BY_US, "the node stops")

    def _taken(self, instance: str) -> Taken | NotNow:
        self._sign()
        line = self._idle.get()
        try:
            return line.take(instance)
        except NotNow as error:
            return error
        finally:
            self._idle.put(line)

    def _sign(self) -> None:
        if self._stop.is_set():
            raise Stopped("told to stop while instances are fetched")
        self._alive()
