"""earlier studies of one patient, told by a function of the owner's; packages' words; which results others follow."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# Two studies are of one patient where both have one Patient ID, and the same; name and birth date are stated and agree,
# for placeholders and other houses give the same id; and nothing that both state disagrees, but for what a person found
# to be one patient's (domain/identity.py). Not where either names two patients, or other images that name somebody
# else, or another study, wait for a person.
_EARLIER = """
CREATE FUNCTION dicom_node.earlier_studies(uuid) RETURNS TABLE (study_id uuid, days integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH this AS (
        SELECT s.*, (SELECT min(m) FROM unnest(s.named) m WHERE m ^@ 'Patient ID:') AS patient
        FROM dicom_node.studies s WHERE s.id = $1
    ), both_of AS (
        SELECT this.patient, this.id AS one, other.id AS before, this.named AS mine, other.named AS its,
            this.same_patient || other.same_patient AS same
        FROM this JOIN dicom_node.studies other
          ON other.named @> ARRAY[this.patient] AND other.id <> this.id
        WHERE NOT this.two_patients AND NOT other.two_patients
    ), apart AS (
        SELECT b.before, (
            SELECT CASE WHEN count(*) = 1 THEN min(split_part(m, ':', 2)::integer) END
            FROM unnest(b.mine) m WHERE m ^@ 'Study Date:'
        ) - (
            SELECT CASE WHEN count(*) = 1 THEN min(split_part(m, ':', 2)::integer) END
            FROM unnest(b.its) m WHERE m ^@ 'Study Date:'
        ) AS days
        FROM both_of b
        WHERE NOT EXISTS (
            SELECT FROM unnest(b.mine || b.its) m WHERE m ^@ 'Patient ID:' AND m <> b.patient
        ) AND EXISTS (
            SELECT FROM unnest(b.mine) m WHERE m = ANY (b.its) AND m ^@ 'Patient''s Name in '
        ) AND EXISTS (
            SELECT FROM unnest(b.mine) m WHERE m = ANY (b.its) AND m ^@ 'Patient''s Birth Date:'
        ) AND NOT EXISTS (
            SELECT FROM unnest(b.mine || b.its) m WHERE NOT m ^@ 'Accession Number:' AND NOT m ^@ 'Study Date:'
            GROUP BY regexp_replace(m, ':[^:]*$', '')
            HAVING count(DISTINCT m) > 1 AND NOT array_agg(m) <@ b.same
        ) AND NOT EXISTS (
            SELECT FROM dicom_node.conflicts c
            WHERE (c.study_id IN (b.one, b.before) OR c.sent_study_id IN (b.one, b.before))
              AND c.kind <> 'other bytes' AND c.ended = '' AND c.adopted_at IS NULL
        )
    )
    SELECT apart.before, apart.days FROM apart WHERE apart.days > 0
$$
"""
_SIGNATURE = "dicom_node.earlier_studies(uuid)"


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.execute(_EARLIER)
    op.execute(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM PUBLIC")
    words = sa.Column("words", postgresql.JSONB(none_as_null=True), nullable=True)
    op.add_column("model_packages", words, schema="dicom_node")
    for table in ("jobs", "summaries"):
        op.add_column(table, sa.Column("follows", postgresql.ARRAY(sa.Text()), nullable=True), schema="dicom_node")
