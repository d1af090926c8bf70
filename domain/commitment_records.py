"""Storage commitment as people see it: what is asked of us, and what we ask of archives."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from domain.ids import StudyId


@dataclass(frozen=True)
class CommitmentRecord:
    """A question of a peer's: how many instances it names, and how many of them are not kept once that is decided."""

    id: uuid.UUID
    transaction_uid: str
    calling_ae: str
    address: str
    asked_at: datetime
    instances: int
    failed: int
    state: str
    reason: str
    since: datetime


@dataclass(frozen=True)
class CommitmentRequestRecord:
    """A question of ours about one delivery; `rounds` are the times that objects were sent again."""

    id: uuid.UUID
    delivery_id: uuid.UUID
    study_id: StudyId
    destination: str
    rounds: int
    checked: str
    state: str
    reason: str
    since: datetime
