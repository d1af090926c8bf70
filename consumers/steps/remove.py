"""Retention: what is old, or what a full disk has no room for, goes, an entry of the trail for each amount.

What goes is looked for anew under the study's lock: a hold or a step that came meanwhile keeps it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger
from domain.ids import StudyId
from domain.retention import OF_STUDIES, Candidate, Cause, Policy, Removal, What, choose
from store import plumbing, retention
from store.database import Connection, Database
from store.objects import ObjectStore

_TABLES: Mapping[What, str] = {
    What.OUTBOX: "outbox",
    What.INBOX: "inbox",
    What.ASSOCIATIONS: "associations",
    What.COMMITMENTS: "commitments",
    What.DEAD_LETTERS: "dead_letters",
}
_DROP: Mapping[What, Callable[[Connection, StudyId], tuple[int, int]]] = {
    What.IMAGES: retention.drop_images,
    What.MAPS: retention.drop_maps,
    What.RESULTS: retention.drop_results,
}
# What is of no study that is here, and has files.
_WITH_FILES: Mapping[What, Callable[[Connection, datetime], int]] = {
    What.QUARANTINE: retention.drop_quarantined,
    What.REQUESTS: retention.drop_requests,
}


@dataclass(frozen=True)
class Plan:
    """What goes of studies, what of them stays and why, and how many rows of each table go."""

    removals: Sequence[Removal]
    kept: Sequence[Candidate]
    rows: Mapping[What, int]


@dataclass(frozen=True)
class Groups:
    """Which group of consumers handles each type of event, and who reads the outbox."""

    handled: Mapping[str, str]
    readers: Collection[str]


def plan(database: Database, policy: Policy, groups: Groups, now: datetime, lacking: int, most: int | None) -> Plan:
    """What would go now, `lacking` bytes of it for want of room; `most` candidates of each kind, None: all.

    With `most` nothing is told of what stays, nor of rows.
    """
    with database.transaction() as connection:
        found = [
            one
            for what in OF_STUDIES
            if lacking or what in policy.days or (what is What.MAPS and What.IMAGES in policy.days)
            for one in _candidates(connection, what, policy, groups, now, lacking, most)
        ]
        rows = {} if most else {what: _rows(connection, what, policy, groups, now) for what in _TABLES}
    return Plan(choose(found, policy, now, lacking), [one for one in found if one.kept], rows)


def _candidates(
    connection: Connection,
    what: What,
    policy: Policy,
    groups: Groups,
    now: datetime,
    lacking: int,
    most: int | None,
) -> list[Candidate]:
    ages = [policy.cutoff(one, now) for one in ((what, What.IMAGES) if what is What.MAPS else (what,))]
    before = None if lacking else max(one for one in ages if one)
    return retention.candidates(connection, what, groups.handled, before=before, most=most, kept=most is None)


def _rows(connection: Connection, what: What, policy: Policy, groups: Groups, now: datetime) -> int:
    before = policy.cutoff(what, now)
    if before is None:
        return 0
    return plumbing.countable(connection, _TABLES[what], before, groups.handled, groups.readers)


def remove(ledger: Ledger, removal: Removal, groups: Groups) -> int:
    """Remove what is chosen of one study; how many objects, 0 where something holds it by now."""
    study, what = removal.candidate.study, removal.candidate.what
    with ledger.transaction() as transaction:
        connection = transaction.connection
        if not retention.may_remove(connection):  # nothing goes from under a backup
            return 0
        retention.lock(connection, study)
        found = retention.candidates(connection, what, groups.handled, study=study, kept=False)
        if not found:
            return 0
        count, size = _DROP[what](connection, study)
        said = {"what": what.value, "cause": removal.cause.value, "count": count, "bytes": size}
        transaction.record(Action.REMOVED, study, **said)
    return count


def remove_rows(ledger: Ledger, policy: Policy, groups: Groups, now: datetime) -> dict[What, int]:
    """Remove what the node kept for itself and nobody needs any more, and what could not be read; how much of each."""
    done = {}
    for what in (*_TABLES, *_WITH_FILES):
        before = policy.cutoff(what, now)
        if before is not None and (count := _remove_rows(ledger, what, before, groups)):
            done[what] = count
    return done


def _remove_rows(ledger: Ledger, what: What, before: datetime, groups: Groups) -> int:
    with ledger.transaction() as transaction:
        connection = transaction.connection
        if drop := _WITH_FILES.get(what):
            count = drop(connection, before)
        else:
            count = plumbing.clear(connection, _TABLES[what], before, groups.handled, groups.readers)
        if count:
            said = {"what": what.value, "cause": Cause.AGE.value, "count": count, "before": before.isoformat()}
            transaction.record(Action.REMOVED, None, **said)
    return count


def sweep(database: Database, objects: ObjectStore) -> int:
    """Remove the files whose rows are gone; how many were looked at."""
    looked = 0
    while some := retention.sweep(database, objects.delete):
        looked += some
    return looked
