"""Rows that the node keeps for itself and that nobody needs any more: events, their marks, associations, letters."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from store import expectations

# An event goes when every reader is past it and the group that handles its type has done so. One that a letter still
# tells of stays, for what is replayed is handled only as the event that was announced.
_GOES = """
    o.seq <= :place AND o.envelope ->> 'time' < :before
    AND NOT EXISTS (
        SELECT FROM unnest(CAST(:types AS text[]), CAST(:readers AS text[])) AS g(type, reader)
        WHERE g.type = o.envelope ->> 'type' AND o.topic = 'events' AND NOT EXISTS (
            SELECT FROM dicom_node.inbox i WHERE i.reader = g.reader AND i.event_id = o.event_id
        )
    )
    AND NOT EXISTS (
        SELECT FROM dicom_node.dead_letters l WHERE l.event_id = o.event_id AND l.replayed_at IS NULL
    )
"""
_ROWS: Mapping[str, str] = {
    "outbox": f"FROM dicom_node.outbox o WHERE {_GOES}",
    "inbox": """
        FROM dicom_node.inbox o WHERE o.handled_at < CAST(:before AS timestamptz)
        AND NOT EXISTS (SELECT FROM dicom_node.outbox e WHERE e.event_id = o.event_id)
    """,
    # Routing asks who sent a study; of one without images nobody asks.
    "associations": """
        FROM dicom_node.associations o WHERE o.closed_at < CAST(:before AS timestamptz) AND NOT EXISTS (
            SELECT FROM dicom_node.study_associations l JOIN dicom_node.studies s ON s.id = l.study_id
            WHERE l.association_id = o.id
            AND (s.images_removed_at IS NULL OR s.last_received > s.images_removed_at)
        )
    """,
    # Who has heard, or will not, may ask anew.
    "commitments": """
        FROM dicom_node.commitments o WHERE o.since < CAST(:before AS timestamptz)
        AND o.state IN ('reported', 'unreported', 'cancelled')
    """,
    "dead_letters": "FROM dicom_node.dead_letters o WHERE o.replayed_at < CAST(:before AS timestamptz)",
}
_LINKS = text(
    f"""
    DELETE FROM dicom_node.study_associations WHERE association_id IN (SELECT o.id {_ROWS["associations"]})
    """
)


def countable(
    connection: Connection, table: str, before: datetime, handled: Mapping[str, str], readers: Collection[str]
) -> int:
    """How many rows of `table` would go that are of before `before`."""
    asked = _asked(connection, table, before, handled, readers)
    return int(connection.scalar(text(f"SELECT count(*) {_ROWS[table]}"), asked) or 0)


def clear(
    connection: Connection, table: str, before: datetime, handled: Mapping[str, str], readers: Collection[str]
) -> int:
    """Remove them; how many there were."""
    asked = _asked(connection, table, before, handled, readers)
    if table == "associations":
        connection.execute(_LINKS, asked)
        expectations.forget_before(connection, before)  # what somebody said of how much associations were to bring
    return connection.execute(text(f"DELETE {_ROWS[table]}"), asked).rowcount


def _asked(
    connection: Connection, table: str, before: datetime, handled: Mapping[str, str], readers: Collection[str]
) -> Mapping[str, object]:
    if table != "outbox":
        return {"before": before}
    given = {"types": list(handled), "readers": list(handled.values()), "place": _place(connection, readers)}
    return {**given, "before": before.isoformat()}


def _place(connection: Connection, readers: Collection[str]) -> int:
    """How far every one of these readers of the outbox is; 0 where one has not begun."""
    asked = text("SELECT reader, seq FROM dicom_node.offsets WHERE reader = ANY(:readers)")
    found = {row.reader: row.seq for row in connection.execute(asked, {"readers": list(readers)})}
    return min((found.get(one, 0) for one in readers), default=0)
