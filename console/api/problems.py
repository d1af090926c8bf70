"""Errors as people and programs get them: problem details (RFC 9457), which say what to do and nothing of the inside.

A handler raises ProblemError, or lets a NodeError through: its sentence is for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.auth.refusals import LockedOut, NotLetIn, NotLoggedIn, ProviderAway, Unacceptable
from domain.errors import ConfigurationError, NodeError, Permanent, Retryable

MEDIA_TYPE = "application/problem+json"
#: Below it each kind is explained.
PLACE = "/api/v1/problems"
_AGAIN = 5  # s after which a server that is away may be there again


class Kind(StrEnum):
    """What is wrong, in a word that stays the same; programs tell problems apart by it."""

    NOT_LOGGED_IN = "not-logged-in"
    NOT_PERMITTED = "not-permitted"
    UNKNOWN = "unknown"
    NO_SUCH_METHOD = "no-such-method"
    NOT_NOW = "not-now"
    CHANGED = "changed"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "media-type"
    INVALID = "invalid"
    KEY_USED = "key-used"
    TOO_MANY = "too-many"
    DEFECT = "defect"
    PROVIDER = "provider"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Said:
    """The status of a kind, its title, and what to do about it."""

    status: int
    title: str
    remedy: str


SAID: Mapping[Kind, Said] = {
    Kind.NOT_LOGGED_IN: Said(401, "Not logged in", "Log in at /auth/login, or send an API key or token as Bearer."),
    Kind.NOT_PERMITTED: Said(403, "Not permitted", "Your role does not permit this: ask an administrator of the node."),
    Kind.UNKNOWN: Said(404, "Not there", "There is no such thing here, or none that you may see."),
    Kind.NO_SUCH_METHOD: Said(405, "No such method", "Use one of the methods that the answer's Allow names."),
    Kind.NOT_NOW: Said(409, "Not as it stands", "Look at the thing again; the detail says what stands in the way."),
    Kind.CHANGED: Said(412, "Changed meanwhile", "Read it again, and send the ETag that you get then as If-Match."),
    Kind.TOO_LARGE: Said(413, "Too large", "Send less: what a request may hold is 64 KiB."),
    Kind.MEDIA_TYPE: Said(415, "Other media type", "Send the body as application/json."),
    Kind.INVALID: Said(422, "Not understood", "Mend what the errors name; /api/v1/openapi.json says what is taken."),
    Kind.KEY_USED: Said(422, "Key used before", "Take another Idempotency-Key: this one was for another request."),
    Kind.TOO_MANY: Said(429, "Too many requests", "Wait for as long as Retry-After says."),
    Kind.DEFECT: Said(500, "A defect of the node", "Give its operator the instance: the log tells more under it."),
    Kind.PROVIDER: Said(502, "No provider", "Who knows the users does not answer: try again, or ask its operator."),
    Kind.UNAVAILABLE: Said(503, "Not available now", "A server that the node needs is away: ask again later."),
}


class Wrong(BaseModel):
    """One thing that is wrong with a request: where, and what; never the value."""

    where: str = Field(examples=["query.limit"])
    what: str = Field(examples=["Input should be less than or equal to 200"])


# How the people's door says no.
_OF_DOOR: Mapping[type[NodeError], Kind] = {
    NotLoggedIn: Kind.NOT_LOGGED_IN,
    NotLetIn: Kind.NOT_PERMITTED,
    LockedOut: Kind.TOO_MANY,
    Unacceptable: Kind.INVALID,
    ProviderAway: Kind.PROVIDER,
}


class Problem(BaseModel):
    """What is wrong, and what to do (RFC 9457)."""

    type: str = Field(description="the kind; its address explains it", examples=[f"{PLACE}/unknown"])
    title: str = Field(examples=["Not there"])
    status: int = Field(examples=[404])
    detail: str = Field(
        description="what is wrong this time, and what to do", examples=["there is no study 3f2a... that you may see"]
    )
    instance: str = Field(
        description="this very request, as the log and the trail name it",
        examples=["urn:uuid:6c1d7d2e-54d0-4d5f-8a0c-0f2c56c1c9a4"],
    )
    errors: list[Wrong] = Field(default=[], description="what is wrong with the request, each thing by itself")


class ProblemError(Exception):
    """Ends a request with a problem of this kind; `detail` is for whoever asks."""

    def __init__(self, kind: Kind, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.detail = detail or SAID[kind].remedy
        self.headers = dict(headers or {})


def too_many(seconds: float, detail: str = "") -> ProblemError:
    """Asked too often: again in `seconds`."""
    return ProblemError(Kind.TOO_MANY, detail, {"Retry-After": str(max(1, round(seconds)))})


def response(
    request_id: str,
    kind: Kind,
    detail: str = "",
    headers: Mapping[str, str] | None = None,
    errors: list[Wrong] | None = None,
) -> Response:
    """The answer of a problem."""
    said = SAID[kind]
    problem = Problem(
        type=f"{PLACE}/{kind.value}",
        title=said.title,
        status=said.status,
        detail=detail or said.remedy,
        instance=f"urn:uuid:{request_id}",
        errors=errors or [],
    )
    body = problem.model_dump(mode="json", exclude=set() if errors else {"errors"})
    return JSONResponse(body, said.status, dict(headers or {}), MEDIA_TYPE)


def of(request_id: str, error: Exception) -> Response:
    """The answer to what a request ended with; what is not known here is a defect."""
    if isinstance(error, ProblemError):
        return response(request_id, error.kind, error.detail, error.headers)
    if isinstance(error, RequestValidationError):
        return response(request_id, Kind.INVALID, errors=[_wrong(one) for one in error.errors()])
    if isinstance(error, HTTPException):
        return _of_framework(request_id, error)
    return _of_node(request_id, error)


def answering(request: Request, error: Exception) -> Response:
    """`of`, as the framework calls it."""
    return of(request.state.request_id, error)


def _of_node(request_id: str, error: Exception) -> Response:
    for refusal, kind in _OF_DOOR.items():
        if isinstance(error, refusal):
            return response(request_id, kind, error.sentence, _headers(error))
    if isinstance(error, Retryable):
        # What a server said of itself is for the log.
        return response(request_id, Kind.UNAVAILABLE, headers={"Retry-After": str(_AGAIN)})
    if isinstance(error, Permanent) and not isinstance(error, ConfigurationError):
        return response(request_id, Kind.NOT_NOW, error.sentence)
    return response(request_id, Kind.DEFECT)


def _headers(error: NodeError) -> Mapping[str, str]:
    if isinstance(error, LockedOut):
        return {"Retry-After": str(error.retry_after)}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, NotLoggedIn) else {}


def _of_framework(request_id: str, error: HTTPException) -> Response:
    kinds = {404: Kind.UNKNOWN, 405: Kind.NO_SUCH_METHOD, 413: Kind.TOO_LARGE, 415: Kind.MEDIA_TYPE}
    kind = kinds.get(error.status_code, Kind.INVALID if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else None)
    return response(request_id, kind or Kind.DEFECT, headers=error.headers)


def _wrong(error: Mapping[str, object]) -> Wrong:
    """Without the value: it may be a patient's."""
    where = error.get("loc")
    named = ".".join(map(str, where)) if isinstance(where, list | tuple) else ""
    return Wrong(where=named, what=str(error.get("msg", "")))
