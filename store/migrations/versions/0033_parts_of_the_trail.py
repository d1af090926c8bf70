"""the trail is kept in parts, a month each; a study's entries, a day's, an actor's are found by indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# What stands becomes a part as it is: it is attached, and no row is copied. Its check is read once, as is each index.
_ATTACH = """
DO $$ BEGIN
    ALTER TABLE dicom_node.audit_entries RENAME TO audit_entries_1;
    ALTER TABLE dicom_node.audit_entries_1 RENAME CONSTRAINT pk_audit_entries TO audit_entries_1_pkey;
    ALTER INDEX dicom_node.ix_audit_entries_study RENAME TO audit_entries_1_study;
    DROP TRIGGER append_only ON dicom_node.audit_entries_1;
    CREATE TABLE dicom_node.audit_entries (
        number bigint NOT NULL, entry text NOT NULL, hash bytea NOT NULL,
        CONSTRAINT pk_audit_entries PRIMARY KEY (number)
    ) PARTITION BY RANGE (number);
    CREATE INDEX ix_audit_entries_study ON dicom_node.audit_entries (((entry::jsonb) ->> 'study'));
    ALTER TABLE dicom_node.audit_entries ATTACH PARTITION dicom_node.audit_entries_1
        FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON dicom_node.audit_entries
        FOR EACH ROW EXECUTE FUNCTION dicom_node.refuse_change();
    CREATE TRIGGER no_truncate BEFORE TRUNCATE ON dicom_node.audit_entries
        FOR EACH STATEMENT EXECUTE FUNCTION dicom_node.refuse_change();
    PERFORM dicom_node.guard_trail_part('dicom_node.audit_entries'::regclass);
    PERFORM dicom_node.guard_trail_part('dicom_node.audit_entries_1'::regclass);
END $$
"""

# Of an entry's text, which is canonical (RFC 8785): no blank, members in the order of their names. Cut out of it, for
# to parse it costs more than all else of an index. `split_part` never fails, whatever somebody appended.
_INDEXES = {
    "hour": '(substr(entry, strpos(entry, \'"at":"\') + 6, 13) COLLATE "C")',
    "action": '(split_part(entry, \'"\', 4) COLLATE "C")',
    "host": '(split_part(split_part(entry, \'"by":{"host":"\', 2), \'"\', 1) COLLATE "C")',
    "role": '(split_part(split_part(split_part(entry, \'"by":{"host":"\', 2), \'","role":"\', 2), \'"\', 1) '
    'COLLATE "C")',
}
_USER = """
CREATE INDEX ix_audit_entries_user ON dicom_node.audit_entries
    ((((entry::jsonb) -> 'details' ->> 'user')) COLLATE "C") WHERE strpos(entry, '"user":"') > 0
"""

# What else is never changed: in every session too.
_GUARDED = """
DO $$ DECLARE one regclass; BEGIN
    FOREACH one IN ARRAY ARRAY[
        'dicom_node.audit_parts'::regclass, 'dicom_node.audit_archives'::regclass,
        to_regclass('dicom_node.audit_tiles'), to_regclass('dicom_node.audit_checkpoints'),
        to_regclass('dicom_node.audit_cosignatures')
    ] LOOP
        IF one IS NOT NULL THEN
            PERFORM dicom_node.guard_trail_part(one);
        END IF;
    END LOOP;
END $$
"""

# The owner's, so that whoever may call it can do this and nothing else: end the part that is open, at the end of the
# trail, once the month has turned by the database's clock, and open the next. The order of the log (store.unit_of_work)
# is held, so that nobody appends meanwhile; who waits for a reader for longer than 2 s gives up and comes again.
_OPEN = """
CREATE FUNCTION dicom_node.open_trail_part() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    begun bigint;
    opened timestamptz;
    newest bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1684628335);
    SELECT p.first, p.opened_at INTO begun, opened FROM dicom_node.audit_parts p ORDER BY p.first DESC LIMIT 1;
    SELECT e.number INTO newest FROM dicom_node.trail_end() e;
    IF newest IS NULL THEN
        RETURN NULL;
    END IF;
    IF begun IS NULL THEN
        INSERT INTO dicom_node.audit_parts (first, opened_at)
            SELECT a.number, now() FROM dicom_node.audit_entries a ORDER BY a.number LIMIT 1;
        RETURN NULL;
    END IF;
    IF newest < begun OR date_trunc('month', now(), 'UTC') <= date_trunc('month', opened, 'UTC') THEN
        RETURN NULL;
    END IF;
    PERFORM dicom_node.divide_trail(begun, newest + 1);
    INSERT INTO dicom_node.audit_parts (first, opened_at) VALUES (newest + 1, now());
    RETURN newest + 1;
END $$
"""
_GUARD = """
CREATE FUNCTION dicom_node.guard_trail_part(part regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = part AND t.tgname = 'no_truncate') THEN
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s '
            'FOR EACH STATEMENT EXECUTE FUNCTION dicom_node.refuse_change()', part);
    END IF;
    -- Also in a session that takes itself for a replica's.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER no_truncate', part);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only', part);
END $$
"""
_DIVIDE = """
CREATE FUNCTION dicom_node.divide_trail(begun bigint, next bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open_part regclass;
    made text := format('dicom_node.audit_entries_%s', next);
BEGIN
    SELECT i.inhrelid::regclass INTO STRICT open_part FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'dicom_node.audit_entries'::regclass
        AND pg_get_expr(c.relpartbound, c.oid) LIKE '%TO (MAXVALUE)';
    EXECUTE format('ALTER TABLE dicom_node.audit_entries DETACH PARTITION %s', open_part);
    EXECUTE format('ALTER TABLE dicom_node.audit_entries ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)',
        open_part, begun, next);
    EXECUTE format('CREATE TABLE %s PARTITION OF dicom_node.audit_entries FOR VALUES FROM (%s) TO (MAXVALUE)',
        made, next);
    PERFORM dicom_node.guard_trail_part(made::regclass);
    PERFORM dicom_node.guard_trail_part(open_part);
END $$
"""

# Whoever appends asks this first. By a number in its text the query is of the newest part alone; by one given later
# it is planned for all, and locks them all, however many years there are.
_END = """
CREATE FUNCTION dicom_node.trail_end(OUT number bigint, OUT hash bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('SELECT a.number, a.hash FROM dicom_node.audit_entries a WHERE a.number >= %s '
        'ORDER BY a.number DESC LIMIT 1', (SELECT coalesce(max(p.first), 0) FROM dicom_node.audit_parts p))
        INTO number, hash;
    IF number IS NULL THEN  -- that part was begun in this very transaction
        SELECT a.number, a.hash INTO number, hash FROM dicom_node.audit_entries a ORDER BY a.number DESC LIMIT 1;
    END IF;
END $$
"""
# As it was (migration 0016), but for how it finds the end.
_APPEND = """
CREATE OR REPLACE FUNCTION dicom_node.append_to_trail(numbers bigint[], entries text[], hashes bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint;
    head bytea;
    fault text;
BEGIN
    SELECT e.number, e.hash INTO last, head FROM dicom_node.trail_end() e;
    IF last IS NULL THEN
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

# A trail that stands is a part by itself: the check of its numbers is made now, and not while scanners wait.
_FIRST = """
DO $$ DECLARE least bigint; newest bigint;
BEGIN
    SELECT min(a.number), max(a.number) INTO least, newest FROM dicom_node.audit_entries a;
    IF newest IS NOT NULL THEN
        INSERT INTO dicom_node.audit_parts (first, opened_at) VALUES (least, now());
        PERFORM dicom_node.divide_trail(least, newest + 1);
        INSERT INTO dicom_node.audit_parts (first, opened_at) VALUES (newest + 1, now());
    END IF;
END $$
"""


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays: it appends by the same function."""
    op.execute(_GUARD)
    op.execute(_ATTACH)
    for name, expression in _INDEXES.items():
        op.execute(f"CREATE INDEX ix_audit_entries_{name} ON dicom_node.audit_entries ({expression})")
    op.execute(_USER)
    op.create_table(
        "audit_parts",
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("first", name=op.f("pk_audit_parts")),
        schema="dicom_node",
    )
    op.create_table(
        "audit_archives",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_archives")),
        schema="dicom_node",
    )
    for table in ("audit_parts", "audit_archives"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON dicom_node.{table} "
            "FOR EACH ROW EXECUTE FUNCTION dicom_node.refuse_change()"
        )
    op.execute(_GUARDED)
    for function in (_DIVIDE, _OPEN, _END, _APPEND):
        op.execute(function)
    for signature in ("guard_trail_part(regclass)", "divide_trail(bigint, bigint)", "open_trail_part()", "trail_end()"):
        op.execute(f"REVOKE ALL ON FUNCTION dicom_node.{signature} FROM PUBLIC")
    op.execute(_FIRST)
