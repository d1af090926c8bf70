"""What of studies could be removed, and why it stays; rows and files that go.

Rows go first, in the transaction of their entry on the trail, and name the files in `removals`. A file goes when no row
names its bytes any more: the index, which writes a file before its row, keeps `sweep` away meanwhile by a lock.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.findings import Findings
from domain.ids import StudyId
from domain.retention import Candidate, What
from store import procedures
from store.database import Database
from store.jobs import lock as lock_jobs
from store.leases import NOW
from store.locks import locked
from store.procedure_tables import procedure_steps, requested_procedures
from store.studies import note_images_removed
from store.tables import (
    conflicts,
    holds,
    instances,
    jobs,
    quarantine,
    rejections,
    removals,
    results,
    studies,
    summaries,
)

_KEEP = text("SELECT pg_advisory_xact_lock_shared(:key)")
_FILES_LOCK = 0x66696C65  # "file": shared by who writes a file before its row, taken whole by who removes files
_BACKUP_LOCK = 0x6B656570  # "keep": shared by backups; what goes waits until they are through
_TOGETHER = 500  # files that go while nobody writes one

# Why nothing of a study goes. An event that nobody has handled yet is a step that is to come: none is known besides.
_KEPT = """
    CASE
    WHEN EXISTS (SELECT FROM dicom_node.holds h WHERE h.study_id = s.id) THEN 'it is under a hold'
    WHEN s.state NOT IN ('complete', 'archived') THEN 'it is ' || s.state
    WHEN cardinality(s.unsynced) > 0 THEN 'its images are not synced yet'
    WHEN EXISTS (
        SELECT FROM dicom_node.conflicts c
        WHERE s.id IN (c.study_id, c.sent_study_id) AND c.ended = '' AND c.adopted_at IS NULL
    ) THEN 'other images under its UIDs wait for a person'
    WHEN EXISTS (
        SELECT FROM dicom_node.dead_letters l WHERE l.study_id = s.id AND l.replayed_at IS NULL
    ) THEN 'an event of it was set aside'
    WHEN EXISTS (
        SELECT FROM dicom_node.outbox o
        JOIN unnest(CAST(:types AS text[]), CAST(:readers AS text[])) AS g(type, reader)
          ON g.type = o.envelope ->> 'type'
        WHERE o.key = s.id::text AND o.topic = 'events' AND NOT EXISTS (
            SELECT FROM dicom_node.inbox i WHERE i.reader = g.reader AND i.event_id = o.event_id
        )
    ) THEN 'a step of it is to come'
    WHEN EXISTS (
        SELECT FROM dicom_node.jobs j WHERE j.study_id = s.id AND j.state IN ('requested', 'leased', 'running')
    ) THEN 'a model is asked'
    WHEN EXISTS (
        SELECT FROM dicom_node.jobs j WHERE j.study_id = s.id AND j.state IN ('failed', 'timed_out')
        AND NOT EXISTS (
            SELECT FROM dicom_node.jobs n WHERE n.study_id = s.id AND n.model = j.model AND n.revision > j.revision
        )
    ) THEN 'a model failed on it: dicom-node retry, or accept'
    WHEN EXISTS (
        SELECT FROM dicom_node.summaries m WHERE m.study_id = s.id AND m.state IN ('requested', 'running')
    ) THEN 'its impression is being written'
    WHEN EXISTS (
        SELECT FROM dicom_node.deliveries d
        WHERE d.study_id = s.id AND d.state IN ('pending', 'sending', 'failed', 'refused')
    ) THEN 'results have not arrived'
    WHEN EXISTS (
        SELECT FROM dicom_node.commitment_requests q
        WHERE q.study_id = s.id AND q.state IN ('pending', 'asking', 'failed', 'resent')
    ) THEN 'an archive is asked whether it keeps its results'
    WHEN EXISTS (
        SELECT FROM dicom_node.jobs j WHERE j.study_id = s.id AND j.state = 'succeeded' AND j.withdrawn_at IS NULL
        AND NOT EXISTS (SELECT FROM dicom_node.deliveries d WHERE d.job_id = j.id)
        AND NOT EXISTS (
            SELECT FROM dicom_node.jobs n
            WHERE n.study_id = s.id AND n.model = j.model AND n.revision > j.revision AND n.state = 'succeeded'
        )
    ) THEN 'results have gone nowhere'
    WHEN EXISTS (
        SELECT FROM dicom_node.rejections r WHERE r.study_id = s.id AND r.state IN ('pending', 'sending')
    ) THEN 'a rejection note is on its way'
    ELSE '' END
"""
# How many objects each has and how large they are; what a mask takes no row says.
_HAVE: Mapping[What, str] = {
    What.IMAGES: "SELECT count(*) AS n, coalesce(sum(i.size), 0) AS bytes FROM dicom_node.instances i"
    " WHERE i.study_id = s.id",
    What.MAPS: "SELECT count(*) AS n, 0 AS bytes FROM dicom_node.jobs j WHERE j.study_id = s.id"
    " AND j.maps_removed_at IS NULL AND (j.findings -> 'mask' ->> 'key' <> ''"
    " OR jsonb_array_length(coalesce(j.findings -> 'maps', '[]')) > 0)",
    What.RESULTS: "SELECT count(*) AS n, coalesce(sum(r.size), 0) AS bytes FROM dicom_node.results r"
    " WHERE r.study_id = s.id AND r.removed_at IS NULL",
}
# A study whose images went and that got none since is passed over without a look at its images.
_COULD: Mapping[What, str] = {
    What.IMAGES: "(s.images_removed_at IS NULL OR s.last_received > s.images_removed_at)",
    What.MAPS: "true",
    What.RESULTS: "true",
}


def candidates(
    connection: Connection,
    what: What,
    handled: Mapping[str, str],
    *,
    study: StudyId | None = None,
    before: datetime | None = None,
    most: int | None = None,
    kept: bool = True,
) -> list[Candidate]:
    """What studies have of `what`, the oldest first; `kept` shows those as well that have to stay.

    `handled` says of each type of event which group of consumers handles it. `before` leaves out what came later.
    """
    query = text(
        f"""
        SELECT id, n, bytes, last_received, kept FROM (
            SELECT s.id, s.last_received, have.n, have.bytes, {_KEPT} AS kept
            FROM dicom_node.studies s CROSS JOIN LATERAL ({_HAVE[what]}) AS have
            WHERE {_COULD[what]} AND have.n > 0 AND (CAST(:study AS uuid) IS NULL OR s.id = :study)
              AND (CAST(:before AS timestamptz) IS NULL OR s.last_received < :before)
        ) AS found WHERE :kept OR kept = '' ORDER BY last_received, id LIMIT :most
        """
    )
    asked = {"types": list(handled), "readers": list(handled.values()), "study": study, "before": before}
    found = connection.execute(query, {**asked, "kept": kept, "most": most})
    return [Candidate(StudyId(row.id), what, row.n, int(row.bytes), row.last_received, row.kept) for row in found]


def lock(connection: Connection, study: StudyId) -> bool:
    """Lock a study and what models made of it; False where there is none."""
    lock_jobs(connection, study)
    found = locked(select(studies.c.id).where(studies.c.id == study), studies)
    return connection.execute(found).one_or_none() is not None


def drop_images(connection: Connection, study: StudyId) -> tuple[int, int]:
    """Remove the rows of its images, and of other bytes that came under their UIDs; how many, and their bytes."""
    gone = delete(instances).where(instances.c.study_id == study)
    rows = connection.execute(gone.returning(instances.c.object_key, instances.c.sop_uid, instances.c.size)).all()
    others = delete(conflicts).where(conflicts.c.study_id == study)
    beside = connection.execute(others.returning(conflicts.c.object_key, conflicts.c.sop_uid)).all()
    _let_go(connection, [(row.object_key, row.sop_uid) for row in (*rows, *beside)])
    _let_go(connection, procedures.let_go_of_study(connection, study))
    note_images_removed(connection, study, len(rows))
    return len(rows), sum(row.size for row in rows)


def drop_maps(connection: Connection, study: StudyId) -> tuple[int, int]:
    """Let the masks and maps of its runs go; how many, and 0 for the bytes, which no row says."""
    mine = select(jobs.c.id, jobs.c.findings).where(
        jobs.c.study_id == study, jobs.c.maps_removed_at.is_(None), jobs.c.findings.is_not(None)
    )
    found = {row.id: Findings.from_json(row.findings) for row in connection.execute(mine)}
    keys = [key for one in found.values() for key in _arrays(one)]
    _let_go(connection, [(key, "") for key in keys])
    connection.execute(update(jobs).where(jobs.c.id.in_(found)).values(maps_removed_at=NOW))
    return len(keys), 0


def _arrays(findings: Findings) -> Iterator[str]:
    if findings.mask:
        yield findings.mask.key
    yield from (one.key for one in findings.maps)


def drop_results(connection: Connection, study: StudyId) -> tuple[int, int]:
    """Let the files of its results go, and what its impressions say.

    Their rows stay, for a result is taken back and superseded by its UID.
    """
    mine = update(results).where(results.c.study_id == study, results.c.removed_at.is_(None)).values(removed_at=NOW)
    rows = connection.execute(mine.returning(results.c.object_key, results.c.sop_uid, results.c.size)).all()
    _let_go(connection, [(row.object_key, row.sop_uid) for row in rows])
    nothing = dict.fromkeys(("facts", "sources", "runs", "impression", "asked"))
    connection.execute(update(summaries).where(summaries.c.study_id == study).values(nothing))
    return len(rows), sum(row.size for row in rows)


def drop_quarantined(connection: Connection, before: datetime) -> int:
    """Remove what could not be read, but for studies under a hold, and files that came before `before`; how many."""
    held = select(holds.c.study_id).where(holds.c.study_id == quarantine.c.study_id).exists()
    old = delete(quarantine).where(quarantine.c.received_at < before, ~held)
    rows = connection.execute(old.returning(quarantine.c.object_key, quarantine.c.sop_uid)).all()
    _let_go(connection, [(row.object_key, row.sop_uid) for row in rows if row.object_key])
    return len(rows)


def drop_requests(connection: Connection, before: datetime) -> int:
    """Remove what was requested and performed, before that moment, of studies that never came; how many files."""
    files = procedures.let_go_before(connection, before)
    _let_go(connection, files)
    return len(files)


def let_go(connection: Connection, keys: Iterable[str], sop_uid: str) -> None:
    """Files of what bears this UID that another has replaced."""
    _let_go(connection, [(key, sop_uid) for key in keys])


def _let_go(connection: Connection, files: Iterable[tuple[str, str]]) -> None:
    named = {key: sop_uid for key, sop_uid in files if key}
    for start in range(0, len(named), _TOGETHER):
        some = list(named.items())[start : start + _TOGETHER]
        rows = [{"object_key": key, "sop_uid": uid, "removed_at": NOW} for key, uid in some]
        connection.execute(upsert(removals).values(rows).on_conflict_do_nothing())


@contextmanager
def writing(database: Database) -> Iterator[None]:
    """For as long as a file is written whose row comes after it: no file is removed meanwhile."""
    with database.transaction() as connection:
        keep_files(connection)
        yield


def keep_files(connection: Connection) -> None:
    """Until this transaction ends no file is removed."""
    connection.execute(_KEEP, {"key": _FILES_LOCK})


@contextmanager
def nothing_removed(database: Database) -> Iterator[None]:
    """For as long as a backup is made: rows that it has keep their files."""
    with database.transaction() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _BACKUP_LOCK})
        yield


def may_remove(connection: Connection) -> bool:
    """Whether no backup is made at present; none begins until this transaction ends."""
    return bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _BACKUP_LOCK}))


def sweep(database: Database, remove: Callable[[str], None]) -> int:
    """Remove some of the files that are to go and that no row names; how many were looked at, 0 where none is left."""
    with database.transaction() as connection:
        if not may_remove(connection):
            return 0
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _FILES_LOCK})
        order = select(removals.c.object_key, removals.c.sop_uid).order_by(removals.c.removed_at, removals.c.object_key)
        found = [(row.object_key, row.sop_uid) for row in connection.execute(order.limit(_TOGETHER))]
        named = _named(connection, found)
        for key, _ in found:
            if key not in named:
                remove(key)
        connection.execute(delete(removals).where(removals.c.object_key.in_([key for key, _ in found])))
    return len(found)


def _named(connection: Connection, files: Sequence[tuple[str, str]]) -> set[str]:
    """Those that a row still names. The same bytes bear the same UID, by which each table is searched."""
    named: set[str] = set()
    uids = [uid for _, uid in files if uid]
    keys = [key for key, _ in files]
    for table in (instances, conflicts, quarantine, results, rejections, procedure_steps, requested_procedures):
        rows = select(table.c.object_key).where(table.c.sop_uid.in_(uids), table.c.object_key.in_(keys))
        if table is results:
            rows = rows.where(results.c.removed_at.is_(None))
        named |= set(connection.execute(rows).scalars())
    return named
