"""A subject's routes: each says in the document which permission its callers need."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from console.api.access import Allowed
from console.api.problems import MEDIA_TYPE
from domain.permissions import Permission

#: How a caller says who they are.
SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key, or an access token of /auth"},
    "session": {"type": "apiKey", "in": "cookie", "name": "dicom_node_session", "description": "a browser"},
}


_REFUSED: Mapping[int, str] = {
    401: "not logged in",
    403: "not permitted",
    404: "not there",
    409: "not as it stands",
    412: "changed meanwhile",
    413: "too large",
    422: "not understood",
    429: "asked too often",
    503: "a server is away",
}
_OF_ALL = (401, 403, 404, 422, 429, 503)
_OF_CHANGES = (409, 412, 413)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may refuse besides, for the document."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {one: {"description": _REFUSED[one], "content": {MEDIA_TYPE: schema}} for one in statuses}


class _Route(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        changes = set(given.get("methods") or ()) - {"GET", "HEAD"}
        said = refusals(*_OF_ALL, *(_OF_CHANGES if changes else ()))
        given["responses"] = {**said, **(given.get("responses") or {})}
        super().__init__(path, endpoint, **given)
        if needed := permission_of(self):
            self.description = f"{self.description}\n\nNeeds `{needed.value}`.".strip()
            security: list[dict[str, list[str]]] = [{name: []} for name in SECURITY]
            self.openapi_extra = {"security": security, "x-permission": needed.value, **(self.openapi_extra or {})}


def subject(name: str) -> APIRouter:
    """The router of a subject: its routes lie below /NAME."""
    return APIRouter(prefix=f"/{name}", tags=[name], route_class=_Route)


def permission_of(route: APIRoute) -> Permission | None:
    """What the callers of a route need; None where it asks for nothing, or for several."""
    needed = [one.call.permission for one in route.dependant.dependencies if isinstance(one.call, Allowed)]
    return needed[0] if len(needed) == 1 else None
