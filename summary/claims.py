"""What a clause says of each finding that it names: that it is there, where, how likely, and how it has changed."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from domain.impressions import Fact, Presence, ScoreBand
from summary.clauses import SIDES, Group, is_mention
from summary.disagreement import is_disputed
from summary.figures import amounts, counts, largest, scores_of_figures
from summary.flaws import Flaw
from summary.joining import GONE
from summary.lexicon import Kind, Token
from summary.reading import COMPARES, DIRECTION, Reading, sides_of
from summary.vocabulary import NUMBERS, Meaning


def listed(clause: Sequence[Token], cited: Mapping[str, Fact], reading: Reading) -> None:
    """What is said before or after "A and B" is read as of both; what one "has grown to" is what has grown."""
    words = [one.text.lower() for one in clause]
    at = [number for number, one in enumerate(clause) if is_mention(one, cited)]
    for number, (first, second) in enumerate(pairwise(at)):
        if not set(words[first + 1 : second]) <= {"and", "or", ",", "with", "plus", "the", "a", "an"}:
            continue
        start = at[number - 1] + 1 if number else 0
        end = at[number + 2] if number + 2 < len(at) else len(clause)
        both = [cited[one] for place in (first, second) for one in sorted(clause[place].facts) if one in cited]
        around = Group(None, False, [*clause[start:first], *clause[second + 1 : end]])
        if around.meaning(*COMPARES) or around.of(Kind.SCORE):
            _certainty(around, both, reading)
            _scores(around, both, reading)
            _changes(around, both, reading)
        _certainty(Group(None, False, list(clause[start:first])), both, reading)
        after = clause[second + 1 : end]
        figure = next((place for place, one in enumerate(after) if one.kind in (Kind.AMOUNT, Kind.NAMED_AMOUNT)), 0)
        if {one.text.lower() for one in after[:figure]} & {"have", "are", "were", "measure", "each"}:
            reading.refuse(Flaw.NUMBER, f'"{after[figure].text}" is not of each')
    for place, one in enumerate(clause):
        if one.kind is Kind.AMOUNT and place and words[place - 1] == "to" and not _has_changed(one, cited):
            reading.refuse(Flaw.NUMBER, f'"{one.text}" is not what has changed')


def _has_changed(figure: Token, cited: Mapping[str, Fact]) -> bool:
    """Whether the earlier study measured the same."""
    return any(
        change.name == cited[held.fact].amounts[held.index].measurement.name
        for held in figure.held
        if held.index >= 0
        for change in cited[held.fact].changes
        if change.said
    )


def claimed(group: Group, cited: Mapping[str, Fact], reading: Reading) -> None:
    """What a group says of the facts that it is about: each claim by itself."""
    facts = _mentioned(group, cited, reading)
    if facts is None:
        return
    placed = _whose(group, _place(group, facts, reading), reading)
    told = _scored(group, amounts(group, placed, reading))
    counts(group, placed, reading)
    largest(group, placed, told, list(cited.values()), reading)
    _certainty(group, told, reading)
    _scores(group, told if _is_single(group) else placed, reading)
    _changes(group, told, reading)
    if group.negated:
        _absence(group, told, reading)
    new = _new(group, told, reading.told)
    reading.told += new
    if group.mention is not None:
        reading.named.update(new)


def _mentioned(group: Group, cited: Mapping[str, Fact], reading: Reading) -> list[Fact] | None:
    """The cited facts that a group may be about; None where something is wrong with that."""
    if group.mention is None:
        claims = [one for one in group.tokens if one.held or one.means not in (Meaning.PLAIN, Meaning.NEGATION)]
        if claims and len(cited) != 1:
            reading.refuse(Flaw.SOURCE, f'of which fact "{claims[0].text}" is, is not said')
        return list(cited.values()) if claims and len(cited) == 1 and not group.negated else None
    named = [fact for one, fact in cited.items() if one in group.mention.facts]
    if not named:
        return None  # said already, word by word
    right = [one for one in named if (one.presence is Presence.ABSENT) == group.negated]
    if not right:
        wrong = "is reported" if group.negated else "is not reported"
        reading.refuse(Flaw.NEGATION, f'"{group.mention.text}" {wrong} by {", ".join(one.id for one in named)}')
        return None
    return right


def _place(group: Group, facts: list[Fact], reading: Reading) -> list[Fact]:
    """Those of `facts` that are where the group says."""
    for one in (*group.of(Kind.SITE), *(one for one in group.of(Kind.FINDING) if one.sites)):
        of_site = one.facts if one.kind is Kind.SITE else one.sites
        kept = [fact for fact in facts if fact.id in of_site]
        if not kept:
            reading.refuse(Flaw.SITE, f'"{one.text}" is not where {facts[0].id} is')
        facts = kept or facts
    stated = [SIDES[one.means] for one in group.meaning(*SIDES)]
    wanted = set[str]().union(*stated)
    held = {one.id: sides_of(one) for one in facts}
    if not group.negated:
        _sides_said(group, facts, wanted, reading)
    if len(wanted) > 1:
        if wanted - set().union(*held.values()):
            reading.refuse(Flaw.SIDE, f"both sides are not those of {', '.join(held)}")
        elif len(facts) > 1 and group.of(Kind.AMOUNT, Kind.NAMED_AMOUNT):
            reading.refuse(Flaw.SIDE, "which figure is of which side is not said")
        return facts
    kept = [one for one in facts if wanted <= held[one.id]]
    if not kept:
        reading.refuse(Flaw.SIDE, f'"{min(wanted)}" is not the side of {", ".join(held)}')
    return kept or facts


def _whose(group: Group, facts: list[Fact], reading: Reading) -> list[Fact]:
    """Those of `facts` that are of the models that are named, and of which the side is not known where that is said."""
    for kind, flaw in ((Kind.MODEL, Flaw.SOURCE), (Kind.UNSIDED, Flaw.SIDE)):
        said = group.of(kind)
        for one in said:
            if not any(fact.id in one.facts for fact in facts):
                reading.refuse(flaw, f'"{one.text}" is not so of {facts[0].id}')
        facts = [fact for fact in facts if not said or any(fact.id in one.facts for one in said)] or facts
    return facts


def _sides_said(group: Group, facts: list[Fact], wanted: set[str], reading: Reading) -> None:
    """ "In the lungs" is in both; of one of two organs that were measured it is said which."""
    sides = set[str]().union(*(sides_of(one) for one in facts))
    if len(sides) == 1 and len(wanted) < 2 and any(one.plural for one in group.of(Kind.SITE)):
        reading.refuse(Flaw.SIDE, "both sides are not those of " + ", ".join(one.id for one in facts))
    named = set(group.mention.text.lower().split()) if group.mention else set[str]()
    measured = all(one.presence is Presence.MEASURED for one in facts)
    if measured and sides and not (wanted or named & {*sides, "both", "bilateral"}):
        reading.refuse(Flaw.SIDE, f"of which side {facts[0].id} is, is not said")


_STRENGTH = {
    None: {Meaning.WEAK},
    ScoreBand.LOWEST: {Meaning.WEAK},
    ScoreBand.LOW: {Meaning.WEAK},
    ScoreBand.HIGH: {Meaning.WEAK, Meaning.MEDIUM},
    ScoreBand.HIGHEST: {Meaning.MEDIUM},
}


def _certainty(group: Group, facts: Sequence[Fact], reading: Reading) -> None:
    """ "Possible" and "likely" agree with the score; of what is not reported, or is only measured, neither is said."""
    within = [group.mention] if group.mention is not None and group.mention.means is Meaning.WEAK else []
    for one in (*within, *group.meaning(Meaning.WEAK, Meaning.MEDIUM, Meaning.UNLIKELY)):
        agree = [fact for fact in facts if fact.presence is Presence.PRESENT and one.means in _STRENGTH[fact.score]]
        if len(agree) < len(facts):
            reading.refuse(Flaw.CERTAINTY, f'"{one.text}" does not agree with the score')


def _is_single(group: Group) -> bool:
    """Whether it names one thing: some names have no plural ("two atelectasis")."""
    counted = [NUMBERS.get(one.text.lower()) for one in group.meaning(Meaning.NUMBER)]
    plural = group.mention is None or group.mention.plural or bool(group.meaning(Meaning.BOTH))
    return not plural and all(one == 1 for one in counted)


def _scored(group: Group, facts: list[Fact]) -> list[Fact]:
    """Those of `facts` that have the score of the group, where it tells one thing."""
    if not _is_single(group):
        return facts
    return [one for one in facts if all(one.id in score.facts for score in group.of(Kind.SCORE))] or facts


def _scores(group: Group, facts: Sequence[Fact], reading: Reading) -> None:
    """The scores that are told are those of all that is told; one behind each figure is that of its fact."""
    if scores_of_figures(group):
        return  # said with the figures
    scores = group.of(Kind.SCORE)
    for one in scores:
        if not any(fact.id in one.facts for fact in facts):
            reading.refuse(Flaw.CERTAINTY, f'"{one.text}" is another fact\'s score')
    scored = {name for one in scores for name in one.facts}
    if scored and not all(fact.id in scored for fact in facts):
        reading.refuse(Flaw.CERTAINTY, "another score is not told")


def _absence(group: Group, facts: Sequence[Fact], reading: Reading) -> None:
    """What another model reports is not reported by this one alone; what is "no longer" reported was there before."""
    gone = any(one.text.lower() == GONE for one in group.tokens)
    for one in facts:
        if is_disputed(one, reading.known) and not group.of(Kind.MODEL):
            reading.refuse(Flaw.NEGATION, f"another model reports {one.id}: whose result this is, is not said")
        if gone and not any(change.difference < 0 for change in one.changes):
            reading.refuse(Flaw.COMPARISON, f"{one.id} was not there before")


def _changes(group: Group, facts: Sequence[Fact], reading: Reading) -> None:
    """Nothing is compared without an earlier result, and what is said of it has its direction."""
    told = group.meaning(Meaning.COMPARED, *DIRECTION)
    changed = [one for fact in facts for one in fact.changes]
    if told and not all(one.changes for one in facts):
        reading.refuse(Flaw.COMPARISON, f'"{told[0].text}" compares, and there is no earlier result')
        return
    actual = {0 if not one.said else (1 if one.difference > 0 else -1) for one in changed}
    for one in told:
        if one.means in DIRECTION and actual != {DIRECTION[one.means]}:
            reading.refuse(Flaw.COMPARISON, f'"{one.text}" is not how it changed')
    for one in group.of(Kind.CHANGE, Kind.INTERVAL):
        if not facts or not all(fact.id in one.facts for fact in facts):
            reading.refuse(Flaw.COMPARISON, f'"{one.text}" is another fact\'s')


def _new(group: Group, facts: Sequence[Fact], told: Sequence[str]) -> list[str]:
    """Which facts a group tells: of what is there, one word in the singular tells one."""
    ids = [one.id for one in facts if not (group.parted and one.id in told)]
    if group.negated or not _is_single(group) or len(ids) == 1 or any(_own_plural_label(one) for one in facts):
        return ids
    return [one for one in ids if one not in told][:1] or ids[:1]


def _own_plural_label(fact: Fact) -> bool:
    return fact.presence is Presence.MEASURED
