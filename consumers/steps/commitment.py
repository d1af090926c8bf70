"""Storage commitment in the index: what is asked is kept, what is reported to us goes to who asked.

Both come through the spool (`consumers.steps.messages`); what is asked is decided by `consumers.steps.decide`.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from audit.actions import Action
from audit.trail import Transaction
from dicom_node.commitment import NoCommitment, read_report, read_request
from dicom_node.dimse import Operation
from domain.errors import Permanent
from domain.statuses import described, is_taken
from store import commitment_requests, commitments
from store.commitments import Asked

if TYPE_CHECKING:
    from consumers.steps.messages import Message

# s that an instance which is not there is waited for: its sender has had success for it, so that another host's spool
# may have it.
WAIT = 30.0
MOST_TOLD = 100  # instances that an entry of the trail names; of more it says how many


def take(transaction: Transaction, message: "Message", now: datetime) -> None:
    """A request, a report, or a peer's answer to a report of ours; raises Permanent where it is none of these."""
    try:
        if message.operation == Operation.N_ACTION:
            _asked(transaction, message)
        elif message.operation == Operation.N_EVENT_REPORT:
            _reported(transaction, message)
        else:
            _heard(transaction, message)
    except NoCommitment as error:
        raise Permanent(f"it is no storage commitment: {error}") from error


def _asked(transaction: Transaction, message: "Message") -> None:
    entry = message.entry
    request = read_request(message.data, entry.transfer_syntax)
    asked = Asked(
        transaction=request.transaction,
        calling=entry.calling,
        called=entry.called,
        address=entry.address,
        association=entry.association,
        spool=message.spool,
        references=[(one.sop_class, one.sop_instance) for one in request.references],
        asked_at=entry.received,
    )
    commitments.ask(transaction.connection, asked, WAIT)
    told = {"transaction": request.transaction, "instances": len(request.references)}
    transaction.record(Action.COMMITMENT_ASKED, None, **_who(message), **told)


def _reported(transaction: Transaction, message: "Message") -> None:
    """An archive's report goes to the row that asked; one that nobody asked for is recorded and counts for nothing."""
    report = read_report(message.data, message.entry.transfer_syntax)
    failed = {one.sop_instance: reason for one, reason in report.failed}
    said = {"committed": [one.sop_instance for one in report.committed], "failed": failed}
    study = commitment_requests.note_report(transaction.connection, report.transaction, said)
    told = {"transaction": report.transaction, "committed": len(report.committed), "failed": told_of(failed)}
    transaction.record(Action.COMMITMENT_REPORTED, study, **_who(message), **told, asked=study is not None)
    transaction.wake(commitment_requests.CHANNEL)


def _heard(transaction: Transaction, message: "Message") -> None:
    """A peer has answered a report of ours on an association of its own."""
    details = message.details
    try:
        ident = uuid.UUID(str(details.get("report")))
    except ValueError:
        raise Permanent("it answers no report") from None
    status = details.get("status")
    if isinstance(status, int) and is_taken(status):
        heard = commitments.told(transaction.connection, ident, "reported on an association of the peer's own")
        if heard is not None:
            told = {"transaction": heard.transaction_uid, "status": f"{status:04X}"}
            transaction.record(Action.COMMITMENT_REPORTED, None, **_who(message), **told)
        return
    said = described(status) if isinstance(status, int) else "without a status"
    commitments.note(transaction.connection, ident, f"the peer did not take the report: {said}")


def told_of(failed: Mapping[str, int]) -> list[list[str]]:
    """Instances with their Failure Reasons, as many as an entry of the trail names."""
    return [[uid, f"{reason:04X}"] for uid, reason in list(failed.items())[:MOST_TOLD]]


def _who(message: "Message") -> dict[str, str]:
    one = message.entry
    return {"association": str(one.association), "caller": one.calling, "called": one.called, "address": one.address}
