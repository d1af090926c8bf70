"""Another chance for many studies, each in a transaction of its own: what stands in the way of one stops no other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit.trail import Ledger
from consumers.steps.retry import Retried, intended, retry
from domain.errors import Permanent
from domain.ids import StudyId
from models.registry import Package


@dataclass(frozen=True)
class RetriedMany:
    """What was set going again of how many `studies`; `not_retried` says why others were not, by their ids."""

    studies: int
    events: int
    jobs: int
    deliveries: int
    not_retried: Mapping[str, str] = field(default_factory=dict)


def retry_many(
    ledger: Ledger,
    wanted: Sequence[StudyId],
    packages: Collection[Package],
    now: Callable[[], datetime],
    destinations: Collection[str] = (),
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> RetriedMany:
    """As `retry`, of each; `tell` hears of how many studies of how many are done."""
    done: list[Retried] = []
    kept: dict[str, str] = {}
    for number, study in enumerate(wanted, 1):
        try:
            one = retry(ledger, study, packages, now(), destinations)
        except Permanent as error:
            kept[str(study)] = error.sentence
        else:
            done.append(one)
            if one.held:
                kept[str(study)] = f"{', '.join(one.held)} failed, and no such package is here"
        tell(number, len(wanted))
    events, jobs = sum(one.events for one in done), sum(one.jobs for one in done)
    return RetriedMany(len(done), events, jobs, sum(one.deliveries for one in done), kept)


def intended_of_many(
    ledger: Ledger, wanted: Sequence[StudyId], packages: Collection[Package], destinations: Collection[str] = ()
) -> Mapping[str, Sequence[str]]:
    """What `retry_many` will do, by study; nothing is done."""
    said: dict[str, Sequence[str]] = {}
    for study in wanted:
        try:
            said[str(study)] = intended(ledger.database, study, packages, destinations)
        except Permanent as error:
            said[str(study)] = [f"nothing: {error.sentence}"]
    return said
