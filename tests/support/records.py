"""Records of a study's way, each with the ordinary value in every field that a test does not name.

a_job(state=JobState.FAILED, reason="why")
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from domain.ids import JobId, StudyId
from domain.records import (
    AssociationRecord,
    DecisionRecord,
    ItemisedDelivery,
    MeasuredJob,
    RejectionRecord,
    ResultRecord,
    SentObject,
    SeriesRecord,
    StudyPath,
    StudyRecord,
)
from domain.states import DeliveryState, JobState, StudyState

BEGUN = datetime(2026, 1, 1, 8, tzinfo=UTC)
STUDY = StudyId(uuid.UUID(int=1))
JOB = JobId(uuid.UUID(int=2))
SERIES = uuid.UUID(int=3)
MODEL, VERSION = "ct_lung", "1.0.0"

R = TypeVar("R")


def _like(usual: R) -> Callable[..., R]:
    def made(**fields: Any) -> R:
        return replace(usual, **fields)  # type: ignore[type-var]  # every record is a dataclass

    return made


a_study = _like(StudyRecord(STUDY, "1.2.3", StudyState.COMPLETE, "waits for ct_lung", BEGUN, 1, BEGUN, BEGUN))
an_association = _like(AssociationRecord(uuid.UUID(int=4), "CT", "DICOM_NODE", "127.0.0.1", BEGUN, BEGUN, "released"))
a_series = _like(SeriesRecord(SERIES, "1.2.3.1", "CT", 2, 140, 140, 73_700_000))
a_decision = _like(
    DecisionRecord(STUDY, 1, MODEL, VERSION, SERIES, {"ct": str(SERIES)}, "a series meets its intended use", {}, BEGUN)
)
a_job = _like(
    MeasuredJob(
        id=JOB,
        study_id=STUDY,
        series_id=SERIES,
        revision=1,
        model=MODEL,
        version=VERSION,
        model_digest="00",
        inputs={},
        input_set="00",
        state=JobState.SUCCEEDED,
        reason="done",
        since=BEGUN,
        requested_at=BEGUN,
        attempts=1,
        not_before=BEGUN,
        owner=None,
        lease_until=None,
        finished_at=BEGUN,
        result_number=1,
        withdrawn_at=None,
        withdrawn_for="",
        started_early="",
        findings=(),
    )
)
a_result = _like(ResultRecord("2.25.1", JOB, STUDY, "SR", "1", "2.25.2", "1", "", "out/1", "00", 58_000, BEGUN))
an_object = _like(SentObject("2.25.1", True, 0, BEGUN, False, "SR"))
a_delivery = _like(
    ItemisedDelivery(
        id=uuid.UUID(int=5),
        job_id=JOB,
        summary_id=None,
        study_id=STUDY,
        destination="PACS",
        state=DeliveryState.STORED,
        reason="stored",
        since=BEGUN,
        attempts=1,
        first_attempt=BEGUN,
        not_before=BEGUN,
        owner=None,
        lease_until=None,
        choices=(),
        planned_at=BEGUN,
        objects=(an_object(),),
    )
)
a_rejection = _like(
    RejectionRecord(
        id=uuid.UUID(int=6),
        delivery_id=uuid.UUID(int=5),
        study_id=STUDY,
        destination="PACS",
        cause="withdrawn",
        state=DeliveryState.STORED,
        reason="stored",
        since=BEGUN,
        attempts=1,
        first_attempt=BEGUN,
        not_before=BEGUN,
        owner=None,
        lease_until=None,
        requested_at=BEGUN,
        sop_uid="2.25.9",
    )
)
a_path = _like(StudyPath(a_study(), (an_association(),), (a_series(),), (), (), (), (), (), ()))
