"""A destination or a model that was held back goes on, with all that waited for it."""

from audit.actions import Action
from audit.trail import Ledger
from domain.errors import Permanent
from domain.pauses import Held, Pause
from store import pauses
from store.deliveries import DELIVERIES_CHANNEL
from store.jobs import JOBS_CHANNEL


def resume(ledger: Ledger, kind: Held, name: str, user: str) -> Pause:
    """Let it go on; the pause that ended. Raises Permanent where it was not paused."""
    with ledger.transaction() as transaction:
        ended = pauses.resume(transaction.connection, kind, name)
        if ended is None:
            raise Permanent(f"no {kind} {name} is paused: dicom-node status")
        since = ended.since.isoformat(timespec="seconds")
        before = {"paused_by": ended.paused_by, "reason": ended.reason, "since": since}
        transaction.record(Action.RESUMED, kind=kind.value, name=name, user=user, before=before, after={})
        transaction.wake(DELIVERIES_CHANNEL)
        transaction.wake(JOBS_CHANNEL)
    return ended
