"""The door, put together: what `serve` calls once, at start."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter

from audit.trail import Ledger
from config.access import AccessSettings
from console.auth.door import PeoplesDoor
from console.auth.people import People
from console.auth.provider import Provider
from console.auth.router import auth_router
from console.auth.signing import Keyring, made_key
from domain.clock import Clock, SystemClock


@dataclass(frozen=True)
class Access:
    """`door` finds out who asks, `router` has the routes below /auth."""

    people: People
    door: PeoplesDoor
    router: APIRouter


def open_access(
    settings: AccessSettings, ledger: Ledger, data: Path, origin: str, clock: Clock | None = None
) -> Access:
    """The door of a node; makes the key that tokens are signed with where the data folder has none.

    `origin` is scheme, host and port by which browsers know the node. Raises ConfigurationError.
    """
    made_key(ledger, data)
    time = clock or SystemClock()
    people = People(ledger, settings, Keyring(data), origin.rstrip("/"), time)
    door = PeoplesDoor(people)
    provider = Provider(settings, time.monotonic) if settings.issuer else None
    return Access(people, door, auth_router(people, door, provider))
