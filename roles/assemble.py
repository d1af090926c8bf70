"""The role `assemble`: which studies are complete, and which models they want."""

from config import metrics
from config.rules import Rule, load_rules
from config.settings import Assembly, Settings
from consumers.steps.assemble import AHEAD, ROUTING, Assembler
from consumers.steps.awaited_requests import AwaitedRequests
from consumers.steps.request_priors import no_priors, request_priors
from consumers.steps.request_summary import no_request, request_when_ended
from consumers.steps.route import Router
from consumers.steps.start_early import EarlyStarter
from domain.clock import SystemClock
from domain.completeness import SettlePolicy
from domain.errors import ConfigurationError
from models.installed import broken, descriptionless, installed, must_not_be_older
from roles.archives import archive_tasks
from roles.consume import consume
from roles.process import Context
from roles.tasks import Throttled, run_loop, wait_at_most
from roles.worklist import any_asks, worklist_tasks, worklists
from store.index import STUDIES_CHANNEL
from store.queries.studies import studies_by_state

# Seconds between looks at figures that cost a look at everything.
_FIGURES = 2.0


def assemble(context: Context) -> None:
    """Completeness of studies, and routing of those that are complete."""
    settings = context.settings
    names = [one.name for one in worklists(settings)]
    awaits = AwaitedRequests(names, settings.assembly.worklist, lambda: _any_asks(settings), SystemClock())
    assembler = Assembler(context.ledger, settle_policy(settings.assembly), ahead=AHEAD, awaits=awaits)
    router = Router(
        lambda: installed(settings),
        lambda: site_rules(settings),
        broken=lambda: broken(settings),
        not_older=lambda found: must_not_be_older(found, settings),
        unasked=lambda package, rules: descriptionless(package, settings, rules),
        when_asked=request_when_ended if settings.summary.enabled else no_request,
        ask_priors=request_priors if any(one.priors for one in settings.sources) else no_priors,
    )
    starter = EarlyStarter(context.ledger, router) if settings.assembly.early else None
    notifications = context.database.listener(STUDIES_CHANNEL)
    asking = [*worklist_tasks(context), *archive_tasks(context)]

    with consume(context, ROUTING, router) as routing:

        def count() -> None:
            for state, number in studies_by_state(context.database).items():
                metrics.studies.labels(state).set(number)

        figures = Throttled(_FIGURES, count)

        def turn() -> None:
            routing.check()
            for task in asking:
                task.check()
            again_in = [assembler.step(), starter.step() if starter else None]
            figures()
            notifications.wait(wait_at_most(min((one for one in again_in if one is not None), default=None)))

        run_loop(context, turn)
    notifications.close()


def settle_policy(assembly: Assembly) -> SettlePolicy:
    """When a study is complete, as the settings say."""
    return SettlePolicy(assembly.settle, assembly.settle_by_modality, assembly.hold, assembly.grace, assembly.missing)


def _any_asks(settings: Settings) -> bool:
    """Whether models are chosen by what was requested; not while that cannot be told."""
    try:
        return any_asks(installed(settings), site_rules(settings))
    except ConfigurationError:
        return False


def site_rules(settings: Settings) -> tuple[Rule, ...] | None:
    """The rules as the file says now; None where the site has none."""
    return load_rules(settings.models.rules) if settings.models.rules else None
