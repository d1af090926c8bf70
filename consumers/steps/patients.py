"""A person says whose images a study has that name two patients: some of them are, or all of them are one's.

The index knows digests and no names, so that a person looks at the images themselves, in the PACS.
"""

from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps.decided import assemble_anew
from consumers.steps.withdraw import withdraw
from domain.errors import Permanent
from domain.identity import disagreeing
from domain.ids import StudyId
from store import deliveries, index, jobs, patients, rejections, studies
from store.holders import an_index_works
from store.index_rows import QuarantineRow
from store.patients import TakenOut
from store.queries.standing import standing
from store.studies import StudyRow

_SET_ASIDE = "it names another patient than the study, by a person's decision"
_WITHDRAWN = "they were made of images of another patient"
_NOBODY = "no image of the study disagrees with these: dicom-node patients list"
_INDEX_WORKS = (
    "a role index works on this database and goes on with the key that it has: stop the node on every host, give all "
    "hosts the new key, ask again, and start them"
)
_UNDECIDED = "the images of {count} studies name two patients: decide about those first"


@dataclass(frozen=True)
class Decided:
    """How many images were set aside, and of how many runs the results were withdrawn."""

    set_aside: int
    withdrawn: int


def keep(ledger: Ledger, study: StudyId, number: int, now: datetime) -> Decided:
    """Set aside the images that disagree with those of group `number`; the study is complete anew without them.

    Raises Permanent where there is no such group, or nothing disagrees with it.
    """
    with ledger.transaction() as transaction:
        row = _lock(transaction, study)
        groups = patients.groups(transaction.connection, study)
        kept = next((one.marks for one in groups if one.shown.number == number), None)
        if kept is None:
            raise Permanent(f"there is no group {number}: dicom-node patients list")
        before = standing(transaction.connection, study)
        wrong = [one.marks for one in groups if disagreeing({*kept, *one.marks}, row.patient.same)]
        if not wrong:
            raise Permanent(_NOBODY)
        taken = patients.take_out(transaction.connection, study, wrong)
        index.file_quarantined(transaction.connection, [_quarantined(study, one) for one in taken])
        # What a run has read is wrong; what came later than every run is wrong for nobody.
        was_read = any(one.revision <= row.revision for one in taken)
        withdrawn = withdraw(transaction, study, _WITHDRAWN, now) if was_read else 0
        patient = studies.patient_of(transaction.connection, row)
        assemble_anew(transaction, row, patient, "images of another patient were set aside", now)
        aside = [[one.sop_uid, one.digest] for one in taken]
        changed = before.changed(transaction.connection)
        transaction.record(Action.PATIENT_KEPT, study, study_uid=row.uid, set_aside=aside, **changed)
    return Decided(len(taken), withdrawn)


def accept(ledger: Ledger, study: StudyId, now: datetime) -> None:
    """Take all that the study's images name for one patient; raises Permanent where they name one anyhow."""
    with ledger.transaction() as transaction:
        row = _lock(transaction, study)
        if not row.patient.two:
            raise Permanent("its images name one patient")
        before = standing(transaction.connection, study)
        differ = disagreeing(row.patient.named, row.patient.same)
        patient = studies.accept_patient(transaction.connection, row)
        assemble_anew(transaction, row, patient, "its images are one patient's, by a person's decision", now)
        changed = before.changed(transaction.connection)
        transaction.record(Action.PATIENT_ACCEPTED, study, study_uid=row.uid, differ=list(differ), **changed)


def forget_key(ledger: Ledger) -> None:
    """Let another key be the node's: of all that is indexed it is unknown then whom it names.

    Raises Permanent while a study waits for a decision, or an index works: it would digest by the old key to its end.
    """
    with ledger.transaction() as transaction:
        if undecided := patients.undecided(transaction.connection):
            raise Permanent(_UNDECIDED.format(count=undecided))
        patients.forget_marks(transaction.connection)
        # Looked at last: an index that begins makes sure of its key once it can be seen, and waits for this to end.
        if an_index_works(transaction.connection):
            raise Permanent(_INDEX_WORKS)
        transaction.record(Action.KEY_FORGOTTEN)


def _lock(transaction: Transaction, study: StudyId) -> StudyRow:
    jobs.lock(transaction.connection, study)
    deliveries.lock(transaction.connection, study)
    rejections.lock(transaction.connection, study)
    return studies.lock(transaction.connection, {study})[study]


def _quarantined(study: StudyId, one: TakenOut) -> QuarantineRow:
    return QuarantineRow(
        sop_uid=one.sop_uid,
        sop_class=one.sop_class,
        digest=one.digest,
        association_id=one.association_id,
        object_key=one.object_key,
        reason=_SET_ASIDE,
        received_at=one.received_at,
        study_id=study,
        series_uid=one.series_uid,
        set_aside=True,
    )
