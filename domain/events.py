"""The events that announce a change of state: CloudEvents 1.0 envelopes with internal ids and no identity.

The key is the internal study id, so that one study's events stay in order. `docs/events/` holds one schema a type;
consumers accept every version that was ever published.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.errors import Permanent
from domain.ids import new_id

SOURCE = "/dicom-node"
# The version of every type's data today; an event carries it in `dataschema`.
VERSION = 1


class EventType(StrEnum):
    """What may be announced. The text is the CloudEvents type, without the version."""

    STUDY_COMPLETED = "study.completed"
    STUDY_AMENDED = "study.amended"
    STUDY_STUCK = "study.stuck"
    INFERENCE_REQUESTED = "inference.requested"
    INFERENCE_COMPLETED = "inference.completed"
    INFERENCE_FAILED = "inference.failed"
    RESULTS_WRITTEN = "results.written"
    RESULTS_DELIVERED = "results.delivered"
    DELIVERY_FAILED = "delivery.failed"


@dataclass(frozen=True)
class Event:
    """One announcement. `data` holds internal ids, counts and states only."""

    type: EventType
    study_id: uuid.UUID
    time: datetime
    data: Mapping[str, Any]
    id: uuid.UUID = field(default_factory=new_id)

    def envelope(self) -> dict[str, Any]:
        """The CloudEvents envelope in JSON form."""
        return {
            "specversion": "1.0",
            "id": str(self.id),
            "source": SOURCE,
            "type": self.type.value,
            "subject": str(self.study_id),
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "dataschema": f"{self.type.value}.v{VERSION}.schema.json",
            "data": dict(self.data),
        }

    @classmethod
    def from_envelope(cls, envelope: Mapping[str, Any]) -> "Event":
        """The event in an envelope; raises Permanent where it is not one of ours."""
        try:
            if envelope["specversion"] != "1.0":
                raise Permanent(f"CloudEvents version {envelope['specversion']!r} is not understood")
            return cls(
                type=EventType(envelope["type"]),
                study_id=uuid.UUID(envelope["subject"]),
                time=datetime.fromisoformat(envelope["time"]),
                data=envelope["data"],
                id=uuid.UUID(envelope["id"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Permanent(f"not an event of the node: {type(error).__name__}: {error}") from error
