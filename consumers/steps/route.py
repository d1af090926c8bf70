"""On a study's completion: which models run on which series, and why; a job for each."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Transaction
from config.retries import AMENDMENTS
from config.rules import Rule
from consumers.steps import early, stuck
from consumers.steps.known_models import register_packages
from consumers.steps.request_priors import AskPriors, no_priors
from consumers.steps.request_results import request_results
from consumers.steps.request_summary import WhenEnded, no_request
from domain.choice import Choice, Wanted, choose
from domain.clock import Clock, SystemClock
from domain.errors import Unfounded
from domain.events import Event, InferenceRequested, StudyCompleted
from domain.ids import StudyId
from domain.instances import series_facts
from domain.routing import Conditions, SeriesFacts
from domain.states import JobState
from models.manifest import Manifest
from models.registry import Package, Release, changed_package, older_package
from store import deliveries, jobs, outbox, priors, routing, studies
from store import packages as known_packages
from store.deliveries import DELIVERIES_CHANNEL
from store.jobs import JOBS_CHANNEL, OVERTAKEN
from store.routing import Decision, WantedJob

_NO_IMAGES = "it has no images any more: dicom-node conflicts list"


class Router:
    """Handles study.completed and study.amended.

    `packages` and `rules` are asked anew for each study, so that a mended rules file works without a restart; `rules`
    gives None where the site has no rules file and each package's own conditions decide. `broken` says what is wrong
    with packages that cannot be asked: the others are, all the same. `not_older` gives those that must not run where a
    newer version of them has been known. `unasked` says why a package cannot be asked whatever the study, by `rules`.
    `when_asked` is called last: all that a study wants may be there already. `ask_priors` has archives asked for
    earlier studies and says how long jobs wait for them.
    """

    def __init__(
        self,
        packages: Callable[[], Iterable[Package]],
        rules: Callable[[], Sequence[Rule] | None],
        clock: Clock | None = None,
        broken: Callable[[], Mapping[str, str]] = dict,
        not_older: Callable[[Iterable[Package]], Iterable[Release]] = lambda _packages: (),
        unasked: Callable[[Package, Sequence[Rule] | None], str] = lambda _package, _rules: "",
        when_asked: WhenEnded = no_request,
        ask_priors: AskPriors = no_priors,
    ) -> None:
        self._packages = packages
        self._rules = rules
        self._broken = broken
        self._not_older = not_older
        self._unasked = unasked
        self._when_asked = when_asked
        self._ask_priors = ask_priors
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Decide for every package; a revision that a newer one has overtaken is left to that one.

        Raises Unfounded where the study is not there, or was never complete with that revision.
        """
        revision, connection = event.of(StudyCompleted).revision, transaction.connection
        rules = self._rules()
        # Whose outcome is being written is waited for: what ends badly at this moment is opened again below.
        asked_before = jobs.lock(connection, event.study_id) > 0
        if asked_before:
            deliveries.lock(connection, event.study_id)
        now_at = studies.lock_and_count(connection, event.study_id)
        if now_at is None:
            raise Unfounded("there is no such study")
        if now_at < revision:
            raise Unfounded("the study has no such revision")
        if now_at > revision:
            return
        series = series_facts(routing.instance_facts(connection, event.study_id, revision))
        study = _Study(event.study_id, revision, series, self._clock.now())
        packages = self.packages(transaction, rules)
        made = [_decide(study, rules, one, barred) for one, barred in packages]
        wanted = [job for _, job in made if job]
        broken = self._broken()
        routing.note_decisions(connection, [*(one for one, _ in made), *_of_broken(study, broken)])
        opened: list[str] = []
        found: list[str] = []
        asked = [one for (one, _), (_, job) in zip(packages, made, strict=True) if job]
        waits = self._ask_priors(transaction, event.study_id, asked)
        waiting = [
            job.model for job in wanted if self._request(transaction, job, opened, found, waits.get(job.model, 0.0))
        ]
        early.leave(transaction, event.study_id, revision)
        # Results that are there already are no answer either while a destination has not got them.
        again = self._leave_older(transaction, study) if asked_before else 0
        reason = _reason([job.model for job in wanted], waiting, found, sorted(broken)) if series else _NO_IMAGES
        if opened:
            stuck.release_if_nothing_is_left(transaction, event.study_id, reason, self._clock.now(), opened)
        studies.note_progress(connection, event.study_id, reason, self._clock.now())
        models = [job.model for job in wanted]
        transaction.record(Action.ROUTED, event.study_id, revision=revision, models=models, deliveries_again=again)
        if waiting:
            transaction.wake(JOBS_CHANNEL)
        if again:
            transaction.wake(DELIVERIES_CHANNEL)
        self._when_asked(transaction, event.study_id, self._clock.now())

    def packages(self, transaction: Transaction, rules: Sequence[Rule] | None) -> Sequence[tuple[Package, str]]:
        """Those that are installed, by name; with each why it cannot be asked, "" where it can."""
        ordered = sorted(self._packages(), key=lambda package: package.name)
        barred = self._barred(transaction, ordered, rules)
        return [(one, barred.get(one.release, "")) for one in ordered]

    def rules(self) -> Sequence[Rule] | None:
        """The site's rules as they are now, None where it has none."""
        return self._rules()

    def _barred(
        self, transaction: Transaction, packages: Sequence[Package], rules: Sequence[Rule] | None
    ) -> Mapping[Release, str]:
        """Why packages are not asked: one is known with other contents, a newer version of another has been known."""
        unasked = {one.release: said for one in packages if (said := self._unasked(one, rules))}
        changed = register_packages(transaction, packages)
        newer = known_packages.newer(transaction.connection, self._not_older(packages))
        older = {release: older_package(known) for release, known in newer.items()}
        return unasked | older | {release: changed_package(release[1]) for release in changed}

    def _request(
        self, transaction: Transaction, wanted: WantedJob, opened: list[str], found: list[str], waits: float
    ) -> bool:
        """Have the job done; False where its findings are there already, and none of their events is a dead letter.

        Adds its model to `opened` where it is requested by this, to `found` where it was done early.
        """
        delay = AMENDMENTS.delay(wanted.revision - 2) or 0.0 if wanted.revision > 2 else 0.0
        job = routing.request_job(transaction.connection, wanted, max(delay, waits))
        if job.opened:
            if waits:
                priors.let_wait(transaction.connection, job.id)
            opened.append(wanted.model)
            data = InferenceRequested(job.id, wanted.model, wanted.version, wanted.revision, wanted.series_id)
            transaction.emit(Event(data, wanted.study_id, self._clock.now()))
        # Findings whose results were never written or planned are no answer either.
        done = jobs.get(transaction.connection, job.id)
        if job.was_early:
            early.want(transaction, done, self._clock.now())
            found += [wanted.model] if done.state is JobState.SUCCEEDED else []
        is_done = done.state is JobState.SUCCEEDED and done.findings
        held_up = bool(is_done and outbox.open_letters(transaction.connection, wanted.study_id))
        if held_up:
            request_results(transaction, done, self._clock.now())
        return job.waits or held_up

    def _leave_older(self, transaction: Transaction, study: "_Study") -> int:
        """What waits for an earlier revision and is no input of this one is not run any more.

        What ended badly on its way to a destination is tried anew; how many deliveries that are.
        """
        for job in routing.cancel_waiting(transaction.connection, study.id, study.revision, OVERTAKEN):
            transaction.record(Action.JOB_CANCELLED, study.id, job=str(job), reason=OVERTAKEN, revision=study.revision)
        return deliveries.reopen(transaction.connection, study.id, "the study was amended", study.revision)


@dataclass(frozen=True)
class _Study:
    """A revision of a study for which models are chosen."""

    id: StudyId
    revision: int
    series: Sequence[SeriesFacts]
    now: datetime


def _of_broken(study: _Study, broken: Mapping[str, str]) -> list[Decision]:
    """Have `explain` say why a package that cannot be read was not asked."""
    reasons = {name: f"the package is broken: {'; '.join(said.splitlines())}" for name, said in broken.items()}
    return [
        Decision(study.id, study.revision, name, "", None, {}, reason, {}, study.now)
        for name, reason in sorted(reasons.items())
    ]


def _decide(
    study: _Study, rules: Sequence[Rule] | None, package: Package, barred: str
) -> tuple[Decision, WantedJob | None]:
    """Why a package is asked or is not, and the job where it is."""
    name, version = package.release
    choice, reason = decide(package.manifest, rules, study.series)
    if barred:
        choice, reason = Choice({}, {}), barred
    series_id, inputs = uuid.UUID(choice.series_id) if choice.series_id else None, dict(choice.inputs)
    refusals = {one: list(reasons) for one, reasons in choice.refusals.items()}
    decision = Decision(study.id, study.revision, name, version, series_id, inputs, reason, refusals, study.now)
    if series_id is None:
        return decision, None
    images = {one: list(uids) for one, uids in choice.images.items()}
    return decision, WantedJob(study.id, series_id, inputs, study.revision, name, version, package.digest, images)


def _reason(wanted: Sequence[str], waiting: Sequence[str], found: Sequence[str], broken: Sequence[str]) -> str:
    unasked = f"; not asked, for its package is broken: {', '.join(broken)}" if broken else ""
    if not wanted:
        return f"no model wants it; `explain` says why{unasked}"
    done = f"{', '.join(found)} done early; results are being written" if found else ""
    waits = f"waits for {', '.join(waiting)}" if waiting else ""
    said = "; ".join(filter(None, (waits, done))) or "nothing new for the models that want it"
    return f"{said}{unasked}"


def decide(manifest: Manifest, rules: Sequence[Rule] | None, series: Sequence[SeriesFacts]) -> tuple[Choice, str]:
    """The series for one model and the reason in words: the package's conditions, narrowed by the site's rules."""
    registered = manifest.registration is not None
    if rules is None:
        choice = choose(wanted_by(manifest), series, registered)
        return choice, _met(choice)
    own = rules_for(manifest, rules)
    if not own:
        return Choice({}, {}), "no rule names this model"
    choices = [(rule, choose(wanted_by(manifest, rule.when), series, registered)) for rule in own]
    for rule, choice in choices:
        if choice.series_id:
            several = f" by images of {len(choice.series)} series" if choice.more else ""
            return choice, f"rule {rule.name!r} and its intended use are met{several}"
    return choices[-1][1], f"no series meets both its intended use and rule {choices[-1][0].name!r}"


def _met(choice: Choice) -> str:
    if choice.more:
        return f"images of {len(choice.series)} series meet its intended use"
    return f"{'a' if choice.series_id else 'no'} series meets its intended use"


def rules_for(manifest: Manifest, rules: Sequence[Rule]) -> list[Rule]:
    """Those that name the model; the first of them that a study meets decides."""
    return [rule for rule in rules if rule.model == manifest.identity.name]


def wanted_by(manifest: Manifest, *more: Conditions) -> list[Wanted]:
    """What the inputs of a package ask for; a rule's conditions narrow every input's alike."""
    return [
        Wanted(one.name, (one.conditions, *more), one.kind, one.prefer, one.missing_slices) for one in manifest.inputs
    ]
