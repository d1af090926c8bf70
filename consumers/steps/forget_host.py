"""A host that is lost with its spool: the studies that it held back go on, for it will never say what it had synced."""

from audit.actions import Action
from audit.trail import Ledger
from domain.errors import Permanent
from store import studies
from store.holders import spool_is_read
from store.index import STUDIES_CHANNEL


def forget_host(ledger: Ledger, spool: str, user: str) -> int:
    """Hold no study back for `spool` any more; how many those were. `user` is who says so.

    Raises Permanent where an index reads that spool, which lets go by itself, or it holds nothing.
    """
    with ledger.transaction() as transaction:
        connection = transaction.connection
        if spool_is_read(connection, spool):
            raise Permanent(f"the index of {spool} works: what it holds back it lets go of by itself")
        held = studies.held_by(connection, spool)
        if not held:
            raise Permanent(f"no study is held back by {spool}")
        studies.note_synced(connection, spool, None)
        for study in held:
            transaction.record(Action.HOST_FORGOTTEN, study, spool=spool, user=user)
        transaction.wake(STUDIES_CHANNEL)
    return len(held)
