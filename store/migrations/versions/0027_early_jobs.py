"""jobs that are asked for before their study is complete, and why; those of complete studies are claimed first."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    for column in (
        sa.Column("early", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_early", sa.Text(), server_default="", nullable=False),
    ):
        op.add_column("jobs", column, schema="dicom_node")
    waits, unwanted = sa.text("state = 'requested'"), sa.text("early")
    order = ["early", "turn", "not_before", "id"]
    op.create_index("ix_jobs_due", "jobs", order, schema="dicom_node", postgresql_where=waits)
    op.create_index("ix_jobs_early", "jobs", ["study_id"], schema="dicom_node", postgresql_where=unwanted)
