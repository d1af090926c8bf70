"""Of what a run's results are made besides its findings: its images, if the node has them still, and its requests."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from domain.ids import StudyId
from store import jobs, procedures, studies
from store.database import Connection
from store.jobs import Job
from store.objects import ObjectStore

_REPLACED = "an image of it was replaced since; a newer revision has results of its own"
#: Why nothing is written of a comparison: which study it is with could not be said.
NOTHING_EARLIER = "images of the earlier study that it was compared with are there no more: run the model again"
_REMOVED = "its images were removed by retention, and nothing is written without them"


def of_run(connection: Connection, job: Job, *, first: bool = False) -> dict[str, str] | None:
    """Object key by UID of the images that its findings name, with `first` those of its first input alone.

    None where one of them is there no more.
    """
    assert job.findings is not None
    keys = {uid: key for objects in jobs.objects_of(connection, job).values() for uid, key in objects}
    read = (job.findings.frames, *(() if first else (one.frames for one in job.findings.others)))
    named = dict.fromkeys(frame.sop_instance_uid for frames in read for frame in frames)
    return {uid: keys[uid] for uid in named} if named.keys() <= keys.keys() else None


def of_earlier(connection: Connection, job: Job) -> list[str] | None:
    """Object keys of the images of the earlier study that it was compared with; None where one is there no more."""
    assert job.findings is not None
    named = {frame.sop_instance_uid for one in job.findings.earlier for frame in one.frames}
    keys = jobs.keys_of(connection, named) if named else {}
    return sorted(keys.values()) if named <= keys.keys() else None


def requests(connection: Connection, study: StudyId, until: datetime, objects: ObjectStore) -> list[Path]:
    """The files that said what was requested of a study until its findings were there; so a retry has the same."""
    keys = procedures.files_of(connection, study, until)
    return [objects.path(key) for key in keys if objects.exists(key)]


def why_gone(connection: Connection, study: StudyId) -> str:
    """Why images that findings of a study name are there no more."""
    return _REMOVED if studies.images_removed(connection, study) else _REPLACED


def fault(connection: Connection, study: StudyId, runs: Collection[Job]) -> str:
    """Why no results can be written of what these runs of a study found, "" where they can."""
    gone = [one for one in runs if one.has_results and of_run(connection, one, first=True) is None]
    return why_gone(connection, study) if gone else ""
