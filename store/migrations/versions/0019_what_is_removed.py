"""studies under a hold, what was removed of each, and files that are still to go."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_SCHEMA = "dicom_node"


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    moment = sa.DateTime(timezone=True)
    counted = sa.Column("images_removed", sa.Integer(), server_default=sa.text("0"), nullable=False)
    op.add_column("studies", counted, schema=_SCHEMA)
    op.add_column("studies", sa.Column("images_removed_at", moment, nullable=True), schema=_SCHEMA)
    op.add_column("jobs", sa.Column("maps_removed_at", moment, nullable=True), schema=_SCHEMA)
    op.add_column("results", sa.Column("removed_at", moment, nullable=True), schema=_SCHEMA)
    op.create_table(
        "holds",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_holds_study_id")),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_holds")),
        schema=_SCHEMA,
    )
    op.create_table(
        "removals",
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("removed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("object_key", name=op.f("pk_removals")),
        schema=_SCHEMA,
    )
    # Whether an event of a study waits is asked of each study that could go.
    op.create_index(op.f("ix_outbox_key"), "outbox", ["key"], schema=_SCHEMA)
