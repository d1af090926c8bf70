"""What the node's topics and groups are called on a broker."""

from collections.abc import Mapping

from config.settings import Bus as Settings
from store.unit_of_work import DEAD_LETTERS_TOPIC, EVENTS_TOPIC

_OWN_EVENTS = ".events"  # the end of a topic's name that a group's does without


def topics(settings: Settings) -> Mapping[str, str]:
    """The broker's name of each of the node's topics."""
    return {EVENTS_TOPIC: settings.topic, DEAD_LETTERS_TOPIC: settings.dead_letters}


def group_id(settings: Settings, group: str) -> str:
    """The broker's name of a group: two nodes on one broker are not to wait for each other's members."""
    return f"{settings.topic.removesuffix(_OWN_EVENTS)}.{group}"
