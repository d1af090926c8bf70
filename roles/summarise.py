"""The role `summarise`: a study's findings, of all models together, become a few sentences."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from config import metrics, retries
from consumers.leased import LeasedLoop
from consumers.steps.summarise import Summariser, Summarising, Written
from domain.errors import Permanent
from domain.ids import StudyId
from domain.impressions import Facts, Impression
from models.installed import installed
from models.registry import Package
from models.words import vocabulary
from roles.process import Context
from roles.tasks import Throttled, holder_name, publish_backlog, run_loop, wait_at_most
from store.holders import Holder, Life
from store.studied import Run, StudiedStudy
from store.summaries import SUMMARIES, SUMMARIES_CHANNEL
from summary import templates
from summary.facts import About, Earlier, Studied, facts
from summary.writing import Attempt, write

if TYPE_CHECKING:
    from roles.language_models import Asker
    from roles.literature import ReferenceFinder

# Seconds that an impression stays with a process that no longer renews it.
_LEASE = 30.0
# Seconds between looks at figures that cost a query.
_FIGURES = 1.0
# Without its words all that it found would be "clinical finding": less than an impression that is out may say.
_WORDLESS = (
    "what model package {model} {version} calls its findings is not known any more: install this version again, then "
    "dicom-node summary again STUDY"
)


def summarise(context: Context) -> None:
    """Write impressions until told to stop, one a turn."""
    life = Life(context.database)
    asker = _asker(context) if context.settings.language_models else None
    finder = _finder(context) if context.settings.literature.enabled else None
    writer = by_facts(lambda: installed(context.settings), asker, finder)
    holder = Holder(holder_name("summarise", context), life)
    work = Summarising(context.database, writer, retries.SUMMARIES)
    loop = LeasedLoop(context.ledger, work, holder, _LEASE, context.health.beat, context.stop)
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


def _asker(context: Context) -> "Asker":
    # Most sites have no language model, and the client of one takes more memory and start than all the rest.
    from roles.language_models import Asker  # noqa: PLC0415

    return Asker(context.settings, context.ledger)


def _finder(context: Context) -> "ReferenceFinder":
    from roles.literature import ReferenceFinder  # noqa: PLC0415 - as above

    return ReferenceFinder(context.settings.literature, context.ledger)


def _measure(context: Context) -> None:
    with context.database.transaction() as connection:
        publish_backlog("impressions", SUMMARIES.backlog(connection))


def by_facts(
    packages: Callable[[], Iterable[Package]], asker: "Asker | None" = None, finder: "ReferenceFinder | None" = None
) -> Summariser:
    """Writes by a language model where there is an asker and its words pass, else by the template.

    `packages` are asked anew for each study: what they call things may be said. Of one that is gone the database knows
    it. References come last: no title of an article is in what a language model is asked. Raises Permanent where nobody
    knows what a package calls things.
    """

    def referred(study_id: StudyId, written: Written) -> Written:
        if finder is None:
            return written
        said = replace(written.impression, references=finder.about(study_id, written.facts))
        return replace(written, impression=said, asked=(*written.asked, *finder.asked))

    def written(study_id: StudyId, study: StudiedStudy) -> Written:
        known = {one.digest: one for one in packages()}
        studied = [_studied(one, known.get(one.findings.model.digest)) for one in study.runs]
        made, sources = facts(studied, _about(study))
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
    words = vocabulary(package.manifest) if package else run.words
    if words is None:
        model = run.findings.model
        raise Permanent(_WORDLESS.format(model=model.name, version=model.version))
    earlier = Earlier(run.earlier.findings, run.earlier.days) if run.earlier else None
    return Studied(run.job, run.findings, words, earlier)


def _about(study: StudiedStudy) -> About:
    return About(study.modality, study.body_part, study.age, unread=study.unread)
