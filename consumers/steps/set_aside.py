"""Bytes under a UID that the index has are no correction, by a person's decision: a modality gave the UID twice."""

from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger
from consumers.steps.adopt import correction, lock
from consumers.steps.decided import assemble_anew
from dicom_node.intake.filing import Reread, reread
from domain.conflict_records import ConflictRecord
from domain.errors import Permanent
from domain.identity import ConflictEnd
from domain.states import StudyState
from store import conflicts, index
from store.conflicts import Correction
from store.index_rows import QuarantineRow
from store.objects import ObjectStore
from store.queries.standing import standing
from store.studies import StudyRow

_SET_ASIDE = "its UID is another image's, by a person's decision"
_DECIDED = "images under UIDs of others were set aside"
_CHANGED = "more of it came at this moment: look at it again, dicom-node conflicts list"
_ADOPTED = "these are the bytes that counted before a correction was adopted: adopting it again goes back"


def set_aside(ledger: Ledger, objects: ObjectStore, number: int, now: datetime, *, whole: bool = False) -> Correction:
    """Put the conflict's bytes, and those of its whole correction, into quarantine; a study that waited goes on.

    `whole` takes all other bytes that wait of the study as one correction.

    Raises Permanent where there is no such conflict, or it holds what an adopted correction replaced.
    """
    with ledger.database.transaction() as connection:
        found = correction(connection, number, whole)
    if any(one.adopted_at for one in found.conflicts):
        raise Permanent(_ADOPTED)
    read = [reread(objects.path(one.object_key)) for one in found.conflicts]
    with ledger.transaction() as transaction:
        sent = lock(transaction.connection, found)[found.sent]
        if correction(transaction.connection, number, whole) != found:
            raise Permanent(_CHANGED)
        before = standing(transaction.connection, found.sent)
        rows = [_row(sent, one, its) for one, its in zip(found.conflicts, read, strict=True)]
        index.file_quarantined(transaction.connection, rows)
        conflicts.close(transaction.connection, [one.id for one in found.conflicts], ConflictEnd.ASIDE)
        if sent.state is StudyState.STUCK:
            assemble_anew(transaction, sent, sent.patient, _DECIDED, now)
        aside = [[one.sop_uid, one.digest] for one in found.conflicts]
        changed = before.changed(transaction.connection)
        transaction.record(Action.CONFLICT_SET_ASIDE, sent.id, study_uid=sent.uid, set_aside=aside, **changed)
    return found


def _row(study: StudyRow, one: ConflictRecord, read: Reread) -> QuarantineRow:
    return QuarantineRow(
        sop_uid=one.sop_uid,
        sop_class=read.sop_class,
        digest=one.digest,
        association_id=one.association_id,
        object_key=one.object_key,
        reason=_SET_ASIDE,
        received_at=one.received_at,
        study_id=study.id,
        series_uid=read.header.series_uid,
        set_aside=True,
    )
