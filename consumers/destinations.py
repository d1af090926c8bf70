"""Who gets results: each destination with its profile, and what it was seen to take."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from config.peers import Destination
from config.settings import Settings
from domain.profiles import BUILT_IN, OF_A_RUN, Choice, Profile, ResultFormat, ResultKind, choose, to_write
from store import destinations
from store.database import Connection

if TYPE_CHECKING:  # who asks has a DICOM library; who wants to know whom there is needs none
    from dicom_node.scu.probe import ProbeResult


@dataclass(frozen=True)
class ProfiledDestination:
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

    def changed_since(self, connection: Connection, since: datetime | None) -> bool:
        """Whether it has come to answer otherwise after `since`."""
        seen = destinations.seen_at(connection, self.name, self.destination.address)
        changed = seen.changed_at if seen else None
        return changed is not None and (since is None or since < changed)

    def choose(
        self, connection: Connection, written: Sequence[ResultFormat], of: Collection[ResultKind] = OF_A_RUN
    ) -> tuple[Choice, ...]:
        """What it gets of what was written, of the kinds in `of`, and why."""
        return choose(self.profile, self.accepted(connection), written, of)

    def note(self, connection: Connection, seen: "ProbeResult") -> None:
        """Keep what it answered, or why it did not."""
        name, address = self.name, self.destination.address
        if seen.error:
            destinations.note_failure(connection, name, address, seen.error)
        else:
            destinations.note_answer(connection, name, address, seen.accepted, seen.implementation)
        if seen.commits is not None:
            destinations.note_commits(connection, name, seen.commits)


def profiled_destinations(settings: Settings) -> tuple[ProfiledDestination, ...]:
    """Every destination that is configured."""
    return tuple(ProfiledDestination(one, settings.profile(one.profile)) for one in settings.destinations)


def wanted_forms(
    connection: Connection, destinations: Sequence[ProfiledDestination], of: Collection[ResultKind] = OF_A_RUN
) -> frozenset[ResultFormat]:
    """The forms that results are written in: what any recipient may get, or the usual ones where there is none."""
    if not destinations:
        return to_write(BUILT_IN["default"], None, of)
    return frozenset().union(*(to_write(one.profile, one.accepted(connection), of) for one in destinations))
