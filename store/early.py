"""Jobs that were started before their study was complete: what arrives of which series, and those that nobody wants."""

import uuid
from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, and_, func, select

from domain.ids import StudyId
from domain.states import JobState, StudyState
from store.jobs import JOBS
from store.tables import instances, jobs, studies


def arriving(connection: Connection, revisions: int) -> Mapping[StudyId, Mapping[uuid.UUID, int]]:
    """How many instances each series has, of studies that come and were complete less often than this.

    A study whose images name two patients is not among them.
    """
    comes = studies.c.state.in_((StudyState.RECEIVING, StudyState.AMENDED))
    open_ones = select(studies.c.id).where(comes, ~studies.c.two_patients, studies.c.revision < revisions)
    counted = select(instances.c.study_id, instances.c.series_id, func.count().label("instances"))
    of_each = counted.where(instances.c.study_id.in_(open_ones)).group_by(instances.c.study_id, instances.c.series_id)
    found: defaultdict[StudyId, dict[uuid.UUID, int]] = defaultdict(dict)
    for row in connection.execute(of_each):
        found[StudyId(row.study_id)][row.series_id] = row.instances
    return found


def under_way(connection: Connection) -> int:
    """How many early jobs wait or run."""
    going = jobs.c.state.in_((JobState.REQUESTED, *JOBS.held))
    return connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.early, going)) or 0


def cancel(connection: Connection, study: StudyId, revision: int, reason: str) -> list[uuid.UUID]:
    """Cancel the study's early jobs up to this revision that it does not want, whatever they are at; which they are."""
    open_ = jobs.c.state.in_((JobState.REQUESTED, *JOBS.held, JobState.FOUND_EARLY))
    unwanted = and_(jobs.c.study_id == study, jobs.c.revision <= revision, jobs.c.early, open_)
    found = connection.execute(select(jobs.c.id).where(unwanted).order_by(jobs.c.id)).scalars().all()
    for job in found:
        JOBS.move(connection, job, JOBS.cancel, reason=reason)
    return list(found)
