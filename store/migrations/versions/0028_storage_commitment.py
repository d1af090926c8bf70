"""storage commitment: what others ask of us, what we ask of archives, and which archives take it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.add_column("destinations_seen", sa.Column("commits", sa.Boolean(), nullable=True), schema="dicom_node")
    op.create_table(
        "commitments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transaction_uid", sa.Text(), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("called_ae", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("association_id", sa.Uuid(), nullable=False),
        sa.Column("spool", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sop_classes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sop_instances", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.Column("study_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wait_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sender", sa.Text(), server_default="", nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("served", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitments")),
        sa.UniqueConstraint(
            "transaction_uid", "calling_ae", "digest", name=op.f("uq_commitments_transaction_uid_calling_ae_digest")
        ),
        schema="dicom_node",
    )
    op.create_index(
        "ix_commitments_open",
        "commitments",
        ["spool"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state in ('waiting', 'pending', 'sending')"),
    )
    op.create_index(
        "ix_commitments_sender_served", "commitments", ["sender", "served"], unique=False, schema="dicom_node"
    )
    op.create_index(
        "ix_commitments_sender_turn",
        "commitments",
        ["sender", "turn"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_commitments_served", "commitments", ["served"], unique=False, schema="dicom_node")
    op.create_index(
        "ix_commitments_turn",
        "commitments",
        ["turn", "not_before", "id"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "commitment_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("transactions", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("rounds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("checked", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sender", sa.Text(), server_default="", nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("served", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["dicom_node.deliveries.id"], name=op.f("fk_commitment_requests_delivery_id")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_commitment_requests_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment_requests")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_commitment_requests_delivery_id")),
        schema="dicom_node",
    )
    op.create_index(
        "ix_commitment_requests_sender_served",
        "commitment_requests",
        ["sender", "served"],
        unique=False,
        schema="dicom_node",
    )
    op.create_index(
        "ix_commitment_requests_sender_turn",
        "commitment_requests",
        ["sender", "turn"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_commitment_requests_served", "commitment_requests", ["served"], unique=False, schema="dicom_node"
    )
    op.create_index(
        op.f("ix_commitment_requests_study_id"), "commitment_requests", ["study_id"], unique=False, schema="dicom_node"
    )
    op.create_index(
        op.f("ix_commitment_requests_transactions"),
        "commitment_requests",
        ["transactions"],
        unique=False,
        schema="dicom_node",
        postgresql_using="gin",
    )
    op.create_index(
        "ix_commitment_requests_turn",
        "commitment_requests",
        ["turn", "not_before", "id"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state = 'pending'"),
    )
