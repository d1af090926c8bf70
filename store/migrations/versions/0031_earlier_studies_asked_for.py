"""earlier studies that archives are asked for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "prior_requests",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("wanted", postgresql.JSONB(), nullable=False),
        sa.Column("earlier", postgresql.JSONB(), nullable=False),
        sa.Column("sent", postgresql.JSONB(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_prior_requests_study_id")),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_prior_requests")),
        schema="dicom_node",
    )
    op.create_index(
        "ix_prior_requests_open",
        "prior_requests",
        ["asked_at"],
        schema="dicom_node",
        postgresql_where=sa.text("state <> 'answered'"),
    )
    op.create_table(
        "fetched_studies",
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("asked_for", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["asked_for"], ["dicom_node.studies.id"], name=op.f("fk_fetched_studies_asked_for")),
        sa.PrimaryKeyConstraint("study_uid", name=op.f("pk_fetched_studies")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_fetched_studies_asked_for"), "fetched_studies", ["asked_for"], schema="dicom_node")
