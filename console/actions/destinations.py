"""Who gets results: the configured destinations and those that a node of the database had by option, asked and kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from audit.actions import Action
from audit.trail import Ledger
from config.settings import Settings
from config.wording import destination
from console.actions.served import served
from consumers.destinations import ProfiledDestination, profiled_destinations
from domain.errors import ConfigurationError
from domain.pauses import Held, Pause
from domain.profiles import BUILT_IN, Profile
from store import destinations as kept
from store.database import Database
from store.destinations import SeenDestination
from store.holders import is_served
from store.pauses import all_paused

if TYPE_CHECKING:  # what asks has a DICOM library
    from dicom_node.scu.probe import ProbeResult


def all_seen(source: Database | None) -> dict[str, SeenDestination]:
    """What destinations were seen to take, by address; without a database nothing."""
    if source is None:
        return {}
    with source.transaction() as connection:
        return {one.address: one for one in kept.all_seen(connection)}


def paused(source: Database | None) -> Sequence[Pause]:
    """The destinations that a person holds back."""
    if source is None:
        return ()
    with source.transaction() as connection:
        return [one for one in all_paused(connection) if one.kind == Held.DESTINATION]


def known_destinations(settings: Settings, seen: Mapping[str, SeenDestination]) -> Sequence[ProfiledDestination]:
    """The configured destinations, and those that a node of this database had by option."""
    configured = {one.name: one for one in profiled_destinations(settings)}
    return [*configured.values(), *(one for one in _by_option(seen.values()) if one.name not in configured)]


def gone(settings: Settings, source: Database | None, names: Iterable[str]) -> set[str]:
    """Those of `names` that the settings do not name and no living node serves."""
    left = set(names) - served(settings)
    if source is None or not left:
        return left
    with source.transaction() as connection:
        return {one for one in left if not is_served(connection, one)}


def peer(text: str, profile: Profile) -> ProfiledDestination:
    """A destination by its address; raises ConfigurationError where it is none."""
    try:
        return ProfiledDestination(destination(text), profile)
    except ValueError as error:
        raise ConfigurationError(f"{text}: {error}") from error


def probe(
    ledger: Ledger | None, one: ProfiledDestination, our_aet: str, timeout: float, *, known: bool
) -> "ProbeResult":
    """Ask a destination what it takes, in `timeout` s; one that is `known` is kept, and is on the trail as asked."""
    from dicom_node.scu import kinds  # noqa: PLC0415 - who only lists them need not load what speaks to them

    seen = kinds.probe(one.destination, our_aet, timeout)
    if ledger is not None and known:
        with ledger.transaction() as transaction:
            one.note(transaction.connection, seen)
            transaction.record(Action.DESTINATION_PROBED, destination=one.name, answered=not seen.error)
    return seen


def _by_option(seen: Iterable[SeenDestination]) -> Iterator[ProfiledDestination]:
    """Of a row that holds no address, as only somebody writes it past the node, nothing can be asked."""
    for one in seen:
        with suppress(ConfigurationError):
            yield peer(f"{one.name}={one.address}", BUILT_IN["default"])
