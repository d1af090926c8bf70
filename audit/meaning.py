"""The form of what an action means."""

from dataclasses import dataclass

from audit.actions import AuditEvent

#: What a person's decision adds to its details (store.queries.standing).
CHANGED = "`before` and `after`: each row of the study that stands otherwise"


@dataclass(frozen=True)
class Meaning:
    """`event`: the message of PS3.15 A.5; `when` it is recorded; `details` beside study, time and writer."""

    event: AuditEvent
    when: str
    details: str = ""
