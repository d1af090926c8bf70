"""By a person's word: descriptions that the database kept so far are taken out of it."""

from audit.actions import Action
from audit.trail import Ledger
from store import descriptions
from store.descriptions import Cleared

_TOGETHER = 200  # studies in one transaction, so that none is locked for long


def clear_descriptions(ledger: Ledger, user: str) -> Cleared:
    """Clear every row, an entry of the trail for each two hundred studies; how many there were. The same again: none.

    Rows only: the server's log of changes, its backups and the objects themselves have what they had.
    """
    done = Cleared()
    with ledger.transaction() as transaction:
        if requests := descriptions.clear_requests(transaction.connection):
            transaction.record(Action.DESCRIPTIONS_CLEARED, user=user, requests=requests)
    while True:
        with ledger.transaction() as transaction:
            found = descriptions.described(transaction.connection, _TOGETHER)
            if not found:
                return done
            now = descriptions.clear(transaction.connection, found)
            transaction.record(Action.DESCRIPTIONS_CLEARED, user=user, **vars(now))
        done = Cleared(done.studies + now.studies, done.series + now.series, done.instances + now.instances)
