"""What each role must be allowed on a Kafka broker, and no more: the one place, for commands, Compose and tests."""

from collections.abc import Callable, Iterator

from config.settings import Bus
from consumers.bus.names import group_id, topics
from consumers.bus.rights import Operation, Resource, Right
from roles.table import GROUPS

RELAY = "relay"
#: The roles that speak to a broker.
SPEAKING = (RELAY, *(group.role for group in GROUPS.values()))


def user_of(role: str) -> str:
    """Whom a role is at the broker, where nobody says otherwise."""
    return f"dicom-node-{role}"


def rights(bus: Bus, user: Callable[[str], str] = user_of) -> Iterator[Right]:
    """Every right that a node with these settings needs; `user` says as whom a role logs in.

    The relay alone writes, and makes the topics; whoever handles events reads their topic, as the group of its role.
    """
    for topic in topics(bus).values():
        yield Right(user(RELAY), Resource.TOPIC, topic, Operation.WRITE)
        yield Right(user(RELAY), Resource.TOPIC, topic, Operation.CREATE)
    for name, group in GROUPS.items():
        yield Right(user(group.role), Resource.TOPIC, bus.topic, Operation.READ)
        yield Right(user(group.role), Resource.GROUP, group_id(bus, name), Operation.READ)
