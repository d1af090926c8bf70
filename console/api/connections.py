"""Connections of the API: a request is whole within its time, and where all places are taken the one that waits goes.

The server's own time-out counts between two requests alone: without this, connections that send half a request and
nothing more would hold every place for ever.
"""

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.h11_impl import H11Protocol

# States of the other side, by the names that the codec gives them, in which more of a request is to come.
_AWAITED = frozenset({"IDLE", "SEND_BODY"})


class BoundedConnection(H11Protocol):
    """One connection, which is cut where its next request is not whole in time."""

    #: Seconds in which a request has come, head and body: 64 KiB at most.
    whole = 30.0

    def __init__(self, *given: object, **more: object) -> None:
        super().__init__(*given, **more)  # type: ignore[arg-type]
        self._late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """It waits from now on; the one that has waited longest goes where no place is left."""
        super().connection_made(transport)
        self._look()
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Part of a request, or all of it."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """It waits again, for another request."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for."""
        super().connection_lost(exc)
        self._stop_waiting()

    @property
    def waits_until(self) -> float | None:
        """When it is cut, by the loop's clock; None while a request of it is being answered."""
        return self._late.when() if self._late else None

    def cut(self) -> None:
        """End it at once, and give its place to another."""
        self._stop_waiting()
        self.connections.discard(self)
        self.transport.abort()

    def _look(self) -> None:
        """A request that has begun gets no more time for each byte of it."""
        if self.transport.is_closing() or repr(self.conn.their_state) not in _AWAITED:
            self._stop_waiting()
        elif self._late is None:
            self._late = self.loop.call_later(self.whole, self.cut)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _make_room(self) -> None:
        others = (one for one in self.connections if isinstance(one, BoundedConnection) and one is not self)
        waiting = [(one.waits_until, one) for one in others if one.waits_until is not None]
        if waiting:
            min(waiting, key=lambda pair: pair[0])[1].cut()
