"""Who may do what at the node's own door: one table of roles and permissions, for the API, the pages and the documents.

Least privilege (NIST SP 800-53 AC-6): a role has what its work needs. Who keeps users cannot read findings, and who
reads the trail can change nothing; a person who does two works has two roles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What somebody may be allowed to do; the words are those of an API key's scopes."""

    STUDIES_READ = "studies:read"
    STUDIES_CHANGE = "studies:change"
    RESULTS_READ = "results:read"
    MODELS_READ = "models:read"
    DESTINATIONS_READ = "destinations:read"
    DESTINATIONS_PROBE = "destinations:probe"
    QUEUES_READ = "queues:read"
    QUEUES_CHANGE = "queues:change"
    DEAD_LETTERS_READ = "dead-letters:read"
    DEAD_LETTERS_CHANGE = "dead-letters:change"
    FIGURES_READ = "figures:read"
    AUDIT_READ = "audit:read"
    AUDIT_EXPORT = "audit:export"
    USERS_READ = "users:read"
    USERS_CHANGE = "users:change"
    KEYS_READ = "keys:read"
    KEYS_CHANGE = "keys:change"
    SETTINGS_READ = "settings:read"


class UserRole(StrEnum):
    """What a person, or a program, is at this node."""

    RADIOLOGIST = "radiologist"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    SERVICE = "service"


_OPERATED = frozenset(
    {
        Permission.STUDIES_READ,
        Permission.MODELS_READ,
        Permission.DESTINATIONS_READ,
        Permission.DESTINATIONS_PROBE,
        Permission.QUEUES_READ,
        Permission.FIGURES_READ,
    }
)

#: What each role may do. A service has of these what the scopes of its key name, and nothing by itself.
PERMITTED: Mapping[UserRole, frozenset[Permission]] = {
    UserRole.RADIOLOGIST: frozenset({Permission.STUDIES_READ, Permission.RESULTS_READ, Permission.MODELS_READ}),
    UserRole.OPERATOR: _OPERATED
    | {
        Permission.STUDIES_CHANGE,
        Permission.QUEUES_CHANGE,
        Permission.DEAD_LETTERS_READ,
        Permission.DEAD_LETTERS_CHANGE,
    },
    UserRole.ADMINISTRATOR: _OPERATED
    | {
        Permission.DEAD_LETTERS_READ,
        Permission.USERS_READ,
        Permission.USERS_CHANGE,
        Permission.KEYS_READ,
        Permission.KEYS_CHANGE,
        Permission.SETTINGS_READ,
    },
    UserRole.AUDITOR: frozenset({Permission.AUDIT_READ, Permission.AUDIT_EXPORT}),
    UserRole.SERVICE: _OPERATED | {Permission.STUDIES_CHANGE, Permission.RESULTS_READ},
}


@dataclass(frozen=True)
class Principal:
    """Who asks, as the door found it out.

    `name` is what the trail says of them. `scopes` bounds what their roles permit, None does not. `destinations` and
    `departments` bound the studies whose results they may see: those that go to one of the destinations, or came for
    one of the departments; where both are empty, they may see all.
    """

    name: str
    roles: frozenset[UserRole]
    scopes: frozenset[Permission] | None = None
    destinations: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()

    @property
    def permissions(self) -> frozenset[Permission]:
        """All that they may do; a service without scopes nothing."""
        roles = self.roles - {UserRole.SERVICE} if self.scopes is None else self.roles
        of_roles = frozenset[Permission]().union(*(PERMITTED[role] for role in roles))
        return of_roles if self.scopes is None else of_roles & self.scopes

    def may(self, wanted: Permission) -> bool:
        """Whether they may do it."""
        return wanted in self.permissions
