"""A study's impression as the objects that go home, in every form that some destination takes."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from domain.editions import FIRST, Edition
from domain.impressions import Facts, FactSource, Impression, Part
from domain.profiles import BASIC_TEXT_SR, ENCAPSULATED_PDF, ENHANCED_SR, SECONDARY_CAPTURE, ResultFormat
from sr_writer.content import Draft, Predecessor
from sr_writer.impressions import pages, report
from sr_writer.impressions.content import ImpressionContent, Run, impression_content
from sr_writer.results import ResultObject, finished

_DRAFTS: Mapping[str, Callable[[ImpressionContent, ResultFormat], Iterator[Draft]]] = {
    ENHANCED_SR: report.drafts,
    BASIC_TEXT_SR: report.drafts,
    ENCAPSULATED_PDF: pages.pdf_drafts,
    SECONDARY_CAPTURE: pages.picture_drafts,
}


def write(
    impression: Impression,
    facts: Facts,
    sources: Sequence[FactSource],
    runs: Sequence[Run],
    forms: Collection[ResultFormat],
    moment: datetime,
    edition: Edition = FIRST,
    predecessors: Sequence[Predecessor] = (),
    requests: Sequence[Path] = (),
) -> tuple[ResultObject, ...]:
    """The impression of a study's revision in each of `forms`, one object each.

    `facts`, `sources` and `runs` are those that the sentences were made of; `runs` are all of the revision that have
    findings, with every result that was written of them. A form names the reports of its destination (`refers`): the
    object refers to those of them that say what a sentence rests on, and where no run has any the form names none.
    `moment` is aware and constant over retries: with it, the same input gives the same bytes. `edition` and
    `predecessors` are of the study's earlier impressions. `requests` are Part 10 files that say what was requested.

    Raises IntegrityError where a sentence, a fact or a source is not of these; UnusableInput for a source without what
    a result needs, Retryable for one that cannot be opened.
    """
    content = impression_content(impression, facts, sources, runs, moment, edition, predecessors, requests)
    wanted = dict.fromkeys(_resolved(form, content) for form in sorted(forms, key=lambda one: one.name))
    return tuple(
        finished(draft, content.content) for form in wanted for draft in _DRAFTS[form.sop_class](content, form)
    )


def _resolved(form: ResultFormat, content: ImpressionContent) -> ResultFormat:
    """The form, without a reference where there is nothing that it could refer to."""
    found = (one.report_of(part, form) for one in content.runs for part in Part)
    return form if any(found) else replace(form, refers="")
