"""checkpoints of the trail: tiles of its tree, signed notes, and what outside places know of them."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# What was written is never changed, by whomever; how far places were told is.
_FOR_GOOD = ("audit_tiles", "audit_checkpoints", "audit_cosignatures")


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "audit_tiles",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_audit_tiles")),
        schema="dicom_node",
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_checkpoints")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_audit_checkpoints_size"), "audit_checkpoints", ["size"], schema="dicom_node")
    op.create_table(
        "audit_cosignatures",
        sa.Column("checkpoint", sa.BigInteger(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint"], ["dicom_node.audit_checkpoints.number"], name=op.f("fk_audit_cosignatures_checkpoint")
        ),
        sa.PrimaryKeyConstraint("checkpoint", "witness", name=op.f("pk_audit_cosignatures")),
        schema="dicom_node",
    )
    op.create_table(
        "audit_publications",
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("checkpoint", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("away_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("witness", name=op.f("pk_audit_publications")),
        schema="dicom_node",
    )
    for table in _FOR_GOOD:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON dicom_node.{table} "
            "FOR EACH ROW EXECUTE FUNCTION dicom_node.refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON dicom_node.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION dicom_node.refuse_change()"
        )
        # Also where a superuser says that triggers are for others (session_replication_role).
        for trigger in ("append_only", "no_truncate"):
            op.execute(f"ALTER TABLE dicom_node.{table} ENABLE ALWAYS TRIGGER {trigger}")
