"""Whether a message is what it says. The outbox knows what the node announced; a message only points to a row of it."""

from consumers.bus.protocol import Message
from domain.errors import Permanent, Unfounded
from domain.events import Event
from store import outbox
from store.database import Connection


def announced(connection: Connection, message: Message) -> Event:
    """The event that `message` points to, as the node announced it.

    Raises Unfounded where it announced none under this id, or another content under it; Permanent where this release
    cannot read what was announced.
    """
    try:
        return Event.from_envelope(envelope(connection, message))
    except Permanent as error:
        raise Permanent("this release of the node cannot read the event") from error


def envelope(connection: Connection, message: Message) -> dict[str, object]:
    """The envelope that `message` points to; raises Unfounded as `announced` does."""
    kept = outbox.announced(connection, message.event_id) if message.event_id else None
    if not isinstance(kept, dict) or kept != message.content:
        raise Unfounded("the node announced no such event")
    return kept
