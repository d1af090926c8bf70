"""A study that came because the node asked for it: it is there to be compared with, and no model is chosen for it."""

from datetime import datetime

from audit.actions import Action
from audit.trail import Transaction
from domain.states import StudyEvent
from store import studies
from store.studies import StudyRow

_SHELVED = "it was fetched to be compared with; sent by anybody else, it is a study as others are"


def shelve(transaction: Transaction, study: StudyRow, now: datetime) -> None:
    """End such a study, which this transaction has locked, without a word to whoever chooses models."""
    revision = studies.complete(transaction.connection, study, _SHELVED, now)
    studies.apply(transaction.connection, study.id, StudyEvent.ARCHIVE, _SHELVED, now)
    transaction.record(Action.STUDY_FETCHED, study.id, study_uid=study.uid, revision=revision)
