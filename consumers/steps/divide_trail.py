"""The month has turned: the part of the trail that is open ends, and the next begins with the entry that says so."""

from audit.actions import Action
from audit.trail import Ledger
from store import trail_parts


def divide_trail(ledger: Ledger) -> int | None:
    """The number of the new part's first entry; None where none was due. By the database's clock.

    Raises GivenUp where somebody reads the trail for so long that the change would hold up whoever appends.
    """
    if not trail_parts.is_due(ledger.database):
        return None
    with ledger.transaction() as transaction:
        begun = trail_parts.begin_next(transaction.connection)
        if begun is not None:
            transaction.record(Action.PART_BEGUN, first=begun)
    return begun
