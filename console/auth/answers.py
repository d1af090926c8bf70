"""Refusals of the door as problem details (RFC 9457)."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from console.auth.refusals import LockedOut, NotLetIn, NotLoggedIn, ProviderAway, Unacceptable

_REFUSALS = (NotLoggedIn, NotLetIn, LockedOut, Unacceptable, ProviderAway)
_TITLES = {
    401: "Not logged in",
    403: "Not permitted",
    422: "Not acceptable",
    429: "Too many requests",
    502: "No provider",
}


def install(app: FastAPI) -> None:
    """Have the application answer them."""
    for kind in _REFUSALS:
        app.add_exception_handler(kind, _answered)


def _answered(_request: Request, error: Exception) -> Response:
    assert isinstance(error, _REFUSALS)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotLoggedIn) else {}
    if isinstance(error, LockedOut):
        headers = {"Retry-After": str(error.retry_after)}
    said = {"type": "about:blank", "title": _TITLES[error.status], "status": error.status, "detail": error.sentence}
    return JSONResponse(said, error.status, headers, "application/problem+json")
