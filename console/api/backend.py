"""What handlers of requests work with: the node's settings, database and objects, made once when the role starts."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from audit.trail import Ledger
from config.settings import Settings
from roles.health import Health
from store.objects import ObjectStore


@dataclass(frozen=True)
class Backend:
    """The node behind the API."""

    settings: Settings
    ledger: Ledger
    objects: ObjectStore
    health: Health


def backend_of(request: Request) -> Backend:
    """The node behind the application that was asked."""
    return cast(Backend, request.app.state.backend)
