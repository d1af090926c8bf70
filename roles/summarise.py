"""The role `summarise`: a study's findings, of all models together, become a few sentences."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from config import metrics, retries
from consumers.leased import LeasedLoop
from consumers.steps.summarise import Summariser, Summarising, Written
from domain.ids import StudyId
from domain.impressions import Facts, Impression
from domain.vocabulary import Vocabulary
from models.installed import installed
from models.registry import Package
from models.words import vocabulary
from roles.language_models import Asker
from roles.literature import ReferenceFinder
from roles.process import Context
from roles.tasks import Throttled, holder_name, publish_backlog, run_loop, wait_at_most
from store.holders import Holder, Life
from store.studied import Run, StudiedStudy
from store.summaries import SUMMARIES, SUMMARIES_CHANNEL
from summary import templates
from summary.facts import About, Studied, facts
from summary.writing import Attempt, write

# Seconds that an impression stays with a process that no longer renews it.
_LEASE = 30.0
# Seconds between looks at figures that cost a query.
_FIGURES = 1.0
# Of a package that is not here any more: its codes and labels are not known to be a manifest's.
_UNKNOWN = Vocabulary(frozenset(), frozenset())


def summarise(context: Context) -> None:
    """Write impressions until told to stop, one a turn."""
    life = Life(context.database)
    asker = Asker(context.settings, context.ledger) if context.settings.language_models else None
    literature = context.settings.literature
    finder = ReferenceFinder(literature, context.ledger) if literature.enabled else None
    writer = by_facts(lambda: installed(context.settings), asker, finder)
    holder = Holder(holder_name("summarise", context), life)
    work = Summarising(context.database, writer, retries.SUMMARIES)
    loop = LeasedLoop(context.ledger, work, holder, _LEASE, context.health.pulse, context.stop)
    notifications = context.database.listener(SUMMARIES_CHANNEL)
    if asker is not None:
        context.health.tell_language_models(asker.health)
    measure = Throttled(_FIGURES, lambda: _measure(context))

    def turn() -> None:
        measure()
        if not loop.step():
            notifications.wait(wait_at_most(loop.seconds_until_due()))

    try:
        run_loop(context, turn)
    finally:
        notifications.close()
        life.close()


def _measure(context: Context) -> None:
    with context.database.transaction() as connection:
        publish_backlog("impressions", SUMMARIES.backlog(connection))


def by_facts(
    packages: Callable[[], Iterable[Package]], asker: Asker | None = None, finder: ReferenceFinder | None = None
) -> Summariser:
    """Writes by a language model where there is an asker and its words pass, else by the template.

    `packages` are asked anew for each study: what they call things may be said. References come last: no title of an
    article is in what a language model is asked.
    """

    def referred(study_id: StudyId, written: Written) -> Written:
        if finder is None:
            return written
        said = replace(written.impression, references=finder.about(study_id, written.facts))
        return replace(written, impression=said, asked=(*written.asked, *finder.asked))

    def written(study_id: StudyId, study: StudiedStudy) -> Written:
        known = {one.digest: one for one in packages()}
        made, sources = facts(
            [_studied(one, known.get(one.findings.model.digest)) for one in study.runs], _about(study)
        )
        if asker is None:
            return referred(study_id, Written(made, sources, template(made)))
        said = write(made, template, asker.about(study_id))
        _count(said.attempts)
        return referred(study_id, Written(made, sources, said.impression, asked=tuple(asker.asked)))

    return written


def _count(attempts: Sequence[Attempt]) -> None:
    """What was wrong with a language model's words, by kind."""
    for attempt in attempts:
        for flaw in {one.flaw for one in attempt.objections}:
            metrics.summary_refusals.labels(flaw.value).inc()


def template(made: Facts) -> Impression:
    """The template's impression of facts."""
    return templates.impression(made)


def _studied(run: Run, package: Package | None) -> Studied:
    return Studied(run.job, run.findings, vocabulary(package.manifest) if package else _UNKNOWN)


def _about(study: StudiedStudy) -> About:
    return About(study.modality, study.body_part, study.age, unread=study.unread)
