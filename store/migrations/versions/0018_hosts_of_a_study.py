"""which hosts brought a study is told by a function of the owner's: who asks reads nothing else of the trail."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_HOSTS = """
CREATE FUNCTION dicom_node.hosts_of_study(text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(
        SELECT DISTINCT (a.entry::jsonb) -> 'by' ->> 'host' FROM dicom_node.audit_entries a
        WHERE ((a.entry::jsonb) ->> 'study') = $1 AND (a.entry::jsonb) -> 'by' ->> 'role' = 'index'
        ORDER BY 1
    )
$$
"""


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.execute(_HOSTS)
    op.execute("REVOKE ALL ON FUNCTION dicom_node.hosts_of_study(text) FROM PUBLIC")
