"""numbers of a study's results, runs whose results were withdrawn, and rejection notes on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

# Results of before are numbered in the order of the revisions that they are of.
_NUMBER = """
UPDATE dicom_node.jobs SET result_number = ranked.number
FROM (
    SELECT id, row_number() OVER (PARTITION BY study_id, model ORDER BY revision, finished_at, id) AS number
    FROM dicom_node.jobs WHERE id IN (SELECT job_id FROM dicom_node.results)
) AS ranked
WHERE jobs.id = ranked.id
"""


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.add_column("jobs", sa.Column("result_number", sa.Integer(), nullable=True), schema="dicom_node")
    moment = sa.DateTime(timezone=True)
    op.add_column("jobs", sa.Column("withdrawn_at", moment, nullable=True), schema="dicom_node")
    for name in ("withdrawn_for", "withdrawn_by"):
        words = sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)
        op.add_column("jobs", words, schema="dicom_node")
    op.execute(_NUMBER)
    numbered = ["study_id", "model", "result_number"]
    op.create_index("uq_jobs_result_number", "jobs", numbered, unique=True, schema="dicom_node")
    _rejections(moment)


def _rejections(moment: sa.DateTime) -> None:
    op.create_table(
        "rejections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_attempt", moment, nullable=True),
        sa.Column("not_before", moment, nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("lease_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("requested_at", moment, nullable=False),
        sa.Column("sop_uid", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("transfer_syntax", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("object_key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["dicom_node.deliveries.id"], name=op.f("fk_rejections_delivery_id")),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_rejections_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejections")),
        sa.UniqueConstraint("delivery_id", "cause", name=op.f("uq_rejections_delivery_id_cause")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_rejections_study_id"), "rejections", ["study_id"], schema="dicom_node")
    op.create_index(
        "ix_rejections_waiting",
        "rejections",
        ["not_before"],
        schema="dicom_node",
        postgresql_where=sa.text("state in ('pending', 'sending')"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON dicom_node.rejections TO dicom_node_app")
