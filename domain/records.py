"""What is known of a study and its way, as values: one class a table, in the words and units of its columns.

People ask for them (`status`, `explain`, the demonstration), and `domain.progress` makes a sentence of them. No name
of a patient and no free text of a scanner is among them.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypeVar

from domain.conflict_records import ConflictRecord, CorrectionRecord
from domain.ids import JobId, StudyId, SummaryId
from domain.states import DeliveryState, JobState, ProcedureStepState, StudyState

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class StudyRecord:
    """Where a study stands.

    `revision` counts how often it was complete, `completeness` says how that was known the last time, `lacks` what was
    known to be missing then.
    """

    id: StudyId
    study_uid: str
    state: StudyState
    reason: str
    since: datetime
    revision: int
    first_received: datetime
    last_received: datetime
    images_removed: int = 0
    images_removed_at: datetime | None = None
    completeness: str = ""
    lacks: str = ""


@dataclass(frozen=True)
class HoldRecord:
    """A hold: nothing of the study is removed."""

    study_id: StudyId
    since: datetime
    reason: str
    held_by: str


@dataclass(frozen=True)
class AssociationRecord:
    """An association that brought instances of a study."""

    id: uuid.UUID
    calling_ae: str
    called_ae: str
    address: str
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class ProcedureStepRecord:
    """A modality's procedure step; `instances` is how many it lists that were made, None while it lists none."""

    sop_uid: str
    state: ProcedureStepState
    begun_at: datetime
    ended_at: datetime | None
    instances: int | None


@dataclass(frozen=True)
class RequestRecord:
    """What `source` said was requested, as codes (SCHEME:VALUE); `known` is false where it knows nothing of it."""

    source: str
    codes: tuple[str, ...]
    known: bool
    at: datetime


@dataclass(frozen=True)
class SeriesRecord:
    """A series, and how much of it there is; None where none of its instances is indexed yet.

    `number` is its Series Number, None where it is not known.
    """

    id: uuid.UUID
    series_uid: str
    modality: str
    number: int | None
    instances: int | None
    slices: int | None
    bytes: int | None


@dataclass(frozen=True)
class CallerRecord:
    """Who called from an address, and why the last association was refused where one was.

    `refusal` is result, source and code of the A-ASSOCIATE-RJ (PS3.8 table 9-21) as "1-1-3", empty without one.
    `studies` are those that were seen of it, `pause` is the longest that it lately made within one (s; domain.habits).
    """

    calling_ae: str
    address: str
    accepted: int = 0
    refused: int = 0
    last_accepted: datetime | None = None
    last_refused: datetime | None = None
    refusal: str = ""
    reason: str = ""
    studies: int = 0
    pause: float = 0.0


@dataclass(frozen=True)
class QuarantineRecord:
    """An instance that came and cannot be read; of no study where its UIDs could not be read either."""

    id: int
    sop_uid: str
    sop_class: str
    digest: str
    association_id: uuid.UUID
    object_key: str
    reason: str
    received_at: datetime
    study_id: StudyId | None
    series_uid: str


@dataclass(frozen=True)
class DecisionRecord:
    """Whether a model runs on a revision, and why.

    `series_id` is None where it does not. `inputs` has the id of a series for each input's name, and `refusals` the
    reasons against a series by its id, both as text.
    """

    study_id: StudyId
    revision: int
    model: str
    version: str
    series_id: uuid.UUID | None
    inputs: Mapping[str, str]
    reason: str
    refusals: Mapping[str, tuple[str, ...]]
    decided_at: datetime


@dataclass(frozen=True)
class BoundedDecision:
    """A decision with the reasons against some series; `more` other series were refused.

    `images_of` are the series, by their ids, whose images are read one by one.
    """

    decision: DecisionRecord
    more: int
    images_of: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[str, ...]:
        """The series that the model runs on, as text."""
        one = self.decision
        series = (*one.inputs.values(), *self.images_of)
        return tuple(dict.fromkeys(series)) or ((str(one.series_id),) if one.series_id else ())

    @property
    def series(self) -> frozenset[uuid.UUID]:
        """The series that it speaks of."""
        return frozenset(map(uuid.UUID, (*self.chosen, *self.decision.refusals)))


def bounded(decision: DecisionRecord, most: int | None, images_of: tuple[str, ...] = ()) -> BoundedDecision:
    """With the reasons against the first `most` series, those against all of them for None."""
    shown = dict(list(decision.refusals.items())[:most])
    return BoundedDecision(replace(decision, refusals=shown), len(decision.refusals) - len(shown), images_of)


@dataclass(frozen=True)
class JobRecord:
    """One run of a model that was asked for.

    `result_number` counts the study's results by this model, None where they are not written; `withdrawn_for` says why
    they were taken back as wrong. `started_early` says why it was asked for before its study was complete, "" where it
    was not.
    """

    id: JobId
    study_id: StudyId
    series_id: uuid.UUID
    revision: int
    model: str
    version: str
    model_digest: str
    inputs: Mapping[str, str]
    input_set: str
    state: JobState
    reason: str
    since: datetime
    requested_at: datetime
    attempts: int
    not_before: datetime
    owner: str | None
    lease_until: datetime | None
    finished_at: datetime | None
    result_number: int | None
    withdrawn_at: datetime | None
    withdrawn_for: str
    started_early: str


@dataclass(frozen=True)
class MeasuredValue:
    """A measurement: what its code means, value and unit (UCUM) as they were found.

    `what` and `said` are how every page and report puts it (domain.words): "mean density", "-812 HU".
    """

    name: str
    value: float
    unit: str
    what: str
    said: str


@dataclass(frozen=True)
class MeasuredSegment:
    """What was measured in a segment; its voxels are in the results."""

    segment: str
    measurements: tuple[MeasuredValue, ...]


@dataclass(frozen=True)
class MeasuredJob(JobRecord):
    """A run with what it found; None until it has succeeded."""

    findings: tuple[MeasuredSegment, ...] | None


@dataclass(frozen=True)
class ResultRecord:
    """A result object that was written, of a job or of a study's impression."""

    sop_uid: str
    job_id: JobId | None
    study_id: StudyId
    kind: str
    sop_class: str
    series_uid: str
    transfer_syntax: str
    refers: str
    object_key: str
    digest: str
    size: int
    written_at: datetime
    summary_id: SummaryId | None = None


@dataclass(frozen=True)
class ChoiceRecord:
    """What became of one kind of result for a destination; the form is None where the kind is left out."""

    kind: str
    sop_class: str | None
    transfer_syntax: str | None
    why: str


@dataclass(frozen=True)
class DeliveryRecord:
    """The results of a job, or a study's impression, on their way to a destination."""

    id: uuid.UUID
    job_id: JobId | None
    summary_id: SummaryId | None
    study_id: StudyId
    destination: str
    state: DeliveryState
    reason: str
    since: datetime
    attempts: int
    first_attempt: datetime | None
    not_before: datetime
    owner: str | None
    lease_until: datetime | None
    choices: tuple[ChoiceRecord, ...]
    planned_at: datetime | None


@dataclass(frozen=True)
class SentObject:
    """One object of a delivery, and what the destination last said to it (a C-STORE status, PS3.4 B.2.3)."""

    sop_uid: str
    stored: bool
    status: int | None
    at: datetime | None
    dropped: bool
    kind: str


@dataclass(frozen=True)
class ItemisedDelivery(DeliveryRecord):
    """A delivery with each of its objects."""

    objects: tuple[SentObject, ...]


@dataclass(frozen=True)
class RejectionRecord:
    """A rejection note on its way: what of a delivery is out counts no more, because of its `cause`."""

    id: uuid.UUID
    delivery_id: uuid.UUID
    study_id: StudyId
    destination: str
    cause: str
    state: DeliveryState
    reason: str
    since: datetime
    attempts: int
    first_attempt: datetime | None
    not_before: datetime
    owner: str | None
    lease_until: datetime | None
    requested_at: datetime
    sop_uid: str


@dataclass(frozen=True)
class SummaryRecord:
    """The impression of a study, as it stands. `number` counts the study's, `revision` is the newest that wants it.

    `author` says who wrote its words, "" until it is written; `sentences` is how many there are, 0 where it is not
    written or what it says was removed.
    """

    id: SummaryId
    study_id: StudyId
    revision: int
    number: int
    state: str  # a SummaryState, unless something else wrote it
    reason: str
    since: datetime
    requested_at: datetime
    attempts: int
    finished_at: datetime | None
    withdrawn_at: datetime | None
    author: str
    sentences: int


@dataclass(frozen=True)
class DeadLetter:
    """A message that a reader could not handle. `event_id` and `study_id` are None where it cannot be read."""

    id: int
    reader: str
    message: str
    event_id: uuid.UUID | None
    study_id: StudyId | None
    error: str
    attempts: int
    at: datetime
    replayed_at: datetime | None


@dataclass(frozen=True)
class Listed(Generic[T_co]):
    """Some rows of a list, and how many more it has."""

    rows: tuple[T_co, ...]
    more: int = 0


@dataclass(frozen=True)
class SpoolRecord:
    """A spool that holds studies back until their objects are synced; `hosts` are those that the trail names.

    `since` is when the oldest of the studies last received something, `is_read` whether an index lives that lets go.
    """

    spool: str
    hosts: tuple[str, ...]
    studies: int
    since: datetime
    is_read: bool


@dataclass(frozen=True)
class CurrentWork:
    """What decides where a study is: the newest run of each model that was not cancelled, with its results' way.

    `other_bytes` came under the UIDs of its images and wait for a person.
    """

    jobs: tuple[JobRecord, ...] = ()
    results: tuple[ResultRecord, ...] = ()
    deliveries: tuple[DeliveryRecord, ...] = ()
    rejections: tuple[RejectionRecord, ...] = ()
    other_bytes: tuple[CorrectionRecord, ...] = ()


@dataclass(frozen=True)
class StudySummary:
    """A study among others, with what its results wait for; the counts are None before anything of it is indexed.

    `unreadable` instances came besides. `senders` are the AE titles of those who sent it, `description` what its
    senders wrote of it, "" where that is not kept.
    """

    study: StudyRecord
    instances: int | None
    series: int | None
    jobs: tuple[JobRecord, ...]
    results: tuple[ResultRecord, ...]
    deliveries: tuple[DeliveryRecord, ...]
    unreadable: int = 0
    rejections: tuple[RejectionRecord, ...] = ()
    other_bytes: tuple[CorrectionRecord, ...] = ()
    senders: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class StudyPath:
    """Everything on one study's way, each table in the order of time.

    Where a table was asked for up to a number of rows, they are its last ones, and `more` says of each table that has
    others how many. `whole` counts the study's instances, wherever they are shown.
    """

    study: StudyRecord
    associations: tuple[AssociationRecord, ...]
    series: tuple[SeriesRecord, ...]
    conflicts: tuple[ConflictRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    jobs: tuple[MeasuredJob, ...]
    results: tuple[ResultRecord, ...]
    deliveries: tuple[ItemisedDelivery, ...]
    dead_letters: tuple[DeadLetter, ...]
    quarantine: tuple[QuarantineRecord, ...] = ()
    corrections: tuple[CorrectionRecord, ...] = ()
    unreadable: int = 0
    whole: int = 0
    rejections: tuple[RejectionRecord, ...] = ()
    hold: HoldRecord | None = None
    impression: SummaryRecord | None = None
    steps: tuple[ProcedureStepRecord, ...] = ()
    requests: tuple[RequestRecord, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)
