"""An impression as people see it in a terminal: its sentences, each with the facts that it rests on in words."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType

from console.cli.counting import counted
from console.cli.impression_state import standing
from console.cli.output import styled, table
from domain.impressions import Author, Change, Fact, Facts, Impression
from domain.records import SummaryRecord
from domain.visible import visible
from domain.words import named
from store.summaries import Summary
from summary.writing import Attempt


def shown(summary: Summary, record: SummaryRecord) -> Iterator[RenderableType]:
    """Where the impression of a study stands; where it is written, its sentences with their sources, and every fact."""
    yield styled(standing(record), "bold")
    if summary.facts and summary.impression:
        yield styled(f"by {author(summary.impression)}")
        yield styled("")
        yield from sentences(summary.facts, summary.impression)
        yield styled("")
        yield facts_table(summary.facts)


def author(impression: Impression) -> str:
    """Who wrote the words, and why a template did where a language model was asked."""
    model = impression.language_model
    if impression.author is Author.LANGUAGE_MODEL and model:
        return f"the language model {model.model} of {model.provider} (prompt {model.prompt})"
    return f"the template ({impression.fallback})" if impression.fallback else "the template"


def sentences(facts: Facts, impression: Impression) -> Iterator[RenderableType]:
    """Each sentence, and below it each of its facts in words."""
    known = facts.by_id()
    for number, one in enumerate(impression.sentences, 1):
        yield styled(f"{number}. {one.text}")
        for name in one.facts:
            yield styled(f"     {name}  {told(known[name])}" if name in known else f"     {name}", "dim")
        if one.guideline:
            yield styled(f"     by {one.guideline}", "dim")
    yield styled(f"checked by {impression.checker}; AI generated, not verified", "dim")
    yield from references(impression)


def references(impression: Impression) -> Iterator[RenderableType]:
    """What there is to read, where something is named."""
    if impression.references:
        yield styled("")
        yield styled("References, chosen by the findings' coded terms alone; nobody held them against this patient:")
    yield from (styled(f"  {visible(one.said)}", "dim") for one in impression.references)


def told(fact: Fact) -> str:
    """`Lung nodule candidates, right upper lobe, present, long axis 6.4 mm (CT nodules)`."""
    place = " ".join(code.meaning.lower() for code in (fact.laterality, fact.site) if code)
    several = f"{fact.count} alike" if fact.count > 1 else ""
    amounts = ", ".join(f"{named(one.measurement)} {one.said}" for one in fact.amounts)
    changes = ", ".join(map(_changed, fact.changes))
    score = f"score {fact.score}" if fact.score else ""
    parts = (
        fact.label,
        place if place != fact.label.lower() else "",
        fact.presence.value,
        several,
        score,
        amounts,
        changes,
    )
    return f"{', '.join(one for one in parts if one)} ({fact.model})"


def facts_table(facts: Facts) -> RenderableType:
    """Every fact, whether a sentence rests on it or not."""
    columns = ("fact", "what", "site", "side", "presence", "amounts", "model", "to know")
    return table(_about(facts), columns, [_row(one) for one in facts.facts])


def _row(one: Fact) -> Sequence[object]:
    site, side = (code.meaning if code else "" for code in (one.site, one.laterality))
    amounts = [f"{named(each.measurement)} {each.said}" for each in one.amounts]
    cautions = [each.value for each in one.cautions]
    label = f"{one.label} ({one.count} alike)" if one.count > 1 else one.label
    return one.id, label, site, side, one.presence.value, amounts, one.model, cautions


def _about(facts: Facts) -> str:
    """`facts: CT, CHEST, 60 to 69 years`."""
    about = [facts.modality, facts.body_part, f"{facts.age} years" if facts.age else "", facts.sex]
    if facts.unread:
        about.append(f"{counted(facts.unread, 'model')} without findings")
    if facts.left_out:
        about.append(f"{facts.left_out} more left out")
    return f"facts: {', '.join(one for one in about if one)}"


def _changed(one: Change) -> str:
    return f"{one.name.meaning.lower()} {one.said or 'unchanged'} {one.interval}"


def attempt(one: Attempt) -> RenderableType:
    """What a language model answered, and each thing that was wrong with it."""
    if one.answered is None:
        return styled(f"no language model answered: {one.fault}")
    flaws = [f"  {each.flaw.value}: {each.said}" for each in one.objections] or ["  nothing is wrong with it"]
    said = [f"{one.answered.model} of {one.answered.provider} answered: {visible(one.answered.text)}"]
    return styled("\n".join([*said, *([f"  {one.fault}"] if one.fault else flaws)]))


def providers(rows: Sequence[Mapping[str, str | None]]) -> RenderableType:
    """A table of language models, with what came of a test."""
    columns = ("name", "writes", "kind", "model", "where", "node", "answer")
    cells = [[*(row[one] for one in columns[:-1]), row["fault"] or row["answered"]] for row in rows]
    return table("language models", columns, cells)
