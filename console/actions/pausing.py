"""What a person holds back for a while, a destination or a model, and lets go on."""

from collections.abc import Collection

from audit.trail import Ledger
from config.settings import Settings
from console.actions.known_packages import of_node
from console.actions.served import served
from consumers.steps.pause import pause as pausing
from consumers.steps.resume import resume as resuming
from domain.errors import ConfigurationError
from domain.pauses import Held, Pause
from models.installed import installed
from store.database import Database
from store.deliveries import is_known
from store.jobs import is_known_model


def names(settings: Settings, kind: Held) -> Collection[str]:
    """The destinations or models that the node has; raises ConfigurationError where its packages cannot be read."""
    return served(settings) if kind is Held.DESTINATION else {one.name for one in installed(of_node(settings))}


def was_used(source: Database, kind: Held, name: str) -> bool:
    """Whether anything was ever to go to a destination of this name, or to be read by a model."""
    with source.transaction() as connection:
        return is_known(connection, name) if kind is Held.DESTINATION else is_known_model(connection, name)


def pause(ledger: Ledger, settings: Settings, kind: Held, name: str, reason: str, user: str) -> None:
    """Hold it back until `resume`.

    Raises ConfigurationError where the node neither has nor had such a one, Permanent where it is paused already.
    """
    known = names(settings, kind)
    if name not in known and not was_used(ledger.database, kind, name):
        raise ConfigurationError(f"there is no {kind} {name!r}; known are {', '.join(sorted(known)) or 'none'}")
    pausing(ledger, kind, name, reason, user)


def resume(ledger: Ledger, kind: Held, name: str, user: str) -> Pause:
    """Let it go on; the pause that ended. Raises Permanent where it was not paused."""
    return resuming(ledger, kind, name, user)
