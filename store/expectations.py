"""What was said is to come of a study: written by whoever hears it, read by whoever decides about completeness.

Who writes a row wakes `store.index.STUDIES_CHANNEL` in the same transaction (`Transaction.wake`), and the study is
looked at. A row may be there before anything of its study is. Rows hang on nothing: they are locked behind all that is
a study's, in the order of their keys.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Executable, delete, func, text
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.expectations import Expectation
from store.arrival_tables import expectations
from store.leases import NOW

#: The source of what stands in the data sets themselves.
SENDER = "the sender says"
#: The source of a notification of what is available (IAN): of what was there when it was sent.
IAN = "IAN"
# Instances that one source names of one study at the most: none has so many.
MOST_NAMED = 20_000


@dataclass(frozen=True)
class Said:
    """What `source` says of a study, or of its series `series_uid`; `part` tells apart what it says of one of them.

    How many `instances`, how many `series`; or which instances, by `sop_uids`, whose number is then `instances`.
    """

    study_uid: str
    source: str
    series_uid: str = ""
    part: str = ""
    instances: int | None = None
    series: int | None = None
    sop_uids: tuple[str, ...] | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it replaces has the same."""
        return self.study_uid, self.series_uid, self.source, self.part


def note(connection: Connection, said: Collection[Said]) -> None:
    """Keep what was said; it replaces what the same source said of the same before.

    A number that an archive gives is no evidence while the archive itself still receives the study: ask, or note its
    answer, once it has not changed for a while.
    """
    for row in _rows(said):
        connection.execute(_NOTE, row)
    for study, source in sorted({(one.study_uid, one.source) for one in said if one.sop_uids is not None}):
        # All that is named is looked at with each image that comes: who names more is believed nothing.
        if (connection.scalar(_HOW_MANY_NAMED, {"study": study, "source": source}) or 0) > MOST_NAMED:
            withdraw(connection, study, source)


def note_of_images(connection: Connection, said: Collection[Said]) -> None:
    """Keep what stands in images: the largest number counts, and one that was another before is told to vary."""
    for row in _rows(said):
        connection.execute(_NOTE_OF_IMAGES, row)


def withdraw(connection: Connection, study_uid: str, source: str) -> None:
    """What this source said of a study it says no more."""
    of_it = (expectations.c.study_uid == study_uid, expectations.c.source == source)
    connection.execute(delete(expectations).where(*of_it))


def forget_before(connection: Connection, before: datetime) -> int:
    """Remove what was said before that moment; how many rows."""
    return connection.execute(delete(expectations).where(expectations.c.at < before)).rowcount


def of_studies(connection: Connection, uids: Collection[str]) -> Mapping[str, Mapping[str, Sequence[Expectation]]]:
    """What is expected of studies, by Study Instance UID and by Series Instance UID, "" of the study as a whole."""
    found: dict[str, dict[str, list[Expectation]]] = {}
    for row in connection.execute(_OF_STUDIES, {"uids": list(uids)}):
        one = Expectation(row.source, row.instances, row.series, row.present, row.varies, row.source != IAN)
        found.setdefault(row.study_uid, {}).setdefault(row.series_uid, []).append(one)
    return found


def named(connection: Connection, uids: Collection[str]) -> Mapping[str, Mapping[str, int]]:
    """How many of the instances that are here of studies anybody named, by Study and by Series Instance UID."""
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(_NAMED, {"uids": list(uids)}):
        found.setdefault(row.study_uid, {})[row.series_uid] = row.number
    return found


# What came counts, be it that it cannot be read, and be it that nobody can tell of which study that is. What is named
# and what came are sorted together: a join may take long, for no planner knows how many are named.
_TOGETHER = """
    SELECT every.*, bool_or(source IS NULL) OVER same AS here, bool_or(source IS NOT NULL) OVER same AS listed
    FROM (
        SELECT e.study_uid, e.series_uid, e.source, e.part, one.uid
        FROM dicom_node.expectations e CROSS JOIN LATERAL unnest(e.sop_uids) AS one(uid)
        WHERE e.study_uid = ANY (:uids)
        UNION ALL
        (SELECT s.study_uid, se.series_uid, NULL, NULL, i.sop_uid
        FROM dicom_node.studies s JOIN dicom_node.series se ON se.study_id = s.id
        JOIN dicom_node.instances i ON i.series_id = se.id
        WHERE s.study_uid = ANY (:uids)
        UNION
        SELECT s.study_uid, q.series_uid, NULL, NULL, q.sop_uid
        FROM dicom_node.studies s JOIN dicom_node.quarantine q ON q.study_id = s.id OR q.study_id IS NULL
        WHERE s.study_uid = ANY (:uids))
    ) AS every WINDOW same AS (PARTITION BY study_uid, uid)
"""
_OF_STUDIES = text(
    f"""
    WITH present AS (
        SELECT study_uid, series_uid, source, part, count(*) AS number FROM ({_TOGETHER}) AS every
        WHERE here AND source IS NOT NULL GROUP BY study_uid, series_uid, source, part
    )
    SELECT e.study_uid, e.series_uid, e.source, e.instances, e.series, e.varies,
           CASE WHEN e.sop_uids IS NOT NULL THEN coalesce(present.number, 0) END AS present
    FROM dicom_node.expectations e LEFT JOIN present USING (study_uid, series_uid, source, part)
    WHERE e.study_uid = ANY (:uids)
    ORDER BY e.study_uid, e.series_uid, e.source, e.part
    """
)
_NAMED = text(
    f"""
    SELECT study_uid, series_uid, count(*) AS number FROM ({_TOGETHER}) AS every
    WHERE listed AND source IS NULL GROUP BY study_uid, series_uid
    """
)
_HOW_MANY_NAMED = text(
    """
    SELECT sum(cardinality(sop_uids)) FROM dicom_node.expectations WHERE study_uid = :study AND source = :source
    """
)


def _rows(said: Collection[Said]) -> Sequence[dict[str, object]]:
    """In one order, so that two who note the same wait for each other and no more."""
    return [_row(one) for one in sorted(said, key=lambda one: one.key)]


def _row(one: Said) -> dict[str, object]:
    named = None if one.sop_uids is None else sorted(set(one.sop_uids))
    return {**vars(one), "sop_uids": named, "instances": one.instances if named is None else len(named)}


def _upsert(of_images: bool) -> Executable:
    new = upsert(expectations).values(at=NOW)
    kept, said = expectations.c, new.excluded
    values: dict[str, object] = {"sop_uids": said.sop_uids, "at": NOW}
    for name in ("instances", "series"):
        values[name] = func.greatest(kept[name], said[name]) if of_images else said[name]
    differs = said.instances.is_distinct_from(kept.instances) | said.series.is_distinct_from(kept.series)
    values["varies"] = (kept.varies | differs) if of_images else False
    where = differs if of_images else None  # each batch of a study says the same
    return new.on_conflict_do_update(
        index_elements=["study_uid", "series_uid", "source", "part"], set_=values, where=where
    )


# Built once, for to build a statement takes longer than to send it.
_NOTE, _NOTE_OF_IMAGES = _upsert(of_images=False), _upsert(of_images=True)
