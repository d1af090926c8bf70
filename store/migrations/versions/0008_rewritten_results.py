"""how often a delivery's results were written anew, whether its destination was forgotten, a study's dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    rewritten = sa.Column("rewritten", sa.Integer(), server_default=sa.text("0"), nullable=False)
    op.add_column("deliveries", rewritten, schema="dicom_node")
    forgotten: sa.Column[bool] = sa.Column("forgotten", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("deliveries", forgotten, schema="dicom_node")
    op.create_index(
        "ix_dead_letters_open",
        "dead_letters",
        ["study_id"],
        schema="dicom_node",
        postgresql_where=sa.text("replayed_at is null"),
    )
