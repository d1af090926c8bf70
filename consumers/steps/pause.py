"""A destination or a model is held back by a person: what waits for it goes on waiting, and nothing is lost."""

from audit.actions import Action
from audit.trail import Ledger
from domain.errors import Permanent
from domain.pauses import Held
from store import pauses


def pause(ledger: Ledger, kind: Held, name: str, reason: str, user: str) -> None:
    """Send there nothing more, or run it no more, until `resume`; what is under way at this moment ends.

    Raises Permanent where it is paused already.
    """
    with ledger.transaction() as transaction:
        if not pauses.pause(transaction.connection, kind, name, reason, user):
            known = pauses.all_paused(transaction.connection)
            raise Permanent(*(one.said for one in known if (one.kind, one.name) == (kind, name)))
        after = {"paused_by": user, "reason": reason}
        transaction.record(Action.PAUSED, kind=kind.value, name=name, reason=reason, user=user, before={}, after=after)
