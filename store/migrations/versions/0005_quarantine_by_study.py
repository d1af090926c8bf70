"""what is unreadable is counted to its study; a conflicting instance may be adopted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.add_column("quarantine", sa.Column("study_id", sa.Uuid(), nullable=True), schema="dicom_node")
    op.add_column(
        "quarantine", sa.Column("series_uid", sa.Text(), server_default="", nullable=False), schema="dicom_node"
    )
    op.create_foreign_key(
        op.f("fk_quarantine_study_id"),
        "quarantine",
        "studies",
        ["study_id"],
        ["id"],
        source_schema="dicom_node",
        referent_schema="dicom_node",
    )
    op.create_index(op.f("ix_quarantine_study_id"), "quarantine", ["study_id"], unique=False, schema="dicom_node")


def downgrade() -> None:
    """Back to the schema of the previous release."""
    op.drop_index(op.f("ix_quarantine_study_id"), table_name="quarantine", schema="dicom_node")
    op.drop_constraint(op.f("fk_quarantine_study_id"), "quarantine", schema="dicom_node")
    for column in ("series_uid", "study_id"):
        op.drop_column("quarantine", column, schema="dicom_node")
