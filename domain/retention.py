"""What may be removed, and when: values in, values out.

What a study has goes by its age, or because the disk is short: then the oldest goes first, until enough is free. A
study whose candidate says why it is kept never goes, however old it is and however full the disk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.ids import StudyId


class What(StrEnum):
    """What is kept of a study, and what the node keeps for itself."""

    IMAGES = "images"
    MAPS = "maps"
    RESULTS = "results"
    QUARANTINE = "quarantine"
    OUTBOX = "outbox"
    INBOX = "inbox"
    ASSOCIATIONS = "associations"
    COMMITMENTS = "commitments"
    DEAD_LETTERS = "dead letters"
    REQUESTS = "requests"


#: What goes study by study, in the order in which a short disk takes it.
OF_STUDIES = (What.IMAGES, What.MAPS, What.RESULTS)


class Cause(StrEnum):
    """Why something goes."""

    AGE = "age"
    DISK = "disk"


@dataclass(frozen=True)
class Policy:
    """`days` after which each goes, nothing of what is not named; below `keep_free` bytes (0: never) the disk is short.

    Then studies go until `until_free` bytes are free.
    """

    days: dict[What, float]
    keep_free: int = 0
    until_free: int = 0

    def cutoff(self, what: What, now: datetime) -> datetime | None:
        """What came before this moment goes for its age; None where nothing does."""
        return now - timedelta(days=self.days[what]) if what in self.days else None

    def lacking(self, free: int) -> int:
        """Bytes that have to be freed with `free` bytes free; 0 where the disk is not short."""
        return max(self.until_free - free, 1) if free < self.keep_free else 0


@dataclass(frozen=True)
class Candidate:
    """What of one study could go: `count` objects of `bytes`. `kept` says why it stays, "" where nothing holds it."""

    study: StudyId
    what: What
    count: int
    bytes: int
    last_received: datetime
    kept: str = ""


@dataclass(frozen=True)
class Removal:
    """A candidate that goes, and why."""

    candidate: Candidate
    cause: Cause


def choose(candidates: Iterable[Candidate], policy: Policy, now: datetime, lacking: int) -> Sequence[Removal]:
    """Which of `candidates`, the oldest first, go: those of age, then others until `lacking` bytes are freed.

    A short disk takes images first and results last, of each kind the oldest. Masks and maps go with the images.
    """
    free = [one for one in candidates if not one.kept]
    aged = [one for one in free if _is_of_age(one, policy, now)]
    gone = [Removal(one, Cause.AGE) for one in aged]
    freed = sum(one.bytes for one in aged)
    left = [one for one in free if not _is_of_age(one, policy, now)]
    for one in sorted(left, key=lambda one: OF_STUDIES.index(one.what)):
        if freed >= lacking:
            break
        gone.append(Removal(one, Cause.DISK))
        freed += one.bytes
    return [*gone, *_with_images(gone, free)]


def _with_images(gone: Sequence[Removal], free: Sequence[Candidate]) -> list[Removal]:
    """Masks and maps lie over images: where those go they are of no use."""
    without = {one.candidate.study: one.cause for one in gone if one.candidate.what is What.IMAGES}
    told = {one.candidate for one in gone}
    maps = [one for one in free if one.what is What.MAPS and one.study in without and one not in told]
    return [Removal(one, without[one.study]) for one in maps]


def _is_of_age(one: Candidate, policy: Policy, now: datetime) -> bool:
    cutoff = policy.cutoff(one.what, now)
    return cutoff is not None and one.last_received < cutoff
