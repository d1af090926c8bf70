"""What of a study that is not complete is here, series by series: what the decision about completeness asks.

All of it is counted from rows, so that it is the same after a restart.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from domain.contiguity import Placed
from domain.ids import StudyId
from domain.layout import Plane


@dataclass(frozen=True)
class ArrivedSeries:
    """A series of which something came.

    `id` is None where nothing of it could be read. `came` counts instances, what cannot be read included. `on_its_way`
    says that an open association brought something of it last.
    """

    id: UUID | None
    uid: str
    came: int
    on_its_way: bool


def series_of(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, Sequence[ArrivedSeries]]:
    """The series of each of these studies of which anything came."""
    found: dict[StudyId, list[ArrivedSeries]] = {}
    for row in connection.execute(_SERIES, {"studies": list(ids)}):
        one = ArrivedSeries(row.id, row.series_uid, row.came, row.on_its_way)
        found.setdefault(StudyId(row.study_id), []).append(one)
    return found


def places_of(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, Mapping[UUID, Sequence[Placed]]]:
    """Numbers and planes of all images of each of these studies, by their series."""
    found: dict[StudyId, dict[UUID, list[Placed]]] = {}
    for row in connection.execute(_PLACES, {"studies": list(ids)}):
        plane = Plane(row.position, row.orientation) if row.position and row.orientation else None
        scout = "LOCALIZER" in row.image_type.split("\\")
        of_study = found.setdefault(StudyId(row.study_id), {})
        of_study.setdefault(row.series_id, []).append(Placed(row.instance_number, plane, scout))
    return found


# What came and cannot be read is in quarantine; of what was sent once more, whole, both are there and it is one.
_SERIES = text(
    """
    WITH came AS (
        SELECT i.study_id, se.series_uid, i.sop_uid
        FROM dicom_node.instances i JOIN dicom_node.series se ON se.id = i.series_id
        WHERE i.study_id = ANY (:studies)
        UNION
        SELECT q.study_id, q.series_uid, q.sop_uid FROM dicom_node.quarantine q WHERE q.study_id = ANY (:studies)
    ), last AS (
        SELECT DISTINCT ON (i.association_id) i.association_id, i.study_id, i.series_id
        FROM dicom_node.instances i JOIN dicom_node.associations a ON a.id = i.association_id
        WHERE i.study_id = ANY (:studies) AND a.closed_at IS NULL
        ORDER BY i.association_id, i.received_at DESC, i.sop_uid DESC
    ), coming AS (
        SELECT DISTINCT last.series_id FROM last
        JOIN dicom_node.study_associations sa USING (study_id, association_id)
        WHERE NOT EXISTS (SELECT FROM dicom_node.study_associations later
                          WHERE later.association_id = sa.association_id AND later.last_sequence > sa.last_sequence)
    )
    SELECT came.study_id, se.id, came.series_uid, count(*) AS came, bool_or(coming.series_id IS NOT NULL) AS on_its_way
    FROM came
    LEFT JOIN dicom_node.series se ON se.study_id = came.study_id AND se.series_uid = came.series_uid
    LEFT JOIN coming ON coming.series_id = se.id
    GROUP BY came.study_id, se.id, came.series_uid
    ORDER BY came.study_id, came.series_uid
    """
)
_PLACES = text(
    """
    SELECT study_id, series_id, instance_number, position, orientation, image_type
    FROM dicom_node.instances WHERE study_id = ANY (:studies)
    """
)
