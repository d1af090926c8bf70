"""studies found by digests of what is typed; destinations and models that are paused; runs that are done anew."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_index("ix_studies_named", "studies", ["named"], schema="dicom_node", postgresql_using="gin")
    op.create_table(
        "paused",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_paused")),
        schema="dicom_node",
    )
    anew: sa.Column[bool] = sa.Column("done_anew", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("jobs", anew, schema="dicom_node")
