"""the trail is appended to by a function of its owner's, which checks number and link; the node may insert no row."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# It runs as its owner, so that it finds nothing by the caller's search path: names of pg_catalog first, a temporary
# object of the caller's last, and the trail by its whole name. The last row is the same that the caller has seen, for
# whoever appends holds the lock that orders the log; without it the second of two breaks the primary key.
_APPEND = """
CREATE FUNCTION dicom_node.append_to_trail(numbers bigint[], entries text[], hashes bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint;
    head bytea;
    fault text;
BEGIN
    SELECT a.number, a.hash INTO last, head FROM dicom_node.audit_entries a ORDER BY a.number DESC LIMIT 1;
    IF NOT FOUND THEN
        last := 0;
        head := decode(repeat('00', 32), 'hex');
    END IF;
    SELECT found.said INTO fault FROM (
        SELECT given.place, CASE
            WHEN given.number IS DISTINCT FROM last + given.place
                THEN format('entry %s of the trail follows, not %s', last + given.place, given.number)
            WHEN given.hash IS DISTINCT FROM sha256(given.before || convert_to(given.entry, 'UTF8'))
                THEN format('the hash of entry %s does not follow from the entry before it and its text', given.number)
            WHEN (given.entry::jsonb ->> 'number') IS DISTINCT FROM given.number::text
                THEN format('the text of entry %s carries another number', given.number)
            END AS said
        FROM (
            SELECT one.*, lag(one.hash, 1, head) OVER (ORDER BY one.place) AS before
            FROM unnest(numbers, entries, hashes) WITH ORDINALITY AS one (number, entry, hash, place)
        ) AS given
    ) AS found WHERE found.said IS NOT NULL ORDER BY found.place LIMIT 1;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION '%', fault USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO dicom_node.audit_entries (number, entry, hash)
        SELECT one.number, one.entry, one.hash FROM unnest(numbers, entries, hashes) AS one (number, entry, hash);
END $$
"""
_SIGNATURE = "dicom_node.append_to_trail(bigint[], text[], bytea[])"


def upgrade() -> None:
    """From here on a node of the release before cannot write: it inserts by itself, which was the fault."""
    op.execute(_APPEND)
    op.execute(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO dicom_node_app")
    op.execute("REVOKE ALL ON dicom_node.audit_entries FROM dicom_node_app")
    op.execute("GRANT SELECT ON dicom_node.audit_entries TO dicom_node_app")
