"""Answers as they go out: JSON with its ETag; asked for again unchanged, they are told in one line (RFC 9110 13)."""

import hashlib
import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from console.api.problems import Kind, ProblemError
from domain.json_records import JsonObject

JSON = "application/json"


def encoded(content: JsonObject) -> bytes:
    """The bytes of an answer, the same for the same content."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def etag(body: bytes) -> str:
    """A strong ETag of these very bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def answer(
    request: Request,
    content: JsonObject | bytes,
    media_type: str = JSON,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """`content` with its ETag; 304 where the caller has it already."""
    body = content if isinstance(content, bytes) else encoded(content)
    tag = etag(body)
    said = {"ETag": tag, **(headers or {})}
    if request.method in ("GET", "HEAD") and has_it(request, tag):
        return Response(status_code=304, headers=said)
    return Response(body, status, said, media_type)


def refuse_changed(request: Request, content: JsonObject) -> None:
    """Raise ProblemError where the caller means another state of it than it has (If-Match)."""
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, etag(encoded(content))):
        raise ProblemError(Kind.CHANGED)


def has_it(request: Request, tag: str) -> bool:
    """Whether the caller has what this ETag names, and wants it only where it is another one by now."""
    return _names(request.headers.get("if-none-match"), tag, weak=True)


def _names(field: str | None, tag: str, *, weak: bool = False) -> bool:
    """Whether a field names this ETag; `weak` takes those that say the same by other bytes (W/)."""
    if field is None:
        return False
    named = [one.strip() for one in field.split(",")]
    if weak:
        named = [one.removeprefix("W/") for one in named]
    return "*" in named or tag in named
