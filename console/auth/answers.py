"""Refusals of the door as the problems that the API answers with (RFC 9457)."""

from collections.abc import Mapping

from fastapi import FastAPI, Request, Response

from console.api import problems
from console.api.problems import Kind
from console.auth.refusals import LockedOut, NotLetIn, NotLoggedIn, ProviderAway, Unacceptable
from domain.errors import NodeError

_KINDS: Mapping[type[NodeError], Kind] = {
    NotLoggedIn: Kind.NOT_LOGGED_IN,
    NotLetIn: Kind.NOT_PERMITTED,
    LockedOut: Kind.TOO_MANY,
    Unacceptable: Kind.INVALID,
    ProviderAway: Kind.UNAVAILABLE,
}


def install(app: FastAPI) -> None:
    """Have the application answer them."""
    for kind in _KINDS:
        app.add_exception_handler(kind, _answered)


def _answered(request: Request, error: Exception) -> Response:
    assert isinstance(error, NodeError)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotLoggedIn) else {}
    if isinstance(error, LockedOut):
        headers = {"Retry-After": str(error.retry_after)}
    return problems.response(request.state.request_id, _KINDS[type(error)], error.sentence, headers)
