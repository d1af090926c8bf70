"""Studies that an earlier release indexed become findable: what searches ask for is read from images that are kept."""

from collections.abc import Callable
from dataclasses import dataclass

from audit.actions import Action
from audit.trail import Ledger
from dicom_node.intake.filing import reread
from dicom_node.intake.identity import PatientMarks
from domain.errors import NodeError
from domain.ids import StudyId
from store import studies
from store.objects import ObjectStore


@dataclass(frozen=True)
class CaughtUp:
    """How many studies were looked at, how many are findable by more than before, how many images were unreadable."""

    studies: int
    found: int
    unreadable: int


def catch_up(
    ledger: Ledger, objects: ObjectStore, marks: PatientMarks, tell: Callable[[int, int], None] = lambda done, of: None
) -> CaughtUp:
    """Read an image of each series of every study that lacks such a mark; the same again is safe.

    `tell` hears of how many studies of how many are done. Raises Unavailable where the database does not answer.
    """
    with ledger.database.transaction() as connection:
        wanted = studies.lacking_marks(connection)
    found = unreadable = 0
    for number, study in enumerate(wanted, 1):
        read, bad = _read(ledger, objects, marks, study)
        unreadable += bad
        with ledger.transaction() as transaction:
            if studies.name_more(transaction.connection, study, read):
                transaction.record(Action.CAUGHT_UP, study)
                found += 1
        tell(number, len(wanted))
    return CaughtUp(len(wanted), found, unreadable)


def _read(ledger: Ledger, objects: ObjectStore, marks: PatientMarks, study: StudyId) -> tuple[set[str], int]:
    """What an image of each series says, and how many could not be read: one that is gone costs its own alone."""
    with ledger.database.transaction() as connection:
        keys = studies.one_image_of_each_series(connection, study)
    found: set[str] = set()
    bad = 0
    for key in keys:
        try:
            found.update(reread(objects.path(key), marks).header.patient or ())
        except NodeError:
            bad += 1
    return found, bad
