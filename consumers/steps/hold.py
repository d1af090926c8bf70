"""By a person's word: a study is held, so that nothing of it is removed, or let go again."""

from audit.actions import Action
from audit.trail import Ledger, Transaction
from domain.errors import Permanent
from domain.ids import StudyId
from store import holds, studies


def hold(ledger: Ledger, study: StudyId, reason: str, user: str) -> int:
    """Let nothing of a study be removed from now on; how many of its images are there still."""
    with ledger.transaction() as transaction:
        studies.lock(transaction.connection, {study})
        before = _said(transaction, study)
        holds.hold(transaction.connection, study, reason, user)
        after = {"hold": reason}
        transaction.record(Action.HELD, study, reason=reason, user=user, before=before, after=after)
        return studies.size(transaction.connection, study)[1]


def release(ledger: Ledger, study: StudyId, user: str) -> None:
    """Let what is done of it be removed again; raises Permanent where it is under no hold."""
    with ledger.transaction() as transaction:
        studies.lock(transaction.connection, {study})
        before = _said(transaction, study)
        if not holds.release(transaction.connection, study):
            raise Permanent("the study is under no hold: dicom-node hold")
        transaction.record(Action.HOLD_RELEASED, study, user=user, before=before, after={})


def _said(transaction: Transaction, study: StudyId) -> dict[str, str]:
    """The hold that it is under, as the trail says it."""
    found = holds.hold_of(transaction.connection, study)
    return {"hold": found.reason, "held_by": found.held_by} if found else {}
