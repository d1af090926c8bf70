"""A node and an archive on trial: what a test waits for, read from the node's tables, and what has come home."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from pydicom import Dataset, dcmread

from domain.profiles import ResultKind
from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.processes import the_child
from tests.support.servers import Orthanc

Row = Mapping[str, Any]

# A test has no five seconds for every study, no quarter of an hour for an archive that comes back, and no disk for a
# log of gigabytes.
QUICK = {
    "DICOM_NODE_ASSEMBLY__SETTLE": "1",
    "DICOM_NODE_DELIVERY__LONGEST_DELAY": "4",
    "DICOM_NODE_SPOOL__SEGMENT": str(8 << 20),
    "DICOM_NODE_SPOOL__CAPACITY": str(512 << 20),
    "DICOM_NODE_LISTENER__MAX_INSTANCE": str(128 << 20),
    "DICOM_NODE_SPOOL__DISK_FLOOR": "0",
}

# The kinds that an archive gets of findings with segments, in order of their names.
SEGMENTED = sorted(
    [ResultKind.SEG, ResultKind.SR_REGIONS, ResultKind.SR, ResultKind.GSPS, ResultKind.SC, ResultKind.KOS]
)

# Nothing is under way: no study open, no event unhandled by the group that wants it, no job, no delivery.
_UNDER_WAY = """
SELECT 'study' AS what, reason FROM studies WHERE state IN ('receiving', 'amended')
UNION ALL SELECT 'job', reason FROM jobs WHERE state IN ('requested', 'leased', 'running')
UNION ALL SELECT 'delivery', reason FROM deliveries WHERE state IN ('pending', 'sending')
UNION ALL SELECT 'rejection note', reason FROM rejections WHERE state IN ('pending', 'sending')
UNION ALL SELECT 'association', calling_ae FROM associations WHERE closed_at IS NULL
UNION ALL
SELECT 'event', envelope ->> 'type' FROM outbox
JOIN (VALUES ('study.completed', 'routing'), ('study.amended', 'routing'), ('inference.completed', 'results'),
             ('results.requested', 'results'), ('results.rejected', 'results'), ('results.written', 'delivery'))
AS wanted (type, reader)
ON wanted.type = envelope ->> 'type'
WHERE topic = 'events' AND NOT EXISTS (
    SELECT FROM inbox WHERE inbox.reader = wanted.reader AND inbox.event_id = outbox.event_id
)
"""

_HOME = """
SELECT s.id FROM studies s
JOIN jobs j ON j.study_id = s.id AND j.revision = s.revision AND j.state = 'succeeded'
JOIN deliveries d ON d.job_id = j.id AND d.state IN ('stored', 'committed')
WHERE s.study_uid = %s AND s.state = 'complete' AND s.revision = %s
"""


def small(study: str, **differences: Any) -> Phantom:
    """A chest of 24 coarse slices: enough for a volume, little to compute."""
    return Phantom(slices=24, size=(64, 64), spacing=(10.0, 6.0, 6.0), study=study, **differences)


class Trial:
    """`node` sends its results to `archive`."""

    def __init__(self, node: Node, archive: Orthanc) -> None:
        self.node, self.archive = node, archive

    @contextmanager
    def superuser(self) -> Iterator["psycopg.Connection[dict[str, Any]]"]:
        """A connection to the node's database that may do everything; each statement commits by itself."""
        url = self.node.superuser_url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            connection.execute("SET search_path = dicom_node")
            yield connection

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What the node's database answers to its superuser."""
        with self.superuser() as connection:
            answer = connection.execute(query.encode(), values)
            return answer.fetchall() if answer.description else []

    def study(self, uid: str) -> dict[str, Any]:
        """The row of a study, empty where there is none."""
        found = self.rows("SELECT * FROM studies WHERE study_uid = %s", uid)
        return found[0] if found else {}

    def indexed(self, uid: str) -> set[str]:
        """SOP Instance UIDs of a study's instances."""
        query = "SELECT sop_uid FROM instances JOIN studies ON studies.id = study_id WHERE study_uid = %s"
        return {row["sop_uid"] for row in self.rows(query, uid)}

    def status(self, uid: str) -> dict[str, Any]:
        """What `dicom-node status STUDY --json` prints."""
        return dict(self.node.cli("status", uid))

    def await_home(self, uid: str, revision: int = 1, timeout: float = 150) -> None:
        """Wait until the results of this revision of the study are stored at the archive."""
        what = f"the results of revision {revision} of {uid}"
        self.wait_for(lambda: self.rows(_HOME, uid, revision), what, timeout, lambda: self._report(uid))

    def await_rest(self, timeout: float = 150) -> None:
        """Wait until nothing is under way any more, so that what is not there by now never comes."""
        self.wait_for(lambda: not self.rows(_UNDER_WAY), "rest", timeout, lambda: str(self.rows(_UNDER_WAY)))

    def await_closed(self, associations: int) -> None:
        """Wait until so many associations in all are known to have closed."""
        closed = "SELECT count(*) AS n FROM associations WHERE closed_at IS NOT NULL"
        self.wait_for(lambda: self.rows(closed)[0]["n"] >= associations, f"{associations} associations to have closed")

    def wait_for(self, predicate: Any, what: str, timeout: float = 150, report: Any = str) -> Any:
        """As `Node.wait_for`."""
        return self.node.wait_for(predicate, timeout, what, report)

    def home(self, uid: str) -> dict[str, list[str]]:
        """SOP Instance UIDs of the results that the archive holds for a study, by modality."""
        found: dict[str, list[str]] = {}
        for one in self.archive.instances(StudyInstanceUID=uid):
            result = self.result(one["ID"])
            found.setdefault(result.Modality, []).append(result.SOPInstanceUID)
        return found

    def kinds(self, uid: str) -> list[str]:
        """What the archive holds of a study beside its images: the kinds of the node's results, one for each object.

        A rejection note is of the kind NOTE.
        """
        query = (
            "SELECT sop_uid, kind FROM results JOIN studies ON studies.id = study_id WHERE study_uid = %(uid)s "
            "UNION ALL SELECT sop_uid, 'NOTE' FROM rejections JOIN studies ON studies.id = study_id "
            "WHERE study_uid = %(uid)s"
        )
        with self.superuser() as connection:
            kinds = {row["sop_uid"]: row["kind"] for row in connection.execute(query, {"uid": uid})}
        return sorted(kinds.get(one, "unknown") for found in self.home(uid).values() for one in found)

    def results(self, uid: str) -> list[Dataset]:
        """The results that the archive holds for a study."""
        return [self.result(one["ID"]) for one in self.archive.instances(StudyInstanceUID=uid)]

    def result(self, instance: str) -> Dataset:
        """An instance of the archive by the archive's id."""
        return dcmread(io.BytesIO(self.archive.file(instance)))

    def assert_one_set(self, *uids: str) -> None:
        """After everything has come to rest, the archive holds one set of results for each study, and nothing else."""
        self.await_rest()
        assert {uid: self.kinds(uid) for uid in uids} == dict.fromkeys(uids, SEGMENTED)

    def model_process(self) -> int:
        """The process in which the worker's models run."""
        return the_child(self.node.pid("work"))

    def _report(self, uid: str) -> str:
        tables = ("jobs", "results", "deliveries", "dead_letters")
        study = self.study(uid)
        rows = {name: self.rows(f"SELECT * FROM {name} WHERE study_id = %s", study.get("id")) for name in tables}
        for job in rows["jobs"]:
            job["findings"] = job["findings"] is not None
        return json.dumps({"study": study, **rows}, default=str, indent=1)


def save(datasets: Iterable[Dataset], folder: Path) -> list[Path]:
    """Results as files, for the judges."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dataset in datasets:
        paths.append(folder / f"{dataset.Modality}-{dataset.SOPInstanceUID}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths
