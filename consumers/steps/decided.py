"""What a study has was changed by a person's decision: it is assembled anew, in whatever state it was."""

from datetime import datetime

from audit.trail import Transaction
from domain.states import STUDY, StudyEvent, advance
from store import index, studies
from store.studies import Patient, Received, StudyRow


def assemble_anew(transaction: Transaction, study: StudyRow, patient: Patient, reason: str, now: datetime) -> None:
    """Have a study that this transaction has locked completed again; `patient` is whom its images name now."""
    state = advance(STUDY, study.state, StudyEvent.INSTANCE)
    studies.note_received(transaction.connection, [Received(study.id, state, reason, patient)], now)
    transaction.wake(index.STUDIES_CHANNEL)
