"""Studies under a hold: nothing of them is removed until a person lets them go."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import StudyId
from domain.records import HoldRecord
from store.leases import NOW
from store.queries.records import read, rows_of
from store.tables import holds


def hold(connection: Connection, study: StudyId, reason: str, user: str) -> None:
    """Put a study, which this transaction has locked, under a hold; one that is there is said anew."""
    said = {"since": NOW, "reason": reason, "held_by": user}
    statement = upsert(holds).values(study_id=study, **said)
    connection.execute(statement.on_conflict_do_update(index_elements=["study_id"], set_=said))


def release(connection: Connection, study: StudyId) -> bool:
    """End the hold; False where there is none."""
    return connection.execute(delete(holds).where(holds.c.study_id == study)).rowcount > 0


def hold_of(connection: Connection, study: StudyId) -> HoldRecord | None:
    """The hold that a study is under."""
    found = read(connection, rows_of(HoldRecord, holds).where(holds.c.study_id == study), HoldRecord)
    return found[0] if found else None


def all_holds(connection: Connection) -> Sequence[HoldRecord]:
    """Every hold, the oldest first."""
    order = (holds.c.since, holds.c.study_id)
    return read(connection, rows_of(HoldRecord, holds).order_by(*order), HoldRecord)
