"""Who may come in at the people's door: users, their sessions, keys of programs; as values, without a secret."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.permissions import Permission, Principal, UserRole

#: The source of users whom the node knows by a password; any other source is the issuer of a provider (OpenID Connect).
LOCAL = "local"


class SessionKind(StrEnum):
    """What carries a session: a browser's cookie, or the tokens of a program."""

    BROWSER = "browser"
    PROGRAM = "program"


@dataclass(frozen=True)
class Bounds:
    """To whose results somebody is bound: studies that go to a destination, or came for a department; empty: all."""

    destinations: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()


@dataclass(frozen=True)
class User:
    """A person. `source` is LOCAL or a provider's issuer, `subject` what that provider calls them for ever ("" of a
    local one); `invited_until` is when a one-time token to set a password ends, where one is open."""

    id: UUID
    name: str
    source: str
    subject: str
    roles: frozenset[UserRole]
    bounds: Bounds
    made_at: datetime
    password_set_at: datetime | None = None
    disabled_at: datetime | None = None
    invited_until: datetime | None = None

    @property
    def principal(self) -> Principal:
        """Who they are at the node's door."""
        return Principal(
            self.name, self.roles, destinations=self.bounds.destinations, departments=self.bounds.departments
        )


@dataclass(frozen=True)
class Session:
    """One log-in of a user: used last at `used_at`, over at `until` at the latest, `ended_at` where it ended before."""

    id: UUID
    user: UUID
    kind: SessionKind
    begun_at: datetime
    used_at: datetime
    until: datetime
    ended_at: datetime | None = None
    ended_for: str = ""


@dataclass(frozen=True)
class ApiKey:
    """A program's key: what it may do, and until when (None: until it is revoked). The key itself is nowhere."""

    id: UUID
    name: str
    scopes: frozenset[Permission]
    bounds: Bounds
    made_at: datetime
    made_by: str
    until: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def principal(self) -> Principal:
        """Who it is at the node's door."""
        return Principal(
            f"key {self.name}",
            frozenset({UserRole.SERVICE}),
            self.scopes,
            self.bounds.destinations,
            self.bounds.departments,
        )
