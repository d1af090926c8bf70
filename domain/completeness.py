"""Is this study complete? A pure function of facts and clock.

Today the facts are associations and silence. Expected counts, geometry and MPPS join as further fields of StudyFacts
and further lines of `decide`, without a change to anybody who calls it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class StudyFacts:
    """What the index knows of a study that is not complete.

    `last_activity` is the later of its last instance and the close of its last association.
    """

    open_associations: int
    last_activity: datetime
    modalities: frozenset[str]


@dataclass(frozen=True)
class SettlePolicy:
    """How long silence must last, in seconds; the longest of a study's modalities decides."""

    default: float
    by_modality: Mapping[str, float]

    def seconds(self, modalities: frozenset[str]) -> float:
        """The settle time of a study with these modalities."""
        return max((self.by_modality.get(modality, self.default) for modality in modalities), default=self.default)


@dataclass(frozen=True)
class Verdict:
    """Whether the study is complete, the reason in words, and when to ask again (None: when something happens)."""

    complete: bool
    reason: str
    ask_again: datetime | None = None


def decide(facts: StudyFacts, policy: SettlePolicy, now: datetime) -> Verdict:
    """Complete once the last association has closed and the settle time has passed since."""
    if facts.open_associations:
        return Verdict(False, f"{facts.open_associations} association(s) still open")
    settle = policy.seconds(facts.modalities)
    due = facts.last_activity + timedelta(seconds=settle)
    if now < due:
        return Verdict(False, f"waiting for {settle:g} s of silence", due)
    return Verdict(True, f"its last association closed and {settle:g} s of silence followed")
