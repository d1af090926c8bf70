"""Corrected instances under known UIDs (a mended header, a merged patient, another study) become the ones that count.

Nobody but a person can say which of two sets of bytes is right. What names another patient or another study is adopted
with all that came with it, in one transaction and one entry: a study is never left half one patient's and half
another's. What was kept so far is not lost: it takes the other's place in the conflict, so that adopting the same
conflict again goes back.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps.decided import assemble_anew
from consumers.steps.index_batch import instance_row, series_row
from consumers.steps.withdraw import withdraw
from dicom_node.intake.filing import Reread, reread
from domain.conflict_records import ConflictRecord
from domain.errors import Permanent
from domain.identity import ConflictKind
from domain.ids import StudyId
from domain.states import StudyState
from store import conflicts, deliveries, index, jobs, rejections, studies
from store.conflicts import Correction
from store.database import Connection
from store.index_rows import InstanceRow, KeptBytes
from store.objects import ObjectStore
from store.queries.standing import standing
from store.studies import StudyRow

_WITHDRAWN = {
    ConflictKind.PATIENT: "its images were corrected: they are another patient's",
    ConflictKind.STUDY: "its images were corrected: they are another study's",
}
_ADOPTED = "a correction was adopted"
_COMES_IN = "the corrected study still comes in: adopt it once nothing more comes of it"
_EARLIER = "an earlier release noted this conflict, and its bytes belong to another study: have them sent again"
_CHANGED = "more of it came at this moment: look at it again, dicom-node conflicts list"

_COUNTS = "these bytes are the instance's already: have what is to count sent again"
_ELSEWHERE = "another study has its instance by now: have these bytes sent again"
_PART = "{came} of {images} images of study {study} came: send the rest first, or --part leaves it with the others"

_Instances = Mapping[int, Reread]


def adopt(
    ledger: Ledger,
    objects: ObjectStore,
    number: int,
    now: datetime,
    *,
    part: bool = False,
    whole: bool = False,
    descriptions: bool = True,
) -> Correction:
    """Make the conflict's bytes, and those of its whole correction, their instances'; what was adopted.

    `whole` takes all other bytes that wait of the study as one correction. The studies become complete anew; results of
    images that name somebody else now are withdrawn. Raises Permanent where there is no such conflict, its study still
    comes in, or its bytes count already; and, unless `part`, where the former study would be left with some of its
    images. `descriptions` says whether those of studies and series are kept.
    """
    with ledger.database.transaction() as connection:
        wanted = correction(connection, number, whole)
    # Before anything is locked: a study's objects take seconds to read.
    read = {one.id: reread(objects.path(one.object_key)) for one in wanted.conflicts}
    if not descriptions:
        read = {key: replace(one, header=one.header.without_descriptions()) for key, one in read.items()}
    with ledger.transaction() as transaction:
        rows = lock(transaction.connection, wanted)
        if correction(transaction.connection, number, whole) != wanted:
            raise Permanent(_CHANGED)
        before = standing(transaction.connection, wanted.sent)
        sent = rows[wanted.sent]
        _check(wanted, read, sent)
        present = _present(transaction.connection, wanted)
        if present and wanted.study != wanted.sent and not part:
            _check_whole(transaction.connection, wanted, len(present))
        conflicts.swap(transaction.connection, wanted, _rows(transaction, wanted, read, sent), now)
        if present and wanted.kind in _WITHDRAWN:
            withdraw(transaction, wanted.study, _WITHDRAWN[wanted.kind], now)
        changed = [one for one in rows.values() if present or one.id == wanted.sent]
        _move(transaction, changed, wanted, now)
        decided = before.changed(transaction.connection)
        transaction.record(Action.ADOPTED, wanted.sent, **_details(wanted, rows), **decided)
    return wanted


def correction(connection: Connection, number: int, whole: bool = False) -> Correction:
    """What one decision about this conflict is about; raises Permanent where there is no such conflict."""
    found = conflicts.correction(connection, number, whole=whole)
    if found is None:
        raise Permanent(f"there is no conflict {number}: dicom-node conflicts list")
    return found


def lock(connection: Connection, wanted: Correction) -> Mapping[StudyId, StudyRow]:
    """Both studies of a correction, and what models made of them, locked in the one order."""
    jobs.lock(connection, wanted.study, wanted.sent)
    deliveries.lock(connection, wanted.study, wanted.sent)
    rejections.lock(connection, wanted.study)
    return studies.lock(connection, {wanted.study, wanted.sent})


def _check(wanted: Correction, read: _Instances, sent: StudyRow) -> None:
    if any(one.header.study_uid != sent.uid for one in read.values()):
        raise Permanent(_EARLIER)
    if wanted.kind is ConflictKind.STUDY and sent.state in (StudyState.RECEIVING, StudyState.AMENDED):
        raise Permanent(_COMES_IN)


def _present(connection: Connection, wanted: Correction) -> Collection[str]:
    """The UIDs of the correction that have an instance; raises Permanent where adopting it would be wrong."""
    found = conflicts.present(connection, wanted)
    if any(one.sop_uid in found and found[one.sop_uid][1] == one.digest for one in wanted.conflicts):
        raise Permanent(_COUNTS)
    if any(study != wanted.study for study, _ in found.values()):
        raise Permanent(_ELSEWHERE)
    return found.keys()


def _check_whole(connection: Connection, wanted: Correction, came: int) -> None:
    images = studies.size(connection, wanted.study)[1]
    if came < images:
        raise Permanent(_PART.format(came=came, images=images, study=str(wanted.study)[:8]))


def _rows(transaction: Transaction, wanted: Correction, read: _Instances, sent: StudyRow) -> list[InstanceRow]:
    series = {one.header.series_uid: series_row(sent.id, one.header) for one in read.values()}
    ids = index.file_series(transaction.connection, list(series.values()))
    return [
        _row(sent, ids[sent.id, read[one.id].header.series_uid], one, marks, read[one.id])
        for one, marks in zip(wanted.conflicts, wanted.marks, strict=True)
    ]


def _row(
    study: StudyRow, series: uuid.UUID, one: ConflictRecord, marks: Sequence[str] | None, read: Reread
) -> InstanceRow:
    kept = KeptBytes(
        association_id=one.association_id,
        sop_class=read.sop_class,
        transfer_syntax=read.transfer_syntax,
        digest=one.digest,
        size=read.size,
        object_key=one.object_key,
        received_at=one.received_at,
    )
    # The key of the marks is the index's alone: they were made when the bytes came.
    return {**instance_row(study, series, read.header, kept), "identity": marks}


def _move(transaction: Transaction, rows: Iterable[StudyRow], wanted: Correction, now: datetime) -> None:
    for study in rows:
        reason = _ADOPTED if study.id == wanted.sent else _WITHDRAWN[wanted.kind]
        assemble_anew(transaction, study, studies.patient_of(transaction.connection, study), reason, now)


def _details(wanted: Correction, rows: Mapping[StudyId, StudyRow]) -> dict[str, object]:
    moved = [[one.sop_uid, one.digest, one.kept_digest] for one in wanted.conflicts]
    both = {"study_uid": rows[wanted.sent].uid, "was_study_uid": rows[wanted.study].uid}
    return {"kind": wanted.kind.value, "instances": moved, **both}
