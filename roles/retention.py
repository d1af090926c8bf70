"""The settings of retention as the rule has them, and what of the node's own table it has to know."""

from config.settings import Settings
from consumers.bus.relay import READER
from consumers.steps.remove import Groups
from domain.retention import Policy, What
from roles.table import GROUPS


def policy(settings: Settings) -> Policy:
    """What goes when."""
    given = settings.retention
    days = {
        What.IMAGES: given.images_days,
        What.MAPS: given.maps_days,
        What.RESULTS: given.results_days,
        What.QUARANTINE: given.quarantine_days,
        What.OUTBOX: given.outbox_days,
        What.INBOX: given.inbox_days,
        What.ASSOCIATIONS: given.associations_days,
        What.COMMITMENTS: given.associations_days,
        What.DEAD_LETTERS: given.dead_letters_days,
        What.REQUESTS: given.requests_days,
    }
    until = given.until_free or given.keep_free + given.keep_free // 4
    return Policy({what: age for what, age in days.items() if age is not None}, given.keep_free, until)


def groups(settings: Settings) -> Groups:
    """Who handles which event, and who has to be past it before it goes."""
    handled = {event.value: name for name, group in GROUPS.items() for event in group.steps}
    return Groups(handled, {READER} if settings.bus.kafka else set(GROUPS))
