"""What was set aside because the index knows other bytes, another patient or another study for it, as people see it."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from domain.identity import ConflictKind
from domain.ids import StudyId


@dataclass(frozen=True)
class ConflictRecord:
    """Other bytes that came under the UID of an instance that is known, and the digest of those that are kept.

    `study_id` has the instance; `sent_study_id` is the study that these bytes name, None where an earlier release noted
    them. `adopted_at` is when a person let other bytes take their place, None where they have waited all along.
    """

    id: int
    sop_uid: str
    digest: str
    kept_digest: str
    study_id: StudyId
    association_id: uuid.UUID
    object_key: str
    received_at: datetime
    kind: ConflictKind
    sent_study_id: StudyId | None
    adopted_at: datetime | None


@dataclass(frozen=True)
class CorrectionRecord:
    """Images that wait to be adopted together; `id` is the newest of their conflicts, by which that is done."""

    id: int
    kind: ConflictKind
    study_id: StudyId
    sent_study_id: StudyId
    images: int


@dataclass(frozen=True)
class ConflictGroup:
    """Conflicts that can be decided at once, by the number of the newest of them.

    `received_at` is when the last of them came. `contents` are other bytes, of which an image may have several: the
    newest of each counts. `sop_uid` and `object_key` are "" where several images are among them.
    """

    id: int
    kind: ConflictKind
    study_id: StudyId
    sent_study_id: StudyId | None
    adopted_at: datetime | None
    images: int
    contents: int
    received_at: datetime
    sop_uid: str
    object_key: str


@dataclass(frozen=True)
class PatientGroup:
    """Images of a study that name the same patient, and the attributes in which they disagree with others.

    `callers` brought them. `example` is the SOP Instance UID of one of them, by which it can be looked up in the PACS.
    """

    number: int
    instances: int
    series: tuple[str, ...]
    callers: tuple[str, ...]
    received_at: datetime
    example: str
    differs: tuple[str, ...]
