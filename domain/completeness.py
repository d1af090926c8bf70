"""Is this study complete? A pure function of facts.

Today the facts are silence and associations. Expected counts, geometry and MPPS join as further fields of StudyFacts
and further lines of `decide`, without a change to anybody who calls it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# s: the end of a sync is announced; this is for an announcement that was lost.
_SYNCING = 1.0


@dataclass(frozen=True)
class StudyFacts:
    """What is known of a study that is not complete.

    `silence` is how long nothing has happened to it, in seconds of a clock that never steps: no instance came, and no
    association closed that had brought one. `held` says that an association is open whose last instance was of this
    study, so that more may come; nothing in PS3.4 annex B ties a study to an association, so that is a hint. `synced`
    says that a loss of power would take nothing of it: what models read must still be what came.
    """

    silence: float
    held: bool
    modalities: frozenset[str]
    synced: bool = True


@dataclass(frozen=True)
class SettlePolicy:
    """How long silence must last, in seconds; the longest of a study's modalities decides.

    `hold` is how long it must last for a study that is held: senders exist that never close an association.
    """

    default: float
    by_modality: Mapping[str, float]
    hold: float = 60.0

    def seconds(self, modalities: frozenset[str]) -> float:
        """The settle time of a study with these modalities."""
        return max((self.by_modality.get(modality, self.default) for modality in modalities), default=self.default)


@dataclass(frozen=True)
class Verdict:
    """Whether the study is complete, the reason in words, and in how many seconds to ask again."""

    complete: bool
    reason: str
    again_in: float = 0.0


def decide(facts: StudyFacts, policy: SettlePolicy) -> Verdict:
    """Complete once it was silent for its settle time; one that an association holds, once that was long enough too."""
    settle = policy.seconds(facts.modalities)
    wanted = max(settle, policy.hold) if facts.held else settle
    if facts.silence < wanted:
        waits = "its association is still open" if facts.held else f"waiting for {settle:g} s of silence"
        return Verdict(False, waits, wanted - facts.silence)
    if not facts.synced:
        return Verdict(False, "its objects are on their way to the disk", _SYNCING)
    still = ", though its association stays open" if facts.held else ""
    return Verdict(True, f"nothing of it came for {wanted:g} s{still}")
