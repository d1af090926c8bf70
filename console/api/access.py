"""Who asks, and whether they may: one dependency for every route, which refuses and records what it refuses."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, cast

from fastapi import Request

from audit.actions import Action
from audit.trail import Ledger
from config.settings import Settings
from console.api.backend import Backend, backend_of
from console.api.problems import Kind, ProblemError, too_many
from domain.permissions import Permission, Principal
from store.database import Database

_REMEMBERED = 10_000  # users and keys whose pace is known at once


class Authenticator(Protocol):
    """Finds out who asks. What it raises is a ProblemError, or is told to the application as one."""

    def principal(self, request: Request) -> Principal:
        """Whoever sent the request."""
        ...


class Pace:
    """How often each user or key asks: so many requests a minute, as many at once (a token bucket)."""

    def __init__(self, a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = float(a_minute)
        self._now = now
        self._lock = Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Seconds until this request may be; 0 where it may be now, and then it counts."""
        with self._lock:
            now = self._now()
            left, at = self._left.pop(name, (self._most, now))
            left = min(self._most, left + (now - at) * self._most / 60)
            wait = 0.0 if left >= 1 else (1 - left) * 60 / self._most
            self._left[name] = (left if wait else left - 1, now)
            if len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)
            return wait


@dataclass(frozen=True)
class Asking:
    """A request whose sender may make it: who, and the node as they work on it.

    Each entry that `ledger` records tells of them and of the request.
    """

    request: Request
    principal: Principal
    backend: Backend

    @property
    def id(self) -> str:
        """The request's own id, as it stands in the answer, the log and the trail."""
        return str(self.request.state.request_id)

    @property
    def settings(self) -> Settings:
        """The node's settings."""
        return self.backend.settings

    @property
    def database(self) -> Database:
        """Where what they ask is read."""
        return self.backend.ledger.database

    @property
    def ledger(self) -> Ledger:
        """Where what they change or read is recorded."""
        caller = self.request.client
        return self.backend.ledger.on_behalf_of(self.principal.name, self.id, caller.host if caller else "")

    def may(self, wanted: Permission) -> bool:
        """Whether they may do that as well."""
        return self.principal.may(wanted)


class Allowed:
    """The dependency of a route: whoever asks is known and may do `permission`."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> Asking:
        state = request.app.state
        principal = cast(Authenticator, state.authenticator).principal(request)
        request.state.principal = principal
        if seconds := cast(Pace, state.pace).wait(principal.name):
            raise too_many(seconds)
        asking = Asking(request, principal, backend_of(request))
        if not principal.may(self.permission):
            asking.ledger.record(Action.REQUEST_REFUSED, permission=self.permission.value, what=route_of(request))
            raise ProblemError(Kind.NOT_PERMITTED, f"this needs {self.permission.value}, which you do not have")
        return asking


def allowed(permission: Permission) -> Allowed:
    """What a route depends on whose callers need `permission`."""
    return Allowed(permission)


def route_of(request: Request) -> str:
    """Method and path as the route has them, without what stands in for its parts."""
    route = request.scope.get("route")
    return f"{request.method} {getattr(route, 'path', '(no route)')}"
