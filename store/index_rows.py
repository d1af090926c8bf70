"""The rows that the index writes, as it writes them: their keys are the tables' columns.

Thousands a second are made, and a dictionary is what the driver takes.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from domain.ids import StudyId


class AssociationRow(TypedDict):
    """An association that is spoken of."""

    id: uuid.UUID
    calling_ae: str
    called_ae: str
    address: str
    opened_at: datetime


class SeriesRow(TypedDict):
    """A series; `file_series` gives it its id."""

    study_id: StudyId
    series_uid: str
    modality: str
    series_description: str
    study_description: str


class KeptBytes(TypedDict):
    """An instance's bytes as they lie in the store, and how they came."""

    association_id: uuid.UUID
    sop_class: str
    transfer_syntax: str
    digest: str
    size: int
    object_key: str
    received_at: datetime


class InstanceRow(KeptBytes):
    """An instance: where it belongs, what lies in the store, and what is kept of its header."""

    sop_uid: str
    study_id: StudyId
    series_id: uuid.UUID
    revision: int
    body_part: str
    frames: int
    position: Sequence[float] | None
    orientation: Sequence[float] | None
    slice_spacing: float | None
    view: str
    image_type: str
    photometric: str
    contrast: bool
    burned_in: bool
    age: float | None
    modality: str
    series_description: str
    series_number: int | None
    instance_number: int | None
    frame_of_reference: str
    kernel: str
    thickness: float | None
    places: int | None
    identity: Sequence[str] | None


class ConflictRow(TypedDict):
    """Other bytes under the UID of an instance that is kept."""

    sop_uid: str
    digest: str
    kept_digest: str
    study_id: StudyId
    association_id: uuid.UUID
    object_key: str
    received_at: datetime
    kind: str
    identity: Sequence[str] | None
    sent_study_id: StudyId


class QuarantineRow(TypedDict):
    """What cannot be read or filed, and why."""

    sop_uid: str
    sop_class: str
    digest: str
    association_id: uuid.UUID
    object_key: str
    reason: str
    received_at: datetime
    study_id: StudyId | None
    series_uid: str
    set_aside: bool
