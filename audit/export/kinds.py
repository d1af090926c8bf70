"""What the message standards want to know of an action beside its event: what was done, of which type, how it ended.

Which event an action is says `audit.meanings`; here stands what differs from the rule for all actions of an event. An
action that came later than this table goes out by the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from audit.actions import Action, AuditEvent
from audit.export import codes
from audit.export.codes import Code
from audit.export.message import Did, Outcome
from audit.meanings import MEANINGS, named_today


@dataclass(frozen=True)
class Kind:
    """How an action goes out. Without `action` it is none of the node's: somebody wrote it past it."""

    action: Action | None
    event: AuditEvent
    did: Did
    types: tuple[Code, ...]
    outcome: Outcome


#: EventActionCode, where the tables of PS3.15 A.5.3 fix it or leave us one choice; of what was received see `_DID`.
_BY_EVENT: Mapping[AuditEvent, Did] = {
    AuditEvent.ACTIVITY: Did.EXECUTE,
    AuditEvent.LOG_USED: Did.READ,
    AuditEvent.BEGIN_TRANSFERRING: Did.EXECUTE,
    AuditEvent.ACCESSED: Did.UPDATE,
    AuditEvent.TRANSFERRED: Did.READ,  # A.5.3.7: whoever is not the receiver does not know what that held
    AuditEvent.DELETED: Did.DELETE,
    AuditEvent.EXPORT: Did.READ,
    AuditEvent.IMPORT: Did.CREATE,
    AuditEvent.QUERY: Did.EXECUTE,
    AuditEvent.SECURITY_ALERT: Did.EXECUTE,
    AuditEvent.AUTHENTICATION: Did.EXECUTE,
}
_DID: Mapping[Action, Did] = {
    **dict.fromkeys((Action.JOB_LEASED, Action.SUMMARY_LEASED, Action.CAUGHT_UP, Action.COMMITMENT_DECIDED), Did.READ),
    **dict.fromkeys(
        (Action.RECEIVED, Action.INFERRED, Action.WRITTEN, Action.NOTE_WRITTEN, Action.SUMMARISED), Did.CREATE
    ),
}
_TYPES: Mapping[Action, tuple[Code, ...]] = {
    Action.STARTED: (codes.APPLICATION_START,),
    Action.STOPPED: (codes.APPLICATION_STOP,),
    Action.CONFIGURED: (codes.SOFTWARE_CONFIGURATION,),
    Action.KEY_FORGOTTEN: (codes.SECURITY_CONFIGURATION,),
    Action.REFUSED: (codes.NODE_AUTHENTICATION,),
    Action.SECURED: (codes.LOGIN,),
    Action.LOGGED_OUT: (codes.LOGOUT,),
    Action.LOGIN_ENDED: (codes.LOGOUT,),
    Action.MODEL_ADDED: (codes.SOFTWARE_CONFIGURATION,),
    **dict.fromkeys((Action.SIGNING_KEY_MADE, Action.TRAIL_KEY), (codes.SECURITY_CONFIGURATION,)),
    **dict.fromkeys(
        (Action.USER_ADDED, Action.USER_CHANGED, Action.USER_INVITED, Action.PASSWORD_SET, Action.LOCKED_OUT),
        (codes.USER_ATTRIBUTES,),
    ),
    **dict.fromkeys((Action.KEY_MADE, Action.KEY_REVOKED), (codes.USER_ATTRIBUTES,)),
}
_MINOR = (
    *(Action.CONFLICT, Action.QUARANTINED, Action.REFUSED, Action.INSTANCE_REFUSED, Action.ASSOCIATION_ENDED),
    *(Action.JOB_LOST, Action.JOB_RETRIED, Action.SUMMARY_LOST, Action.SUMMARY_RETRIED),
    *(Action.DELIVERY_LOST, Action.DELIVERY_FAILED, Action.DELIVERY_NOT_COMMITTED),
    *(Action.RECEIVER_AWAY, Action.MESSAGE_REFUSED, Action.NOT_WRITTEN, Action.WITNESS_AWAY),
    *(Action.LOGIN_REFUSED, Action.ACCESS_REFUSED, Action.REQUEST_REFUSED),
)
_SERIOUS = (
    *(Action.STUDY_STUCK, Action.JOB_FAILED, Action.SUMMARY_FAILED, Action.DEAD_LETTER),
    *(Action.LOCKED_OUT, Action.NOT_SEALED, Action.CONTRADICTED),
)
_OUTCOMES: Mapping[Action, Outcome] = {
    **dict.fromkeys(_MINOR, Outcome.MINOR),
    **dict.fromkeys(_SERIOUS, Outcome.SERIOUS),
}


def kind(name: str) -> Kind:
    """How the action of this name goes out, also by a name that it had earlier.

    What is no action of the node is a security alert: whoever may append wrote it past the node.
    """
    action = named_today(name)
    if action is None:
        return Kind(None, AuditEvent.SECURITY_ALERT, Did.EXECUTE, (codes.RESTRICTED_FUNCTION,), Outcome.SERIOUS)
    event = MEANINGS[action].event
    did = _DID.get(action, Did.READ if name.endswith(" read") else _BY_EVENT[event])
    return Kind(action, event, did, _types(action, event), _OUTCOMES.get(action, Outcome.SUCCESS))


def _types(action: Action, event: AuditEvent) -> tuple[Code, ...]:
    """PS3.15 A.5.3.11 and A.5.3.12 want a type of each security alert and each authentication."""
    if action in _TYPES:
        return _TYPES[action]
    if event is AuditEvent.AUTHENTICATION:
        return (codes.LOGIN,)
    return (codes.RESTRICTED_FUNCTION,) if event is AuditEvent.SECURITY_ALERT else ()
