"""A subject's routes: each says in the document which permission its callers need."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from console.api.access import Allowed
from domain.permissions import Permission

#: How a caller says who they are.
SECURITY: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key, or an access token of /auth"},
    "session": {"type": "apiKey", "in": "cookie", "name": "session", "description": "the session of a browser"},
}


class _Route(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
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
