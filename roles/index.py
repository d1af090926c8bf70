"""The role `index`: the spool into the object store and the index."""

import os
import time

from config import metrics
from consumers.steps.decide import Decider
from consumers.steps.index import Indexer
from dicom_node.intake.identity import PatientMarks
from dicom_node.offers import Offers
from dicom_node.spool import BacklogMeter, SpoolReader
from domain.stopping import Stopped
from roles.disk_use import publish_space
from roles.identity_key import patient_marks
from roles.parts import sweep_drafts
from roles.process import Context
from roles.tasks import Throttled, at_once_then, run_loop, until_available
from store.holders import Life

_POLL = 0.5
_LATER = 10
# Seconds between looks at figures that cost a look at everything.
_FIGURES = 2.0
# Seconds between looks at what others ask us to commit to.
_DECISIONS = 0.5
# Of the time that the log would have, be there ever so many questions.
_SHARE = 0.2
# Seconds between two proofs that this spool's index lives: a host is forgotten that has none.
_PROOFS = 2.0


def index(context: Context) -> None:
    """The log into the object store and the index."""
    # A sender waits for the listener, and nobody for the index: where processors are few, the listener comes first.
    os.nice(_LATER)
    spool = context.settings.data / "spool"
    sweep_drafts(context, "index")
    meter = BacklogMeter(spool)
    with SpoolReader(spool) as reader:
        life = Life(context.database, reads=reader.identity)
        try:
            marks = until_available(context, lambda: _marks(context, life))
        except Stopped:
            life.close()
            return
        proving = Throttled(_PROOFS, life.prove)
        kept = context.settings.privacy.descriptions
        indexer = Indexer(
            reader, context.ledger, context.objects, alive=context.health.pulse, marks=marks, descriptions=kept
        )

        decider = Decider(context.ledger, Offers(spool), reader.identity, lambda: meter.measure().oldest_ns)
        deciding = Throttled(_DECISIONS, decider.step, _SHARE)
        figures = Throttled(_FIGURES, lambda: _measure(meter, context))
        waits = at_once_then(_POLL)

        def turn() -> None:
            proving()
            figures()  # before: what came while no index ran may take long
            indexer.step(next(waits))
            deciding()

        run_loop(context, turn)
        indexer.close()
        life.close()


def _marks(context: Context, life: Life) -> PatientMarks:
    """By the node's key, made sure of once this index can be seen: while it can, no other key becomes the node's.

    One that has a wrong key is not seen, for it is to be waited for by nobody.
    """
    patient_marks(context.settings, context.database)
    life.prove()
    return patient_marks(context.settings, context.database)


def _measure(meter: BacklogMeter, context: Context) -> None:
    publish_space(context.settings)
    backlog = meter.measure()
    metrics.spool_bytes.set(backlog.bytes)
    metrics.queue_depth.labels("spool").set(backlog.records)
    metrics.queue_age.labels("spool").set(backlog.age(time.time_ns()))
