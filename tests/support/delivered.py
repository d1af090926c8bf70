"""A study that has gone the whole way, one that is being received, and what was kept aside, as rows."""

import uuid
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from domain.findings import Code, Measurement
from domain.ids import StudyId
from domain.impressions import Amount, Author, Fact, Facts, Impression, Presence, Reference, Sentence, Topic
from store.database import Database
from store.tables import metadata
from tests.support.findings import MILLILITRE, VOLUME

BEGUN = datetime(2026, 1, 1, 12, tzinfo=UTC)
STUDY = StudyId(uuid.UUID(int=0xABC1 << 112))
SERIES, LOCALISER = uuid.UUID(int=2), uuid.UUID(int=3)
OTHER = uuid.UUID(int=0xABC2 << 112)
ASSOCIATION, JOB, DELIVERY, SUMMARY = (uuid.UUID(int=number) for number in (4, 5, 6, 7))
_LUNG = Fact(
    "F1",
    Code("39607008", "SCT", "Lung"),
    "Left lung",
    Presence.MEASURED,
    "CT lung",
    laterality=Code("7771000", "SCT", "Left"),
    amounts=(Amount(Measurement(VOLUME, 2345.6, MILLILITRE), "2350 ml"),),
)
FACTS = Facts((_LUNG,), "CT", "CHEST", "60 to 69")
IMPRESSION = Impression(
    (Sentence("The left lung measures 2350 ml.", ("F1",), Topic.MEASUREMENT),),
    Author.TEMPLATE,
    "template 1",
    references=(Reference("101", "Volumes of lungs", "Thorax", 2019, ("F1",), "PubMed"),),
)


def _later(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def _a_study(number: uuid.UUID, uid: str, state: str, reason: str) -> dict[str, Any]:
    moments = {"since": _later(5), "first_received": BEGUN, "last_received": _later(number.int >> 112)}
    return {"id": number, "study_uid": uid, "state": state, "reason": reason, "revision": 1, **moments}


def _an_instance(number: int, series: uuid.UUID, frames: int = 1, series_number: int | None = None) -> dict[str, Any]:
    return {
        "sop_uid": f"1.2.3.{number}",
        "study_id": STUDY,
        "series_id": series,
        "association_id": ASSOCIATION,
        "sop_class": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "digest": "00",
        "size": 1_000_000,
        "object_key": f"in/{number}",
        "revision": 1,
        "body_part": "CHEST",
        "frames": frames,
        "series_number": series_number,
        "received_at": BEGUN,
    }


def _a_series(number: uuid.UUID, uid: str) -> dict[str, Any]:
    texts = {"series_description": "Doe, John", "study_description": "Doe, John"}
    return {"id": number, "study_id": STUDY, "series_uid": uid, "modality": "CT", **texts}


def _a_result(kind: str) -> dict[str, Any]:
    return {
        "sop_uid": f"2.25.{len(kind)}.{kind == 'SR'}".replace("True", "1").replace("False", "0"),
        "job_id": JOB,
        "study_id": STUDY,
        "kind": kind,
        "sop_class": "1",
        "series_uid": "1",
        "transfer_syntax": "1",
        "object_key": kind,
        "digest": "00",
        "size": 2048,
        "written_at": _later(20),
    }


_FINDINGS = {
    "segments": [
        {
            "label": "left lung",
            "measurements": [{"name": asdict(VOLUME), "value": 2345.6, "unit": asdict(MILLILITRE)}],
        }
    ]
}
_RESULTS = [_a_result("SEG"), _a_result("SR")]
_ROWS: dict[str, list[dict[str, Any]]] = {
    "studies": [
        _a_study(STUDY, "1.2.826.1", "complete", "waits for ct_lung"),
        _a_study(OTHER, "1.2.826.12", "receiving", "1 association(s) still open"),
    ],
    "associations": [
        {
            "id": ASSOCIATION,
            "calling_ae": "CT_ER",
            "called_ae": "NODE",
            "address": "10.0.0.9",
            "opened_at": BEGUN,
            "closed_at": _later(3),
            "outcome": "released",
        }
    ],
    "study_associations": [{"study_id": STUDY, "association_id": ASSOCIATION}],
    "series": [_a_series(SERIES, "1.2.826.1.1"), _a_series(LOCALISER, "1.2.826.1.2")],
    "instances": [
        _an_instance(1, SERIES, series_number=3),
        _an_instance(2, SERIES, frames=60),
        _an_instance(3, LOCALISER, series_number=1),
    ],
    "conflicts": [
        {
            "sop_uid": "1.2.3.1",
            "digest": "ff",
            "kept_digest": "00",
            "study_id": STUDY,
            "association_id": ASSOCIATION,
            "object_key": "aside/1",
            "received_at": BEGUN,
        }
    ],
    "quarantine": [
        {
            "sop_uid": "1.2.9",
            "sop_class": "1",
            "digest": "00",
            "association_id": ASSOCIATION,
            "object_key": "aside/9",
            "reason": "it has no StudyInstanceUID",
            "received_at": BEGUN,
        }
    ],
    "decisions": [
        {
            "study_id": STUDY,
            "revision": 1,
            "model": "ct_lung",
            "version": "1.0",
            "series_id": SERIES,
            "reason": "a series meets its intended use",
            "refusals": {str(LOCALISER): ["has 1 slice, fewer than 20"]},
            "decided_at": _later(6),
        },
        {
            "study_id": STUDY,
            "revision": 1,
            "model": "mr_brain",
            "version": "2.0",
            "series_id": None,
            "reason": "no series meets its intended use",
            "refusals": {str(SERIES): ["modality is CT, not MR"]},
            "decided_at": _later(6),
        },
    ],
    "jobs": [
        {
            "id": JOB,
            "study_id": STUDY,
            "series_id": SERIES,
            "revision": 1,
            "model": "ct_lung",
            "version": "1.0",
            "model_digest": "00",
            "input_set": "00",
            "state": "succeeded",
            "reason": "done",
            "since": _later(15),
            "requested_at": _later(6),
            "attempts": 2,
            "not_before": _later(6),
            "findings": _FINDINGS,
        }
    ],
    "summaries": [
        {
            "id": SUMMARY,
            "study_id": STUDY,
            "revision": 1,
            "number": 1,
            "findings_set": "00",
            "state": "succeeded",
            "reason": "done",
            "since": _later(16),
            "requested_at": _later(15),
            "attempts": 1,
            "not_before": _later(15),
            "facts": FACTS.to_json(),
            "sources": [{"fact": "F1", "job": str(JOB), "part": "segment", "index": 0}],
            "runs": [str(JOB)],
            "impression": IMPRESSION.to_json(),
            "finished_at": _later(16),
        }
    ],
    "results": _RESULTS,
    "deliveries": [
        {
            "id": DELIVERY,
            "job_id": JOB,
            "study_id": STUDY,
            "destination": "PACS",
            "state": "pending",
            "reason": "out of resources (status A700H)",
            "since": _later(30),
            "attempts": 3,
            "not_before": _later(60),
        }
    ],
    "delivery_objects": [
        {"delivery_id": DELIVERY, "sop_uid": _RESULTS[0]["sop_uid"], "stored": True, "status": 0},
        {"delivery_id": DELIVERY, "sop_uid": _RESULTS[1]["sop_uid"], "stored": False, "status": 0xA700},
    ],
    "procedure_steps": [
        {
            "sop_uid": "1.2.3.900",
            "study_uids": ["1.2.826.1"],
            "state": "DISCONTINUED",
            "performed": {"1.2.3.4": ["1.2.3.4.1", "1.2.3.4.2"]},
            "begun_at": BEGUN,
            "ended_at": _later(4),
        }
    ],
    "requested_procedures": [
        {
            "sop_uid": "1.2.3.900",
            "study_uid": "1.2.826.1",
            "source": "MPPS",
            "codes": ["99RIS:CTTHOR"],
            "description": "Doe, John",
            "reason": "Doe, John",
            "object_key": "requests/00/00.dcm",
            "at": BEGUN,
        }
    ],
    "dead_letters": [
        {
            "reader": "results",
            "message": "{}",
            "event_id": uuid.UUID(int=9),
            "study_id": STUDY,
            "error": "no such series",
            "attempts": 5,
            "at": _later(40),
        }
    ],
}


def fill(database: Database) -> None:
    """Write the rows into an empty database."""
    with database.transaction() as connection:
        for table, rows in _ROWS.items():
            connection.execute(insert(metadata.tables[f"dicom_node.{table}"]), rows)
