"""What `doctor` finds in the node's database, where that runs: who has not answered, and what a person holds back."""

from collections.abc import Iterator
from contextlib import suppress
from shlex import quote

from config.audit_receivers import AuditReceiver
from config.settings import Settings
from console.cli.looks import Look, Mark
from console.cli.output import moment
from console.cli.trail_looks import witnesses
from consumers.destinations import ProfiledDestination, profiled_destinations
from domain.errors import NodeError
from domain.pauses import Pause
from roles.database import KEEPER, reading
from roles.run_files import running
from store import checkpoints, destinations, receivers
from store.destinations import SeenDestination
from store.pauses import all_paused
from store.receivers import ReceiverRow


def kept(settings: Settings) -> Iterator[Look]:
    """Nothing is known where the database does not run: none is started to be asked."""
    if settings.database.url is None and running(settings.data, KEEPER) is None:
        return
    with suppress(NodeError), reading(settings) as database:
        with database.transaction() as connection:
            seen = {(one.name, one.address): one for one in destinations.all_seen(connection)}
            paused = all_paused(connection)
            received = receivers.known(connection)
            newest = checkpoints.newest(connection)
            told = {one.witness: one for one in checkpoints.publications(connection)}
        for one in profiled_destinations(settings):
            yield from _silent(one, seen.get((one.name, one.destination.address)))
        yield from map(_paused, paused)
        for named in settings.audit.receivers:
            yield _receiver(named, received.get(named.name))
        yield from witnesses(settings, newest, told)


def _silent(one: ProfiledDestination, seen: SeenDestination | None) -> Iterator[Look]:
    """One that did not answer when it was last asked; who was not asked yet may be there."""
    if seen is None or not seen.error:
        return
    since = (
        f"has not answered since {moment(seen.seen_at)}"
        if seen.seen_at
        else f"has never answered; last asked {moment(seen.tried_at)}"
    )
    probe = f"dicom-node destinations probe {quote(one.name)}"
    yield Look(f"results to {one.name}", Mark.NOTED, f"{since}: {seen.error}; its results wait; {probe} asks again")


def _paused(one: Pause) -> Look:
    return Look(f"{one.kind} {one.name}", Mark.NOTED, f"{one.said}, since {moment(one.since)}")


def _receiver(one: AuditReceiver, row: ReceiverRow | None) -> Look:
    """Whether it takes what stands on the trail; where it does not, nothing is lost."""
    what, tried = f"trail to {one.name}", f"dicom-node audit receivers test {quote(one.name)}"
    if row is None:
        return Look(what, Mark.NOTED, f"{one.address} was sent nothing yet: the role forward does; {tried} tries it")
    if row.away_since:
        said = f"takes nothing since {moment(row.away_since)}: {row.reason}; none is lost; {tried} tries it again"
        return Look(what, Mark.NOTED, f"{one.address} {said}")
    if row.refused:
        return Look(what, Mark.NOTED, f"{one.address} refused {row.refused} entries, the last {row.last_refused}")
    return Look(what, Mark.OK, f"{one.address} has all up to entry {row.number}, since {moment(row.at)}")
