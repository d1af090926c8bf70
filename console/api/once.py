"""What changes something is done once for each Idempotency-Key, and told again to whoever asks again."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from console.api.access import Asking
from console.api.answers import JSON, encoded
from console.api.problems import Kind, ProblemError
from domain.json_records import JsonObject
from store import once
from store.database import Database

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="a word of the caller's own: the same request with the same key within 24 h is not done again, "
        "and is answered alike",
        examples=["9f0c1a5e-retry-1"],
    ),
]


def done_once(
    asking: Asking,
    key: str | None,
    do: Callable[[], JsonObject],
    body: BaseModel | None = None,
    status: int = 200,
    shown_once: str = "",
) -> Response:
    """What `do` gives, as the answer; where `key` was used for this very request before, what was answered then.

    `shown_once` names a secret of the answer: it is kept nowhere, and null where it is asked for again.

    Raises ProblemError where the key was used for another request, or where that one is still being done.
    """
    if key is None:
        return Response(encoded(do()), status, media_type=JSON)
    own, asked = _digest(asking.principal.name, key), _request(asking, body)
    with asking.database.transaction() as connection:
        before = once.claim(connection, own, asked, datetime.now(UTC))
    return _done(asking.database, own, do, status, shown_once) if before is None else _again(before, asked)


def _done(database: Database, own: bytes, do: Callable[[], JsonObject], status: int, shown_once: str) -> Response:
    try:
        made = do()
        said = encoded(made)
        kept = encoded({**made, shown_once: None}) if shown_once else said
    except BaseException:
        with database.transaction() as connection:
            once.give_back(connection, own)
        raise
    with database.transaction() as connection:
        once.keep(connection, own, status, kept.decode())
    return Response(said, status, media_type=JSON)


def _again(before: once.Asked, asked: bytes) -> Response:
    if before.request != asked:
        raise ProblemError(Kind.KEY_USED)
    if before.status is None:
        raise ProblemError(Kind.NOT_NOW, "this very request is being done: ask again in a moment", {"Retry-After": "2"})
    return Response(before.answer, before.status, {"Idempotency-Replayed": "true"}, JSON)


def _request(asking: Asking, body: BaseModel | None) -> bytes:
    request = asking.request
    said = body.model_dump(mode="json") if body is not None else None
    return _digest(request.method, request.url.path, json.dumps(said, sort_keys=True))


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()
