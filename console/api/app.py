"""The application: its routers, its errors, its document; made by one function, at start."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from threading import BoundedSemaphore
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from console.api import problems
from console.api.access import Authenticator, Pace
from console.api.backend import Backend
from console.api.framing import Framing
from console.api.problems import Problem, ProblemError
from console.api.routes import ROUTERS
from console.api.routing import SECURITY, permission_of, refusals
from console.api.streams import AT_ONCE
from console.auth.headers import SecurityHeaders
from domain.errors import NodeError

ROOT = "/api/v1"
DOCUMENT = f"{ROOT}/openapi.json"
#: What may be asked without a log-in, and why: nothing of it tells of a study, a person or a setting.
OPEN = frozenset({"/health", "/problems/{kind}"})

_ABOUT = """What people and programs may see and change of the node.

Every request carries an API key or an access token as `Authorization: Bearer ...`, or the session's cookie. Errors are
problem details (RFC 9457) with a `type` that stays and a `detail` that says what to do. Lists come in pages: hand back
`next` as `cursor`. What changes something takes an `Idempotency-Key`, and an `If-Match` with the ETag of what was seen.
"""


def application(
    backend: Backend,
    authenticator: Authenticator,
    log_in: Sequence[APIRouter] = (),
    routers: Iterable[APIRouter] = ROUTERS,
) -> FastAPI:
    """The API on this node; `authenticator` knows who asks, `log_in` are its own routes."""
    app = FastAPI(
        title="dicom-node",
        version=version("dicom-node"),
        description=_ABOUT,
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # such an address is made of the Host that a stranger named
        lifespan=_bounded(backend.settings.console.threads),
    )
    app.state.backend, app.state.authenticator = backend, authenticator
    app.state.pace = Pace(backend.settings.console.requests_a_minute)
    app.state.turns = BoundedSemaphore(AT_ONCE)
    for kind in (ProblemError, NodeError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, problems.answering)
    for router in routers:
        app.include_router(router, prefix=ROOT)
    for router in log_in:
        app.include_router(router, responses=refusals(401, 403, 422, 429))
    for route in routes_of(routers):
        _refuse_open(route)
    app.add_middleware(Framing)
    app.add_middleware(SecurityHeaders, secure=backend.settings.console.url.startswith("https:"))
    app.openapi = _with_security(app)  # type: ignore[method-assign]
    return app


def routes_of(routers: Iterable[APIRouter] = ROUTERS) -> Iterator[APIRoute]:
    """Every route of the API, its path as below ROOT."""
    for router in routers:
        yield from (one for one in router.routes if isinstance(one, APIRoute))


def _refuse_open(route: APIRoute) -> None:
    if route.path not in OPEN and permission_of(route) is None:
        raise LookupError(f"{route.path} asks for no permission: it depends on one of allowed(Permission...)")


def _bounded(threads: int) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        yield

    return lifespan


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    """The schemas of a model and its parts, for answers that no route makes by itself."""
    said = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**said.pop("$defs", {}), model.__name__: said}


def _with_security(app: FastAPI) -> Any:
    made = app.openapi

    def document() -> dict[str, Any]:
        said = made()
        parts = said.setdefault("components", {})
        parts["securitySchemes"] = SECURITY
        parts["schemas"] |= _schemas(Problem)
        return said

    return document
