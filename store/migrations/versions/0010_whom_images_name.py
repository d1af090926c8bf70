"""whom images name, as keyed digests: studies of two patients stop, and corrections are told from other conflicts."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays. Of what is there already it is unknown."""
    texts = sa.ARRAY(sa.Text())
    op.add_column("instances", sa.Column("identity", texts, nullable=True), schema="dicom_node")
    for name in ("named", "same_patient"):
        column: sa.Column[list[str]] = sa.Column(name, texts, server_default=sa.text("'{}'"), nullable=False)
        op.add_column("studies", column, schema="dicom_node")
    two: sa.Column[bool] = sa.Column("two_patients", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("studies", two, schema="dicom_node")
    aside: sa.Column[bool] = sa.Column("set_aside", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("quarantine", aside, schema="dicom_node")
    _conflicts(texts)
    op.create_table(
        "identity_key",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("check_value", sa.Text(), nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_identity_key_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_identity_key")),
        schema="dicom_node",
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON dicom_node.identity_key TO dicom_node_app")
    # An image that a person sets aside goes from the index to the quarantine.
    op.execute("GRANT DELETE ON dicom_node.instances TO dicom_node_app")


def _conflicts(texts: sa.ARRAY[str]) -> None:
    kind: sa.Column[str] = sa.Column("kind", sa.Text(), server_default="other bytes", nullable=False)
    op.add_column("conflicts", kind, schema="dicom_node")
    op.add_column("conflicts", sa.Column("identity", texts, nullable=True), schema="dicom_node")
    op.add_column("conflicts", sa.Column("sent_study_id", sa.Uuid(), nullable=True), schema="dicom_node")
    adopted = sa.Column("adopted_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("conflicts", adopted, schema="dicom_node")
    name = op.f("fk_conflicts_sent_study_id_studies")
    op.create_foreign_key(
        name,
        "conflicts",
        "studies",
        ["sent_study_id"],
        ["id"],
        source_schema="dicom_node",
        referent_schema="dicom_node",
    )
    op.create_index(op.f("ix_conflicts_sent_study_id"), "conflicts", ["sent_study_id"], schema="dicom_node")
