"""Where one model reports a finding that another one looked for and does not report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.findings import Code
from domain.impressions import Fact, Presence
from summary.allowed import FINDING
from summary.vocabulary import spelled


@dataclass(frozen=True)
class Disagreement:
    """Facts of one finding: those that report it, and those that do not."""

    present: tuple[Fact, ...]
    absent: tuple[Fact, ...]


def disagreements(facts: Sequence[Fact]) -> tuple[Disagreement, ...]:
    """Each disagreement among the facts, in the order of what is reported."""
    found: dict[tuple[str, ...], list[Fact]] = {}
    for one in facts:
        if one.presence is Presence.PRESENT and (against := tuple(other.id for other in _against(one, facts))):
            found.setdefault(against, []).append(one)
    known = {one.id: one for one in facts}
    return tuple(Disagreement(tuple(those), tuple(known[one] for one in ids)) for ids, those in found.items())


def is_disputed(fact: Fact, facts: Sequence[Fact]) -> bool:
    """Whether another fact says the opposite."""
    return next(_against(fact, facts), None) is not None


def _against(fact: Fact, facts: Sequence[Fact]) -> Iterator[Fact]:
    opposite = {Presence.PRESENT: Presence.ABSENT, Presence.ABSENT: Presence.PRESENT}.get(fact.presence)
    for other in facts:
        if other.presence is opposite and _is_same(fact, other):
            yield other


def _is_same(one: Fact, other: Fact) -> bool:
    """The same finding by its code, by its word where it has none, and not at places that exclude each other."""
    uncoded = one.finding == other.finding == FINDING
    same = spelled(one.label) == spelled(other.label) if uncoded else one.finding == other.finding
    return same and all(
        _may_be(first, second) for first, second in ((one.site, other.site), (one.laterality, other.laterality))
    )


def _may_be(first: Code | None, second: Code | None) -> bool:
    return first is None or second is None or first.value == second.value
