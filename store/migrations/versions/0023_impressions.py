"""the impression of a study's revision: leased work, its facts and its sentences."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    moment = sa.DateTime(timezone=True)
    zero = sa.text("0")
    op.create_table(
        "summaries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("findings_set", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("requested_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("not_before", moment, nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("facts", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("sources", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("runs", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("impression", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("asked", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("withdrawn_at", moment, nullable=True),
        sa.Column("sender", sa.Text(), server_default="", nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("served", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_summaries_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summaries")),
        sa.UniqueConstraint("study_id", "findings_set", name=op.f("uq_summaries_study_id_findings_set")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_summaries_study_id_number")),
        schema="dicom_node",
    )
    waiting = sa.text("state = 'requested'")
    for name, columns, where in (
        ("waiting", ["not_before"], sa.text("state in ('requested', 'running')")),
        ("turn", ["turn", "not_before", "id"], waiting),
        ("sender_turn", ["sender", "turn"], waiting),
        ("sender_served", ["sender", "served"], None),
        ("served", ["served"], None),
    ):
        op.create_index(f"ix_summaries_{name}", "summaries", columns, schema="dicom_node", postgresql_where=where)
    for table in ("results", "deliveries"):
        op.alter_column(table, "job_id", nullable=True, schema="dicom_node")
        op.add_column(table, sa.Column("summary_id", sa.Uuid(), nullable=True), schema="dicom_node")
        op.create_foreign_key(
            op.f(f"fk_{table}_summary_id"),
            table,
            "summaries",
            ["summary_id"],
            ["id"],
            source_schema="dicom_node",
            referent_schema="dicom_node",
        )
        one = "num_nonnulls(job_id, summary_id) = 1"
        op.create_check_constraint(op.f(f"ck_{table}_of_one"), table, one, schema="dicom_node")
    op.create_index(op.f("ix_results_summary_id"), "results", ["summary_id"], schema="dicom_node")
    op.create_unique_constraint(
        op.f("uq_deliveries_summary_id_destination"), "deliveries", ["summary_id", "destination"], schema="dicom_node"
    )
