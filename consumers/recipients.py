"""Who gets results: each destination with its profile, and what it was seen to take."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.settings import Destination, Settings
from dicom_node.prober import Seen
from domain.profiles import BUILT_IN, Choice, Form, Profile, choose, to_write
from store import destinations
from store.database import Connection


@dataclass(frozen=True)
class Recipient:
    """A destination and what its readers can show."""

    destination: Destination
    profile: Profile

    @property
    def name(self) -> str:
        """The destination's name."""
        return self.destination.name

    def accepted(self, connection: Connection) -> frozenset[tuple[str, str]] | None:
        """The SOP classes and transfer syntaxes that it takes; None where it never answered at its address."""
        seen = destinations.seen_at(connection, self.name, self.destination.address)
        return seen.accepted if seen else None

    def answered_anew(self, connection: Connection, since: datetime | None) -> bool:
        """Whether it has come to answer otherwise after `since`."""
        seen = destinations.seen_at(connection, self.name, self.destination.address)
        changed = seen.changed_at if seen else None
        return changed is not None and (since is None or since < changed)

    def choose(self, connection: Connection, written: Sequence[Form]) -> tuple[Choice, ...]:
        """What it gets of what was written, and why."""
        return choose(self.profile, self.accepted(connection), written)

    def note(self, connection: Connection, seen: Seen, now: datetime) -> None:
        """Keep what it answered, or why it did not."""
        name, address = self.name, self.destination.address
        if seen.error:
            destinations.note_failure(connection, name, address, seen.error, now)
        else:
            destinations.note_answer(connection, name, address, seen.accepted, seen.implementation, now)


def recipients(settings: Settings) -> tuple[Recipient, ...]:
    """Every destination that is configured."""
    return tuple(Recipient(one, settings.profile(one.profile)) for one in settings.destinations)


def wanted_forms(connection: Connection, everybody: Sequence[Recipient]) -> frozenset[Form]:
    """The forms that results are written in: what any recipient may get, or the usual ones where there is none."""
    if not everybody:
        return to_write(BUILT_IN["default"], None)
    return frozenset().union(*(to_write(one.profile, one.accepted(connection)) for one in everybody))
