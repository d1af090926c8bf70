"""What one batch of records changes in the database; every step is one that changes nothing when it is done again."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from audit.actions import Action
from audit.trail import Transaction
from consumers.steps import messages
from consumers.steps.messages import Message
from dicom_node.intake.faults import Fault
from dicom_node.intake.filing import Filed, Unreadable
from dicom_node.intake.header import Header
from dicom_node.intake.refusals import refusals
from dicom_node.spool import WITH_DATA, Close, Entry, Kind
from domain.habits import Caller
from domain.identity import kind_of_conflict
from domain.ids import StudyId
from domain.states import STUDY, StudyEvent, StudyState, advance
from store import conflicts, expectations, index, studies
from store.callers import Calls, note_calls
from store.expectations import Said
from store.index import Known, Met
from store.index_rows import AssociationRow, ConflictRow, InstanceRow, KeptBytes, QuarantineRow, SeriesRow
from store.studies import Received, StudyRow

_OF_ASSOCIATIONS = {Kind.ASSOCIATION_OPENED, Kind.INSTANCE, Kind.MESSAGE, Kind.ASSOCIATION_CLOSED}
_NOTED = {
    Kind.ASSOCIATION_REFUSED: Action.REFUSED,
    Kind.ASSOCIATIONS_ENDED: Action.ASSOCIATION_ENDED,
    Kind.INSTANCE_REFUSED: Action.INSTANCE_REFUSED,
    Kind.NODE_STARTED: Action.STARTED,
    Kind.NODE_STOPPED: Action.STOPPED,
}

_SECURED = uuid.UUID("2c7a4f0e-6b5d-4f0c-9d6e-6a5f0a3b1c92")  # a name space for what is told once a day
_COMING = "instances come in"


@dataclass(frozen=True)
class _Placed:
    """An instance with the study that it goes to."""

    filed: Filed
    study: StudyRow


class IndexBatch:
    """One transaction's worth of records. `lock_studies` comes before what is filed or put into quarantine.

    `counts` says how many instances had which outcome, `faults` how many went into quarantine for which, `refused` how
    many of what the listener refused it for what, `studies` whose objects must be synced before anybody may rely on
    them; `spool` is the identity of the one that holds them.
    """

    def __init__(self, transaction: Transaction, now: datetime, spool: str) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._now = now
        self._spool = spool
        self._rows: dict[str, StudyRow] = {}
        self.counts: dict[str, int] = defaultdict(int)
        self.faults: Counter[Fault] = Counter()
        self.refused: Counter[str] = Counter()
        self.studies: set[StudyId] = set()
        self._calls: dict[Caller, Calls] = defaultdict(Calls)

    def open_associations(self, entries: Sequence[Entry]) -> None:
        """Every association that is spoken of gets its row, also when its opening is long checkpointed."""
        spoken_of = {entry.association: entry for entry in reversed(entries) if entry.kind in _OF_ASSOCIATIONS}
        if spoken_of:
            rows = [_association_row(entry) for entry in spoken_of.values()]
            for new in index.open_associations(self._connection, rows):
                entry = spoken_of[new]
                calls = self._calls[entry.calling, entry.address]
                calls.accepted += 1
                calls.last_accepted = max(filter(None, (calls.last_accepted, entry.received)))

    def take_messages(self, taken: Iterable[Message]) -> None:
        """Requests of other services go to their handlers, once."""
        for message in taken:
            if index.first_time(self._connection, _mark(message.entry), self._now):
                messages.take(self._transaction, message, self._now)

    def note_callers(self) -> None:
        """Who called, at the end: these rows hang on nothing."""
        note_calls(self._connection, self._calls)

    def lock_studies(self, filed: Sequence[Filed], unreadable: Sequence[Unreadable]) -> None:
        """Make and lock every study that the batch says something of: once, or two batches wait for each other."""
        uids = {one.header.study_uid for one in filed} | {one.uids.study for one in unreadable if one.uids.study}
        if uids:
            self._rows = studies.lock_or_make(self._connection, uids, self._now)

    def file_instances(self, filed: Sequence[Filed]) -> None:
        """New ones get a row and move their study; the same again changes nothing; other bytes are a conflict."""
        if not filed:
            return
        met = index.met(self._connection, {one.header.sop_uid for one in filed})
        filed = self._not_set_aside(filed, met)
        if not filed:
            return
        known = met.known
        new, repeated, conflicting = _sort_out(filed, known)
        self.counts["new"] += len(new)
        self.counts["repeated"] += len(repeated)
        if new:
            placed = [_Placed(one, self._rows[one.header.study_uid]) for one in new]
            self._file(placed, met)
            self._move(placed)
            self._record_received(placed)
            known |= {one.filed.header.sop_uid: _known(one) for one in placed}
        self._take_from_the_shelf(repeated, known)
        for one in conflicting:
            self._note_conflict(one, known[one.header.sop_uid])
        self._link((known[one.header.sop_uid].study_id, one.entry) for one in filed)
        if any(one.header.related for one in filed):
            expectations.note_of_images(self._connection, {said for one in filed for said in _said(one.header)})
        self.studies |= {StudyId(known[one.header.sop_uid].study_id) for one in filed}
        self._note_strangers(conflicting, known)

    def _take_from_the_shelf(self, repeated: Iterable[Filed], known: Mapping[str, Known]) -> None:
        """What comes again of a study that was fetched to be compared with: somebody may want it read by itself."""
        shelved = {study.id: study for study in self._rows.values() if study.state is StudyState.ARCHIVED}
        for one in shelved.keys() & {known[each.header.sop_uid].study_id for each in repeated}:
            study = shelved[one]
            state = advance(STUDY, study.state, StudyEvent.INSTANCE)
            studies.note_received(self._connection, [Received(study.id, state, _COMING, study.patient)], self._now)
            self._rows[study.uid] = replace(study, state=state)

    def _not_set_aside(self, filed: Sequence[Filed], met: Met) -> Sequence[Filed]:
        """Without the very bytes that a person set aside: sent once more, they stay so, and move no study."""
        others = [one for one in filed if (one.header.sop_uid, one.digest) not in met.set_aside]
        self.counts["repeated"] += len(filed) - len(others)
        return others

    def _note_strangers(self, conflicting: Sequence[Filed], known: Mapping[str, Known]) -> None:
        """What bears the UID of another study's instance, as after a correction, came for its own all the same."""
        sent = [(one, self._rows[one.header.study_uid]) for one in conflicting]
        strangers = [(one, study) for one, study in sent if study.id != known[one.header.sop_uid].study_id]
        self._link((study.id, one.entry) for one, study in strangers)
        self._note_coming(study for _, study in strangers)

    def quarantine(self, unreadable: Sequence[Unreadable]) -> None:
        """What cannot be read or filed is kept for inspection, with the reason, and counted to its study."""
        found = {one.uids.study: self._rows[one.uids.study] for one in unreadable if one.uids.study}
        rows = [_quarantine_row(one, found.get(one.uids.study)) for one in unreadable]
        new = index.file_quarantined(self._connection, rows)
        for one, row in zip(unreadable, rows, strict=True):
            if (row["sop_uid"], row["digest"]) in new:
                new.remove((row["sop_uid"], row["digest"]))
                self._record_quarantined(one, found.get(one.uids.study))
            else:
                self.counts["repeated"] += 1
        self._link((found[one.uids.study].id, one.entry) for one in unreadable if one.uids.study)
        self._note_coming(found.values())

    def _note_coming(self, of: Iterable[StudyRow]) -> None:
        """Silence begins behind the last that came, whether that is filed or not."""
        coming = {one.id: one for one in of if (one.state, StudyEvent.SETTLED) in STUDY}.values()
        if coming:
            received = [Received(one.id, one.state, _COMING, one.patient) for one in coming]
            studies.note_received(self._connection, received, self._now)

    def _record_quarantined(self, one: Unreadable, study: StudyRow | None) -> None:
        lost = not one.key and one.entry.kind in (*WITH_DATA, Kind.DAMAGED)
        self.counts["damaged" if lost else "quarantined"] += 1
        self.faults[one.fault] += 1
        details = {"instance": one.uids.sop or one.entry.sop_instance, "sha256": one.digest, "reason": one.reason}
        self._transaction.record(Action.QUARANTINED, study.id if study else None, **_who(one.entry), **details)

    def _link(self, brought: Iterable[tuple[uuid.UUID, Entry]]) -> None:
        last: dict[tuple[uuid.UUID, uuid.UUID], int] = {}
        for study, entry in brought:
            last[study, entry.association] = max(last.get((study, entry.association), 0), entry.sequence)
        index.link_associations(self._connection, last)

    def note(self, entries: Iterable[Entry]) -> None:
        """What has no row of its own goes to the trail, once; what was refused is counted by why it was."""
        for entry in entries:
            if entry.kind is Kind.ASSOCIATION_OPENED:
                self._note_secured(entry)
            action = _NOTED.get(entry.kind)
            if action and index.first_time(self._connection, _mark(entry), self._now):
                self.refused.update(refusals(entry))
                if entry.kind is Kind.ASSOCIATION_REFUSED:
                    self._count_refused(entry)
                details = {key: value for key, value in entry.details.items() if value is not None}
                self._transaction.record(
                    action, None, **_who(entry), instance=entry.sop_instance, sop_class=entry.sop_class, **details
                )

    def _note_secured(self, entry: Entry) -> None:
        """By which certificate, and as whom, a caller came; once a day: some have an association for each image."""
        proven = {name: entry.details[name] for name in ("tls", "user") if name in entry.details}
        if not proven:
            return
        told = json.dumps([entry.calling, entry.address, proven, entry.received.date().isoformat()], sort_keys=True)
        if index.first_time(self._connection, uuid.uuid5(_SECURED, told), self._now):
            self._transaction.record(Action.SECURED, None, **_who(entry), **proven)

    def _count_refused(self, entry: Entry) -> None:
        calls, details = self._calls[entry.calling, entry.address], entry.details
        count = details.get("count", 1)
        calls.refused += count if isinstance(count, int) else 1
        calls.last_refused = max(filter(None, (calls.last_refused, entry.received)))
        codes = [details.get(name) for name in ("result", "source", "code")]
        calls.refusal = "" if None in codes else "-".join(map(str, codes))
        calls.reason = str(details.get("reason", ""))

    def close_associations(self, entries: Iterable[Entry]) -> None:
        """An end by the book needs no entry; every other one gets one, but those that are told by number."""
        for entry in entries:
            if entry.kind is not Kind.ASSOCIATION_CLOSED:
                continue
            how = str(entry.details.get("how", Close.LOST))
            # Silence is measured from when the close became known.
            first = index.close_association(self._connection, entry.association, how)
            if first and how != Close.RELEASED and not entry.details.get("counted"):
                told = {"how": how, "reason": str(entry.details.get("reason", "")), "count": 1}
                self._transaction.record(Action.ASSOCIATION_ENDED, None, **_who(entry), **told)

    def _file(self, placed: Sequence[_Placed], met: Met) -> None:
        wanted = {
            (one.study.id, one.filed.header.series_uid): series_row(one.study.id, one.filed.header) for one in placed
        }
        series = index.file_series(self._connection, list(wanted.values()))
        rows = [_instance_row(one, series[one.study.id, one.filed.header.series_uid]) for one in placed]
        index.file_instances(self._connection, rows)
        conflicts.note_filed(self._connection, [row for row in rows if row["sop_uid"] in met.in_conflict])

    def _move(self, placed: Sequence[_Placed]) -> None:
        received = []
        named = _named(placed)
        for study in {one.study.id: one.study for one in placed}.values():
            state = advance(STUDY, study.state, StudyEvent.INSTANCE)
            if state is not study.state:
                self._transaction.record(Action.INSTANCES_LATE, study.id, was=study.state, revision=study.revision)
            reason = "further instances came after it was complete" if study.revision else _COMING
            patient = study.patient.naming(named[study.id])
            received.append(Received(study.id, state, reason, patient))
            self._rows[study.uid] = replace(study, state=state, patient=patient)
        studies.note_received(self._connection, received, self._now, unsynced_by=self._spool)

    def _record_received(self, placed: Sequence[_Placed]) -> None:
        """One entry for each association and study of the batch, naming every instance and its digest."""
        groups: dict[tuple[uuid.UUID, StudyId], list[_Placed]] = defaultdict(list)
        for one in placed:
            groups[one.filed.entry.association, one.study.id].append(one)
        for (_, study), members in groups.items():
            self._transaction.record(
                Action.RECEIVED,
                study,
                **_who(members[0].filed.entry),
                study_uid=members[0].study.uid,
                instances=[[one.filed.header.sop_uid, one.filed.digest] for one in members],
            )

    def _note_conflict(self, one: Filed, kept: Known) -> None:
        sent = self._rows[one.header.study_uid]
        kind = kind_of_conflict(sent.id == kept.study_id, kept.identity, one.header.patient, sent.patient.same)
        row = ConflictRow(
            sop_uid=one.header.sop_uid,
            digest=one.digest,
            kept_digest=kept.digest,
            study_id=kept.study_id,
            association_id=one.entry.association,
            object_key=one.key,
            received_at=one.entry.received,
            kind=kind,
            identity=_marks(one.header),
            sent_study_id=sent.id,
        )
        if index.file_conflict(self._connection, row):
            self.counts["conflicting"] += 1
            details = {"instance": one.header.sop_uid, "sha256": one.digest, "kept": kept.digest, "kind": kind.value}
            self._transaction.record(Action.CONFLICT, kept.study_id, **_who(one.entry), **details)
        else:
            self.counts["repeated"] += 1


def _sort_out(filed: Iterable[Filed], known: dict[str, Known]) -> tuple[list[Filed], list[Filed], list[Filed]]:
    """New, repeated and conflicting instances; of two in one batch with one UID the first is the one that counts."""
    new: list[Filed] = []
    repeated: list[Filed] = []
    conflicting: list[Filed] = []
    digests = {uid: one.digest for uid, one in known.items()}
    for one in filed:
        kept = digests.get(one.header.sop_uid)
        if kept is None:
            digests[one.header.sop_uid] = one.digest
        (new if kept is None else repeated if kept == one.digest else conflicting).append(one)
    return new, repeated, conflicting


def _named(placed: Iterable[_Placed]) -> Mapping[StudyId, set[str]]:
    """The marks of whom the new instances of each study name."""
    named: dict[StudyId, set[str]] = defaultdict(set)
    for one in placed:
        named[one.study.id].update(one.filed.header.patient or ())
    return named


def _said(header: Header) -> Iterator[Said]:
    """What an instance says of how much there is."""
    if (said := header.related) is None:
        return
    if said.study_instances or said.study_series:
        yield Said(header.study_uid, expectations.SENDER, instances=said.study_instances, series=said.study_series)
    if said.series_instances:
        yield Said(header.study_uid, expectations.SENDER, header.series_uid, instances=said.series_instances)


def _known(one: _Placed) -> Known:
    return Known(one.study.id, one.filed.digest, one.filed.header.patient)


def _mark(entry: Entry) -> uuid.UUID:
    return uuid.uuid5(entry.association, f"{entry.kind}:{entry.sequence}")


def _who(entry: Entry) -> dict[str, str]:
    return {
        "association": str(entry.association),
        "caller": entry.calling,
        "called": entry.called,
        "address": entry.address,
    }


def _association_row(entry: Entry) -> AssociationRow:
    return AssociationRow(
        id=entry.association,
        calling_ae=entry.calling,
        called_ae=entry.called,
        address=entry.address,
        opened_at=entry.received,
    )


def _quarantine_row(one: Unreadable, study: StudyRow | None) -> QuarantineRow:
    return QuarantineRow(
        sop_uid=one.uids.sop or one.entry.sop_instance,
        sop_class=one.entry.sop_class,
        digest=one.digest,
        association_id=one.entry.association,
        object_key=one.key,
        reason=one.reason,
        received_at=one.entry.received,
        study_id=study.id if study else None,
        series_uid=one.uids.series,
        set_aside=False,
    )


def series_row(study: StudyId, header: Header) -> SeriesRow:
    """The row of the series that this header belongs to."""
    return SeriesRow(
        study_id=study,
        series_uid=header.series_uid,
        modality=header.modality,
        series_description=header.series_description,
        study_description=header.study_description,
    )


def _instance_row(one: _Placed, series_id: uuid.UUID) -> InstanceRow:
    entry, filed = one.filed.entry, one.filed
    kept = KeptBytes(
        association_id=entry.association,
        sop_class=entry.sop_class,
        transfer_syntax=entry.transfer_syntax,
        digest=filed.digest,
        size=entry.size,
        object_key=filed.key,
        received_at=entry.received,
    )
    return instance_row(one.study, series_id, filed.header, kept)


def instance_row(study: StudyRow, series_id: uuid.UUID, header: Header, kept: KeptBytes) -> InstanceRow:
    """The row of an instance that the study's next revision is the first to contain."""
    return InstanceRow(
        **kept,
        sop_uid=header.sop_uid,
        study_id=study.id,
        series_id=series_id,
        revision=study.revision + 1,
        body_part=header.body_part,
        frames=header.frames,
        position=list(header.position) if header.position else None,
        orientation=list(header.orientation) if header.orientation else None,
        slice_spacing=header.slice_spacing,
        view=header.view,
        image_type=header.image_type,
        photometric=header.photometric,
        contrast=header.contrast,
        burned_in=header.burned_in,
        age=header.age,
        modality=header.modality,
        series_description=header.series_description,
        series_number=header.series_number,
        instance_number=header.instance_number,
        frame_of_reference=header.frame_of_reference,
        kernel=header.kernel,
        thickness=header.thickness,
        places=header.places,
        identity=_marks(header),
    )


def _marks(header: Header) -> list[str] | None:
    return None if header.patient is None else list(header.patient)
