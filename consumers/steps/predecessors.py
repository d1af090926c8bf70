"""Which of a study's earlier results those of a run, or an impression, supersede and name as predecessors.

PS3.3 C.17.2: predecessors are documents whose content is included in this one. A reader can follow the reference only
to what was given out: so what left the node, or is about to, is named, and of it the objects that did. Results that
went nowhere, and forms that no destination chose, are passed over. It is decided once and kept, for a retry writes the
same bytes, whatever became of the earlier results meanwhile.
"""

from collections.abc import Sequence

from domain.editions import Edition
from sr_writer.content import Predecessor
from store import results
from store.database import Connection
from store.jobs import Job
from store.results import Result
from store.summaries import Summary

_Before = tuple[Job | Summary, Sequence[Result]]


def edition(
    connection: Connection, item: Job | Summary, number: int, earlier: Sequence[Job | Summary]
) -> tuple[Edition, list[Predecessor]]:
    """Which of the study's results these are, and the objects that they supersede; `earlier` has the newest first."""
    before, objects = _before(connection, item, earlier) or (None, ())
    if before is None:
        return Edition(number), []
    if before.withdrawn_at:
        return Edition(number, withdrawn=True), []
    named = [Predecessor(one.kind, one.sop_class, one.sop_uid, one.series_uid) for one in objects]
    return Edition(number, _number(before), before.finished_at), named


def _number(one: Job | Summary) -> int:
    number = one.number if isinstance(one, Summary) else one.result_number
    assert number is not None
    return number


def _before(connection: Connection, item: Job | Summary, earlier: Sequence[Job | Summary]) -> _Before | None:
    kept = results.follows(connection, item)
    if kept is not None:
        written = ((one, results.results_of(connection, one)) for one in earlier)
        named = ((one, [each for each in objects if each.sop_uid in kept]) for one, objects in written)
        return next((one for one in named if one[1]), None)
    # What an earlier release wrote names all that the newest before it had written.
    was_written = bool(results.results_of(connection, item))
    objects_of = results.results_of if was_written else results.given_out
    found = next(((one, objects) for one in earlier if (objects := objects_of(connection, one))), None)
    results.keep_follows(connection, item, [one.sop_uid for one in found[1]] if found else [])
    return found
