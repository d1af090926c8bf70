"""What a process does about a trail that could be altered: it does not start, unless the settings say that it may."""

import logging
from collections.abc import Sequence

from config.settings import Settings
from domain.errors import ConfigurationError
from store.database import Database
from store.trail_guards import Fault, faults

_log = logging.getLogger(__name__)
_ALL_THE_SAME = "to start all the same: database.trail_may_be_altered = true, which the trail will say"


def refuse_alterable(database: Database, settings: Settings) -> Sequence[Fault]:
    """What is known to be wrong where the settings let the node start all the same; as a rule nothing.

    Raises ConfigurationError with what to do where the login could alter the trail, or what guards it is not as the
    schema has it; Unavailable where the server does not answer.
    """
    with database.transaction() as connection:
        found = faults(connection)
    if found and not settings.database.trail_may_be_altered:
        raise ConfigurationError("the audit trail could be altered", *map(str, found), _ALL_THE_SAME)
    for one in found:
        _log.warning("the audit trail could be altered: %s", one)
    return found
