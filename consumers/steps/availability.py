"""What an archive says that it has of a study (IAN), from the spool into what is expected of it."""

from datetime import datetime
from typing import TYPE_CHECKING

from audit.actions import Action
from audit.trail import Transaction
from dicom_node.procedures import availability, datasets
from store import expectations, studies
from store.expectations import IAN, Said
from store.index import STUDIES_CHANNEL

if TYPE_CHECKING:
    from consumers.steps.messages import Message


def take(transaction: Transaction, message: "Message", now: datetime) -> None:
    """Expect what is online; raises UnusableInput where the notification cannot be read."""
    entry = message.entry
    said = availability.available(datasets.read(message.data, entry.transfer_syntax))
    expected = [
        Said(said.study_uid, IAN, series, entry.sop_instance, sop_uids=uids)
        for series, uids in sorted(said.online.series.items())
    ]
    expectations.note(transaction.connection, expected)
    details = {"notification": entry.sop_instance, "instances": said.online.instances, "caller": entry.calling}
    known = studies.ids_of(transaction.connection, [said.study_uid])
    transaction.record(Action.AVAILABILITY, next(iter(known), None), **details)
    transaction.wake(STUDIES_CHANNEL)
