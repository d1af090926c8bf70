"""The role `work`: inference."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from config import retries
from config.settings import Settings
from consumers.leased import LeasedLoop
from consumers.steps.infer import Inference
from consumers.steps.known_models import register_packages
from consumers.steps.request_summary import no_request, request_when_ended
from domain.errors import ConfigurationError, IntegrityError, Retryable
from inference_worker.model_process import ModelProcess, ModelProcessSettings
from models.installed import broken, installed, must_not_be_older
from models.manifest import VISION
from models.provenance import Provenance, provenance
from models.registry import Package, changed_package, older_package
from models.words import vocabulary
from roles.devices import setup
from roles.parts import sweep_drafts
from roles.process import Context
from roles.tasks import Throttled, beating, holder_name, publish_backlog, run_loop, wait_at_most
from store import packages as known_packages
from store.holders import Holder, Life
from store.jobs import JOBS, JOBS_CHANNEL, Job

if TYPE_CHECKING:
    from inference_worker.asked import Runner

_log = logging.getLogger(__name__)
# Seconds between looks at the folder of packages, and at figures that cost a query.
_LOOKS = 1.0


def work(context: Context) -> None:
    """Run jobs until told to stop. Each turn runs one, so that nothing else that this process does has to wait."""
    settings = context.settings
    sweep_drafts(context, "work")
    process = ModelProcessSettings(
        setup(settings, context.index),
        settings.models.load_timeout,
        scratch=settings.data / "work",
        room=round(settings.models.scratch_gb * 1_000_000_000),
    )
    child, about = _models(context, process)
    warm = WarmModels(context, child)

    def prepared(job: Job) -> None:
        warm.prepare(job)
        about(job)

    life = Life(context.database)
    loop = LeasedLoop(
        context.ledger,
        _inference(context, child, warm, prepared),
        Holder(holder_name("work", context), life),
        settings.models.lease,
        context.health.beat,
        context.stop,
    )
    notifications = context.database.listener(JOBS_CHANNEL)
    refresh = Throttled(_LOOKS, warm.refresh)
    measure = Throttled(_LOOKS, lambda: _measure(context))

    def turn() -> None:
        refresh()
        measure()
        if not loop.step():
            notifications.wait(wait_at_most(loop.seconds_until_due()))

    try:
        run_loop(context, turn)
    finally:
        child.stop()
        notifications.close()
        life.close()


def _models(context: Context, process: ModelProcessSettings) -> tuple["Runner", Callable[[Job], None]]:
    """What runs packages, and what is told of each job before it runs."""
    child = ModelProcess(process)
    if not context.settings.vision_models:
        return child, lambda job: None
    from roles.vision import Vision, renderer  # noqa: PLC0415 - a worker that asks nobody has nothing to ask with

    vision = Vision(context, child, renderer(process))
    return vision.models, vision.about


def _inference(context: Context, child: "Runner", warm: "WarmModels", prepared: Callable[[Job], None]) -> Inference:
    settings = context.settings
    return Inference(
        context.database,
        context.objects,
        child,
        retries.jobs(settings.models),
        settings.models.timeout,
        settings.data / "work",
        prepared=prepared,
        alongside=lambda model: _alongside(settings, warm.packages, model),
        when_ended=request_when_ended if settings.summary.enabled else no_request,
        made_by=warm.made_by,
    )


def _alongside(settings: Settings, packages: Sequence[Package], model: str) -> int:
    """How many jobs of a model share the network's batches: several only where a network reads image by image."""
    images = (one.manifest for one in packages if one.name == model and one.manifest.inputs[0].kind == "images")
    return settings.models.together if any(one.network.kind != VISION for one in images) else 1


def _measure(context: Context) -> None:
    with context.database.transaction() as connection:
        publish_backlog("jobs", JOBS.backlog(connection))


class WarmModels:
    """Keeps the model process on the packages as they are: it starts anew when one was added, removed or changed."""

    def __init__(self, context: Context, child: "Runner") -> None:
        self._context = context
        self._child = child
        self._digests: list[str] | None = None
        self._fault = ""
        self._broken: Mapping[str, str] = {}
        self.packages: Sequence[Package] = ()

    def prepare(self, job: Job) -> None:
        """See that the process has the job's package, which may have been installed a moment ago."""
        if job.model_digest not in (self._digests or ()):
            self.refresh()

    def made_by(self, digest: str) -> Provenance:
        """What the package with this digest says of itself; nothing where it is not there any more."""
        return next((provenance(one) for one in self.packages if one.digest == digest), Provenance())

    def refresh(self) -> None:
        """Start the process where it has not these packages. What is wrong is said once here, and by each job."""
        try:
            packages = installed(self._context.settings)
            self._name_broken(broken(self._context.settings))
        except ConfigurationError as error:
            self._complain(error)
            return
        digests = [package.digest for package in packages]
        if digests == self._digests:
            return
        self._register(packages)
        self.packages, self._digests = packages, digests
        self._restart()

    def _name_broken(self, packages: Mapping[str, str]) -> None:
        """Say once of each that is new or otherwise wrong than before."""
        for name in sorted(set(packages.items()) - set(self._broken.items())):
            _log.error("model package %s does not run: %s", *name)
        self._broken = packages

    def _register(self, packages: Sequence[Package]) -> None:
        with self._context.ledger.transaction() as transaction:
            connection, changed = transaction.connection, register_packages(transaction, packages)
            known_packages.keep_words(connection, {one.digest: vocabulary(one.manifest) for one in packages})
            newer = known_packages.newer(connection, must_not_be_older(packages, self._context.settings))
        for name, version in sorted(changed):
            _log.error("model package %s does not run: %s", name, changed_package(version))
        for (name, _), known in sorted(newer.items()):
            _log.error("model package %s does not run: %s", name, older_package(known))

    def _restart(self) -> None:
        self._context.health.waiting("the models to be warm")
        try:
            with beating(self._context):
                self._child.stop()
                if self.packages:
                    self._child.start()
            _log.info("models are warm", extra={"models": len(self.packages)})
            self._fault = ""
        except (ConfigurationError, IntegrityError, Retryable) as error:
            self._complain(error)
        self._context.health.ready("the models to be warm")

    def _complain(self, error: Exception) -> None:
        if str(error) != self._fault:
            _log.error("models cannot be loaded: %s", error)
        self._fault = str(error)
