"""Answers that are too long to be held: sent as they are made, and ended where nobody waits for them any more."""

from collections.abc import Generator, Mapping
from contextlib import closing
from itertools import chain

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from console.api.problems import too_many

#: Readings of the whole trail at once, whoever asks: each takes a thread, and a processor's time from all others.
AT_ONCE = 2
_AGAIN = 30  # s
_BLOCK = 64 << 10

Pieces = Generator[bytes, None, None]


class Stream(StreamingResponse):
    """The pieces, the first of which is made at once: what goes wrong until then is answered as a problem.

    They are closed in every case, in a thread: what ends them may be recorded.
    """

    def __init__(self, pieces: Pieces, media_type: str, headers: Mapping[str, str] | None = None) -> None:
        self._pieces = pieces
        first = next(pieces, b"")
        super().__init__(chain((first,), pieces), headers=dict(headers or {}), media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._pieces.close)


def in_turn(request: Request, pieces: Pieces) -> Pieces:
    """The same pieces; raises ProblemError at the first where too many are at such work already."""
    turns = request.app.state.turns
    if not turns.acquire(blocking=False):
        raise too_many(_AGAIN, "the trail is being read as often at once as it can be: wait until one has ended")
    try:
        yield from pieces
    finally:
        pieces.close()
        turns.release()


def in_blocks(lines: Pieces) -> Pieces:
    """The same bytes in pieces that are worth sending."""
    waiting: list[bytes] = []
    size = 0
    with closing(lines):
        for line in lines:
            waiting.append(line)
            size += len(line)
            if size >= _BLOCK:
                yield b"".join(waiting)
                waiting, size = [], 0
    yield b"".join(waiting)
