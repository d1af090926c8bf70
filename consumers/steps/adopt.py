"""A corrected instance under a known UID (a merged patient, a mended header) becomes the one that counts.

Nobody but a person can say which of two sets of bytes is right. What was kept so far is not lost: it takes the other's
place in the conflict, so that adopting the same conflict again goes back.
"""

from datetime import datetime

from audit.trail import Action, Ledger, Transaction
from consumers.steps.index_batch import instance_row, series_row
from dicom_node.intake.filing import Reread, reread
from domain.errors import Permanent
from domain.records import ConflictRecord
from domain.states import STUDY, StudyEvent, advance
from store import conflicts, index, studies
from store.index_rows import InstanceRow, KeptBytes
from store.objects import ObjectStore
from store.studies import Received, StudyRow

_REASON = "a corrected instance was adopted"


def adopt(ledger: Ledger, objects: ObjectStore, number: int, now: datetime) -> ConflictRecord:
    """Make the conflict's bytes those of its instance, and let the study be complete anew; the conflict as it was.

    Raises Permanent where there is no such conflict, or its bytes belong to another study.
    """
    with ledger.transaction() as transaction:
        study_uid = conflicts.study_of(transaction.connection, number)
        if study_uid is None:
            raise Permanent(f"there is no conflict {number}: dicom-node conflicts list")
        study = studies.lock_or_make(transaction.connection, {study_uid}, now)[study_uid]
        conflict = conflicts.get(transaction.connection, number)
        instance = reread(objects.path(conflict.object_key))
        if instance.header.study_uid != study_uid:
            raise Permanent("these bytes belong to another study: only its own can be adopted")
        conflicts.swap(transaction.connection, conflict, _row(transaction, conflict, instance, study))
        state = advance(STUDY, study.state, StudyEvent.INSTANCE)
        studies.note_received(transaction.connection, [Received(study.id, state, _REASON)], now)
        details = {"instance": conflict.sop_uid, "sha256": conflict.digest, "was": conflict.kept_digest}
        transaction.record(Action.ADOPTED, study.id, **details)
        transaction.wake(index.STUDIES_CHANNEL)
    return conflict


def _row(transaction: Transaction, conflict: ConflictRecord, instance: Reread, study: StudyRow) -> InstanceRow:
    header = instance.header
    row = series_row(study.id, header)
    series_id = index.file_series(transaction.connection, [row])[study.id, header.series_uid]
    kept = KeptBytes(
        association_id=conflict.association_id,
        sop_class=instance.sop_class,
        transfer_syntax=instance.transfer_syntax,
        digest=conflict.digest,
        size=instance.size,
        object_key=conflict.object_key,
        received_at=conflict.received_at,
    )
    return instance_row(study, series_id, header, kept)
