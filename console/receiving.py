"""The roles between the log and the models: `index` and `assemble`."""

import os
import time

from config import metrics
from config.rules import Rule, load_rules
from config.settings import Settings
from console.events import consume
from console.packages import installed
from console.process import Context
from console.tasks import Seldom, turns, until
from consumers.routing import Router
from dicom_node.assembly import Assembler
from dicom_node.indexer import Indexer
from dicom_node.spool import BacklogMeter, LogReader
from domain.assembly import SettlePolicy
from domain.clock import SystemClock
from domain.events import EventType
from store import queries
from store.index import STUDIES_CHANNEL

_POLL = 0.5
_LATER = 10
# Seconds between looks at figures that cost a look at everything.
_FIGURES = 2.0


def index(context: Context) -> None:
    """The log into the object store and the index."""
    # A sender waits for the listener, and nobody for the index: where processors are few, the listener comes first.
    os.nice(_LATER)
    spool = context.settings.data / "spool"
    meter = BacklogMeter(spool)
    with LogReader(spool) as reader:
        indexer = Indexer(reader, context.ledger, context.objects)

        def measure() -> None:
            backlog = meter.measure()
            metrics.spool_bytes.set(backlog.bytes)
            metrics.queue_depth.labels("log").set(backlog.records)
            metrics.queue_age.labels("log").set(backlog.age(time.time_ns()))

        figures = Seldom(_FIGURES, measure)

        def turn() -> None:
            indexer.step(_POLL)
            figures()

        turns(context, turn)
        indexer.close()


def assemble(context: Context) -> None:
    """Completeness of studies, and routing of those that are complete."""
    settings = context.settings
    policy = SettlePolicy(settings.assembly.settle, settings.assembly.settle_by_modality)
    assembler = Assembler(context.ledger, policy)
    router = Router(lambda: installed(settings), lambda: site_rules(settings))
    handlers = {EventType.STUDY_COMPLETED: router, EventType.STUDY_AMENDED: router}
    news = context.database.listener(STUDIES_CHANNEL)
    clock = SystemClock()

    with consume(context, "routing", handlers) as routing:

        def count() -> None:
            for state, number in queries.studies_by_state(context.database).items():
                metrics.studies.labels(state).set(number)

        figures = Seldom(_FIGURES, count)

        def turn() -> None:
            routing.check()
            due = assembler.step()
            figures()
            news.wait(until(due, clock))

        turns(context, turn)
    news.close()


def site_rules(settings: Settings) -> tuple[Rule, ...] | None:
    """The rules as the file says now; None where the site has none."""
    return load_rules(settings.models.rules) if settings.models.rules else None
