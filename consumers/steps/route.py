"""On a study's completion: which models run on which series, and why; a job for each."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from audit.trail import Action, Transaction
from config.retries import AMENDMENTS
from config.rules import Rule
from consumers.steps.request_results import request_results
from dicom_node.intake.frames import largest_gap
from domain.clock import Clock, SystemClock
from domain.events import Event, InferenceRequested, StudyCompleted
from domain.ids import StudyId
from domain.routing import Choice, Conditions, SeriesFacts, Wanted, choose
from models.manifest import Input
from models.registry import Package, changed_package, releases
from store import deliveries, jobs, outbox, routing, studies
from store import packages as known_packages
from store.deliveries import DELIVERIES_CHANNEL
from store.jobs import JOBS_CHANNEL, OVERTAKEN
from store.routing import SliceRow, WantedJob

# Two slices nearer than this (mm) are one position: rounding of decimal strings, or an instance sent twice.
_SAME_POSITION = 0.01


class Router:
    """Handles study.completed and study.amended.

    `packages` and `rules` are asked anew for each study, so that a mended rules file works without a restart; `rules`
    gives None where the site has no rules file and each package's own conditions decide. `broken` says what is wrong
    with packages that cannot be asked: the others are, all the same.
    """

    def __init__(
        self,
        packages: Callable[[], Iterable[Package]],
        rules: Callable[[], Sequence[Rule] | None],
        clock: Clock | None = None,
        broken: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._packages = packages
        self._rules = rules
        self._broken = broken
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Decide for every package; a revision that a newer one has overtaken is left to that one."""
        revision = event.of(StudyCompleted).revision
        rules = self._rules()
        # Whose outcome is being written is waited for: what ends badly at this moment is opened again below.
        routing.lock_jobs(transaction.connection, event.study_id)
        deliveries.lock(transaction.connection, event.study_id)
        _, now_at = studies.lock_revision(transaction.connection, event.study_id)
        if now_at != revision:
            return
        series = facts(routing.slices(transaction.connection, event.study_id, revision))
        packages = sorted(self._packages(), key=lambda package: package.name)
        changed = known_packages.register(transaction.connection, releases(packages))
        wanted = [
            job
            for one in packages
            if (job := self._decide(transaction, event.study_id, revision, one, rules, series, one.release in changed))
        ]
        broken = self._note_broken(transaction, event.study_id, revision)
        waiting = [job.model for job in wanted if self._request(transaction, job)]
        self._cancel_older(transaction, event.study_id, revision)
        # Results that are there already are no answer either while a destination has not got them.
        again = deliveries.reopen(transaction.connection, event.study_id, "the study was amended", revision)
        reason = _reason([job.model for job in wanted], waiting, broken)
        studies.note_progress(transaction.connection, event.study_id, reason, self._clock.now())
        models = [job.model for job in wanted]
        transaction.record(Action.ROUTED, event.study_id, revision=revision, models=models, deliveries_again=again)
        transaction.wake(JOBS_CHANNEL)
        transaction.wake(DELIVERIES_CHANNEL)

    def _note_broken(self, transaction: Transaction, study: StudyId, revision: int) -> list[str]:
        """Have `explain` say why a package that cannot be read was not asked; their names."""
        broken, now = self._broken(), self._clock.now()
        for name, said in broken.items():
            reason = f"the package is broken: {said}"
            routing.note_decision(transaction.connection, study, revision, name, "", Choice({}, {}), reason, now)
        return sorted(broken)

    def _decide(
        self,
        transaction: Transaction,
        study: StudyId,
        revision: int,
        package: Package,
        rules: Sequence[Rule] | None,
        series: Sequence[SeriesFacts],
        changed: bool,
    ) -> WantedJob | None:
        name, version = package.release
        choice, reason = decide(name, package.manifest.inputs, rules, series)
        if changed:
            choice, reason = Choice({}, {}), changed_package(version)
        routing.note_decision(transaction.connection, study, revision, name, version, choice, reason, self._clock.now())
        if choice.series_id is None:
            return None
        return WantedJob(study, uuid.UUID(choice.series_id), choice.inputs, revision, name, version, package.digest)

    def _request(self, transaction: Transaction, wanted: WantedJob) -> bool:
        """Have the job done; False where its findings are there already, and nothing of them was set aside."""
        delay = AMENDMENTS.delay(wanted.revision - 2) or 0.0 if wanted.revision > 2 else 0.0
        job = routing.request_job(transaction.connection, wanted, delay)
        if job.opened:
            data = InferenceRequested(job.id, wanted.model, wanted.version, wanted.revision, wanted.series_id)
            transaction.emit(Event(data, wanted.study_id, self._clock.now()))
        # Findings whose results were never written or planned are no answer either.
        held_up = not job.waits and outbox.has_open_letters(transaction.connection, wanted.study_id)
        if held_up:
            request_results(transaction, jobs.get(transaction.connection, job.id), self._clock.now())
        return job.waits or held_up

    def _cancel_older(self, transaction: Transaction, study: StudyId, revision: int) -> None:
        """What waits for an earlier revision and is no input of this one is not run any more."""
        for job in routing.cancel_waiting(transaction.connection, study, revision, OVERTAKEN):
            transaction.record(Action.JOB_CANCELLED, study, job=str(job), reason=OVERTAKEN, revision=revision)


def _reason(wanted: Sequence[str], waiting: Sequence[str], broken: Sequence[str]) -> str:
    unasked = f"; not asked, for its package is broken: {', '.join(broken)}" if broken else ""
    if not wanted:
        return f"no model wants it; `explain` says why{unasked}"
    said = f"waits for {', '.join(waiting)}" if waiting else "nothing new for the models that want it"
    return f"{said}{unasked}"


def decide(
    model: str, inputs: Sequence[Input], rules: Sequence[Rule] | None, series: Sequence[SeriesFacts]
) -> tuple[Choice, str]:
    """The series for one model and the reason in words: the package's conditions, narrowed by the site's rules."""
    if rules is None:
        choice = choose(_wanted(inputs), series)
        return choice, "a series meets its intended use" if choice.series_id else "no series meets its intended use"
    own = [rule for rule in rules if rule.model == model]
    if not own:
        return Choice({}, {}), "no rule names this model"
    choices = [(rule, choose(_wanted(inputs, rule.when), series)) for rule in own]
    for rule, choice in choices:
        if choice.series_id:
            return choice, f"rule {rule.name!r} and its intended use are met"
    return choices[-1][1], f"no series meets both its intended use and rule {choices[-1][0].name!r}"


def _wanted(inputs: Sequence[Input], *more: Conditions) -> list[Wanted]:
    """What each input's series must be. A rule's conditions narrow every input's alike."""
    return [Wanted(one.name, (one.conditions, *more)) for one in inputs]


def facts(slices: Sequence[SliceRow]) -> list[SeriesFacts]:
    """What routing may know of each series, gathered over all of its slices."""
    return [_series(list(group)) for _, group in groupby(slices, key=lambda row: row.series_id)]


def _series(rows: Sequence[SliceRow]) -> SeriesFacts:
    first = rows[0]
    return SeriesFacts(
        series_id=str(first.series_id),
        modality=first.modality,
        sop_classes=frozenset(row.sop_class for row in rows),
        body_parts=frozenset(row.body_part for row in rows),
        series_description=first.series_description,
        study_description=first.study_description,
        calling_aes=frozenset(row.calling_ae for row in rows if row.calling_ae),
        slices=sum(row.frames for row in rows),
        spacing_mm=_spacing(rows),
        views=frozenset(row.view for row in rows),
        ages=frozenset(row.age for row in rows if row.age is not None),
        image_types=frozenset(word for row in rows for word in row.image_type.split("\\") if word),
        photometric=frozenset(row.photometric for row in rows),
        contrast=any(row.contrast for row in rows),
        burned_in=any(row.burned_in for row in rows),
    )


def _spacing(rows: Sequence[SliceRow]) -> float | None:
    stated = [row.slice_spacing for row in rows if row.frames > 1]
    if stated:
        return None if None in stated else max(spacing for spacing in stated if spacing is not None)
    placed = [row for row in rows if row.position and row.orientation]
    if len(placed) < len(rows) or not placed:
        return None
    gap = largest_gap([row.position or () for row in placed], placed[0].orientation or ())
    return gap if gap is not None and gap > _SAME_POSITION else None
