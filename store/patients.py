"""Whose images a study has: its instances by the patient that they name, known by keyed digests alone."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, literal_column, select, update

from domain.conflict_records import PatientGroup
from domain.identity import OF_A_STUDY, disagreeing, of_patient
from domain.ids import StudyId
from store.locks import locked
from store.studies import forget_patients
from store.tables import associations, conflicts, identity_key, instances, series, studies

# The marks that say who the patient is: what was ordered, and when it was done, parts nobody's images.
_OF_NOBODY = ", ".join(f"'{one}:'" for one in OF_A_STUDY)
_WHO: ColumnElement[Sequence[str] | None] = literal_column(
    "(SELECT array_agg(mark ORDER BY mark) FROM unnest(instances.identity) mark "
    f"WHERE NOT mark ^@ ANY (ARRAY[{_OF_NOBODY}]))"
).label("who")


@dataclass(frozen=True)
class NamedImages:
    """A study's instances that bear the same marks, and what may be shown of them."""

    marks: frozenset[str]
    shown: PatientGroup


@dataclass(frozen=True)
class TakenOut:
    """An instance that the index had; `revision` is the study's first that contained it."""

    sop_uid: str
    sop_class: str
    digest: str
    association_id: uuid.UUID
    object_key: str
    received_at: datetime
    series_uid: str
    revision: int


def groups(connection: Connection, study: StudyId) -> tuple[NamedImages, ...]:
    """The instances of a study by whom they name, the group that began first first; each has a number, from 1."""
    began = func.min(instances.c.received_at)
    query = (
        select(
            _WHO,
            func.count().label("instances"),
            func.array_agg(series.c.series_uid.distinct()).label("series"),
            func.array_agg(associations.c.calling_ae.distinct()).label("callers"),
            began.label("received_at"),
            func.min(instances.c.sop_uid).label("example"),
        )
        .join(series, series.c.id == instances.c.series_id)
        .outerjoin(associations, associations.c.id == instances.c.association_id)
        .where(instances.c.study_id == study)
        .group_by(_WHO)
        .order_by(began, _WHO)
    )
    rows = connection.execute(query).all()
    marks = [frozenset(row.who or ()) for row in rows]
    return tuple(
        NamedImages(
            own,
            PatientGroup(
                number,
                row.instances,
                tuple(row.series),
                tuple(one for one in row.callers if one),
                row.received_at,
                row.example,
                _differs(own, marks),
            ),
        )
        for number, (row, own) in enumerate(zip(rows, marks, strict=True), 1)
    )


def _differs(own: Collection[str], others: Sequence[Collection[str]]) -> tuple[str, ...]:
    """The attributes in which images with the marks `own` disagree with any others."""
    return disagreeing(one for other in others if disagreeing({*own, *other}) for one in (*own, *other))


def take_out(connection: Connection, study: StudyId, sets: Collection[frozenset[str]]) -> list[TakenOut]:
    """Take the study's instances that bear one of these sets of marks out of the index; their objects stay."""
    wanted = [sorted(one) for one in sets]
    columns = (instances.c[name] for name in TakenOut.__dataclass_fields__ if name != "series_uid")
    mine = select(*columns, series.c.series_uid, instances.c.identity).join(series)
    found = connection.execute(locked(mine.where(instances.c.study_id == study), instances)).mappings()
    fields = TakenOut.__dataclass_fields__
    taken = [
        TakenOut(**{name: row[name] for name in fields})
        for row in found
        if sorted(of_patient(row["identity"] or ())) in wanted
    ]
    connection.execute(delete(instances).where(instances.c.sop_uid.in_([one.sop_uid for one in taken])))
    return taken


def undecided(connection: Connection) -> int:
    """How many studies' images name two patients."""
    return connection.scalar(select(func.count()).select_from(studies).where(studies.c.two_patients)) or 0


def forget_marks(connection: Connection) -> None:
    """Let it be unknown of all that is indexed whom it names, and any key be the first."""
    for table in (instances, conflicts):
        connection.execute(update(table).where(table.c.identity.is_not(None)).values(identity=None))
    forget_patients(connection)
    connection.execute(delete(identity_key))
