"""What waits for each model and destination of the node."""

from collections.abc import Collection, Sequence
from contextlib import suppress

from config.settings import Settings
from console.actions.pausing import names, was_used
from domain.errors import ConfigurationError
from domain.pauses import Held
from store.database import Database
from store.queries.queues import QueueRecord, queues
from store.queries.studies import Bound


def all_queues(source: Database, settings: Settings, seen_by: Bound | None = None) -> Sequence[QueueRecord]:
    """Those of the node's models and destinations, and of former ones for which something waits."""
    return [one for kind in Held for one in queues(source, kind, sorted(_names(settings, kind)), seen_by)]


def one_queue(
    source: Database, settings: Settings, kind: Held, name: str, seen_by: Bound | None = None
) -> QueueRecord | None:
    """The queue of this name; None where the node neither has nor had such a one."""
    found = queues(source, kind, sorted(_names(settings, kind)), seen_by)
    known = next((one for one in found if one.name == name), None)
    if known is None and was_used(source, kind, name):
        return next(one for one in queues(source, kind, [name], seen_by) if one.name == name)
    return known


def _names(settings: Settings, kind: Held) -> Collection[str]:
    """Of packages that cannot be read nothing is known but what waits for them."""
    with suppress(ConfigurationError):
        return names(settings, kind)
    return ()
