"""Is this study complete? A pure function of facts; each answer says why, and when to ask again.

Four kinds of evidence, the strongest first, each a function here and a line of `decide`:

1. as many are there as were expected: counts in the data sets (PS3.3 C.3.4), or of an archive that was asked;
2. all are there that were named one by one, and nothing else is: a performed procedure step, an availability
   notification;
3. no slice and no image number is missing, and who sent it is known and has released: a short grace is enough;
4. silence.

Where more is expected than is there, the first three say nothing, and silence has to last longer; not for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.expectations import Expectation, contradiction, images, lacking, lacking_of_series, lacking_series

# s: the end of a sync is announced; this is for an announcement that was lost.
_SYNCING = 1.0
# A pause that a sender was seen to make within a study comes again. It is waited for so many times as long, for the
# longest that was seen is not the longest that there is.
_PAUSES = 2.0
_UNKNOWN = "how its sender sends is not known yet"
_NOT_RELEASED = "not all of its associations were released"
_OPENING = "its sender has another association open"
_IN_PROGRESS = "a procedure step of it is in progress"


@dataclass(frozen=True)
class SeriesArrival:
    """What is known of one series of a study that is not complete; of one that is only expected nothing came.

    `came` is how many instances came, what cannot be read included; `named` how many of these anybody named.
    """

    came: int
    expected: tuple[Expectation, ...] = ()
    named: int = 0


@dataclass(frozen=True)
class StudyFacts:
    """What is known of a study that is not complete.

    `silence` is how long nothing has happened to it, in seconds of a clock that never steps: no instance came, and no
    association closed that had brought one. `held` says that an association is open whose last instance was of this
    study, so that more may come; nothing in PS3.4 annex B ties a study to an association, so that is a hint. `synced`
    says that a loss of power would take nothing of it: what models read must still be what came.

    `came` is how many instances came, `expected` what was said of the study as a whole, and `series` has those that are
    here or expected; all may be left out where nothing is expected. `gap` is empty where no slice and no image number
    is missing, else says what is, or why that cannot be told; None: nobody has looked.

    `released` says that every association that brought something was released by its sender, `opening` that one of its
    senders has an association open that brought nothing yet. `known` says that so many studies of all its senders were
    seen that one can tell how they send; `pause` is the longest that one of them lately made between associations of
    one study (s). `in_progress` says that its modality told of a procedure step that has not ended: more is to come.
    """

    silence: float
    held: bool
    modalities: frozenset[str]
    synced: bool = True
    came: int = 0
    series: tuple[SeriesArrival, ...] = ()
    expected: tuple[Expectation, ...] = ()
    gap: str | None = None
    released: bool = True
    opening: bool = False
    known: bool = False
    pause: float = 0.0
    in_progress: bool = False


@dataclass(frozen=True)
class SettlePolicy:
    """How long silence must last, in seconds; the longest of a study's modalities decides.

    `hold` is how long it must last for a study that is held: senders exist that never close an association, and
    modalities that never end a procedure step. No pause of
    a sender is waited for longer than that. `grace` is enough where geometry and a known sender say that all is there;
    `missing` is how long what is expected is waited for.
    """

    default: float
    by_modality: Mapping[str, float]
    hold: float = 60.0
    grace: float = 0.3
    missing: float = 60.0

    def seconds(self, modalities: frozenset[str]) -> float:
        """The settle time of a study with these modalities."""
        return max((self.by_modality.get(modality, self.default) for modality in modalities), default=self.default)

    def bridging(self, pause: float, least: float) -> float:
        """How long to wait, `least` at least, for a sender that makes such pauses."""
        return max(least, min(_PAUSES * pause, self.hold))


@dataclass(frozen=True)
class Verdict:
    """Whether it is complete, the reason in words, and in how many seconds to ask again.

    `lacks` is what is known to be missing of it, in words; empty where nothing is.
    """

    complete: bool
    reason: str
    again_in: float = 0.0
    lacks: str = ""


@dataclass(frozen=True)
class _Evidence:
    """Enough after so many seconds of silence, for a reason; until then it waits for something."""

    after: float
    reason: str
    waits: str
    lacks: str = ""


def decide(facts: StudyFacts, policy: SettlePolicy) -> Verdict:
    """Complete where one kind of evidence is enough."""
    lines = (
        _counted(facts),
        _named(facts),
        _laid_out(facts, policy),
        _silent(facts, policy),
    )
    return _verdict(lines, facts.silence, facts.synced)


def wants_geometry(facts: StudyFacts, policy: SettlePolicy) -> bool:
    """Whether it would now be enough that no slice is missing: to find that out costs a look at every instance."""
    unsaid = _doubt(facts) or facts.held or shortfall(facts)
    return not unsaid and facts.silence >= _grace(facts, policy)


def shortfall(facts: StudyFacts) -> str:
    """What is known to be missing, in words; empty where nothing is."""
    of_series = [(one.expected, one.came) for one in facts.series]
    return (
        lacking(facts.expected, facts.came)
        or lacking_of_series(of_series)
        or lacking_series(facts.expected, len(_here(facts)))
    )


def _verdict(lines: Sequence[_Evidence | None], silence: float, synced: bool) -> Verdict:
    said = [line for line in lines if line]
    enough = next((line for line in said if silence >= line.after), None)
    if enough is None:
        first = min(said, key=lambda line: line.after)
        return Verdict(False, first.waits, first.after - silence, first.lacks)
    if not synced:
        return Verdict(False, "its objects are on their way to the disk", _SYNCING)
    return Verdict(True, enough.reason, lacks=enough.lacks)


def _counted(facts: StudyFacts) -> _Evidence | None:
    """As many are there as were expected, of the study or of each of so many series."""
    if shortfall(facts):
        return None
    for one in facts.expected:
        # Who numbers images as they go says 1 with the first; one image of a study that goes on is not all of it.
        if one.counted(facts.came) and not (facts.came == 1 and facts.held):
            return _at_once(f"all {images(facts.came)} came ({one.source})")
        if one.series == len(_here(facts)) and not one.varies and all(map(_all_counted, _here(facts))):
            return _at_once(f"all {images(facts.came)} of {one.series} series came ({one.source})")
    return None


def _named(facts: StudyFacts) -> _Evidence | None:
    """All are there that were named, of the study or of each of its series, and nothing that nobody named.

    What was there at a moment says nothing while more may come.
    """
    if shortfall(facts):
        return None
    named = [one for one in facts.expected if one.named_all()] if _are_named(facts.series) else []
    if not named and all(_all_counted(one) or _all_named(one) for one in _here(facts)):
        named = [said for one in facts.series for said in one.expected if said.named_all()]
    if not named or not (all(one.ended for one in named) or _all_sent(facts)):
        return None
    sources = " and ".join(dict.fromkeys(one.source for one in named))
    return _at_once(f"all {images(facts.came)} came that were named ({sources})")


def _laid_out(facts: StudyFacts, policy: SettlePolicy) -> _Evidence | None:
    """No slice and no image number is missing, and its senders have released and do not pause for longer."""
    if _doubt(facts) or facts.held or shortfall(facts):
        return None
    after = _grace(facts, policy)
    if facts.silence >= after and facts.gap is None:
        return None
    return _Evidence(
        after,
        f"no slice and no image number is missing, and nothing of it came for {after:.3g} s after its release",
        f"waiting for {after:.3g} s of silence",
    )


def _silent(facts: StudyFacts, policy: SettlePolicy) -> _Evidence:
    """The last resort: nothing of it came for long enough."""
    after = policy.bridging(facts.pause, policy.seconds(facts.modalities))
    if facts.held or facts.in_progress:
        after = max(after, policy.hold)
    if short := shortfall(facts):
        after = max(after, policy.missing)
        return _Evidence(after, f"{short}; nothing more came for {after:.4g} s", f"{short}: waiting for them", short)
    more = contradiction(facts.expected, facts.came)
    if facts.held:
        reason = f"nothing of it came for {after:.4g} s, though its association stays open"
        return _Evidence(after, reason + more, "its association is still open" + more)
    doubt = f" ({doubt})" if (doubt := _doubt(facts)) else ""
    reason = f"nothing of it came for {after:.4g} s{doubt}{more}"
    return _Evidence(after, reason, f"waiting for {after:.4g} s of silence{doubt}{more}")


def _all_counted(series: SeriesArrival) -> bool:
    return any(one.counted(series.came) for one in series.expected)


def _all_named(series: SeriesArrival) -> bool:
    return any(one.named_all() for one in series.expected) and _are_named((series,))


def _are_named(series: Sequence[SeriesArrival]) -> bool:
    return all(one.named >= one.came for one in series)


def _all_sent(facts: StudyFacts) -> bool:
    """Whether its senders seem to be through with it: they have released, and are known to send in one go."""
    return facts.released and facts.known and not (facts.held or facts.opening or facts.in_progress or facts.pause)


def _doubt(facts: StudyFacts) -> str:
    """Why it is not enough that no slice is missing, as far as that is known without a look at any; empty if it is."""
    if not facts.released and not facts.held:
        return _NOT_RELEASED
    if facts.in_progress:
        return _IN_PROGRESS
    if not facts.known:
        return _UNKNOWN
    if facts.opening:
        return _OPENING
    return facts.gap or ""


def _grace(facts: StudyFacts, policy: SettlePolicy) -> float:
    return policy.bridging(facts.pause, policy.grace)


def _here(facts: StudyFacts) -> Sequence[SeriesArrival]:
    return [one for one in facts.series if one.came]


def _at_once(reason: str) -> _Evidence:
    return _Evidence(0.0, reason, reason)
