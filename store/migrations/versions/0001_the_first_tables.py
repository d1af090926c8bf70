"""the first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "associations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("called_ae", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_associations")),
        schema="dicom_node",
    )
    op.create_index(
        "ix_associations_live",
        "associations",
        ["id"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_table(
        "audit_entries",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_entries")),
        schema="dicom_node",
    )
    op.create_index(
        "ix_audit_entries_study",
        "audit_entries",
        [sa.literal_column("((entry::jsonb) ->> 'study')")],
        unique=False,
        schema="dicom_node",
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("study_id", sa.Uuid(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        schema="dicom_node",
    )
    op.create_table(
        "inbox",
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("reader", "event_id", name=op.f("pk_inbox")),
        schema="dicom_node",
    )
    op.create_table(
        "offsets",
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reader", name=op.f("pk_offsets")),
        schema="dicom_node",
    )
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("envelope", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        schema="dicom_node",
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("sop_class", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("association_id", sa.Uuid(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("sop_uid", "digest", name=op.f("uq_quarantine_sop_uid_digest")),
        schema="dicom_node",
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("study_uid", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_received", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("study_uid", name=op.f("uq_studies_study_uid")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_studies_last_received"), "studies", ["last_received"], unique=False, schema="dicom_node")
    op.create_index(
        "ix_studies_open",
        "studies",
        ["state"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state in ('receiving', 'amended')"),
    )
    op.create_table(
        "conflicts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kept_digest", sa.Text(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("association_id", sa.Uuid(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_conflicts_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflicts")),
        sa.UniqueConstraint("sop_uid", "digest", name=op.f("uq_conflicts_sop_uid_digest")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_conflicts_study_id"), "conflicts", ["study_id"], unique=False, schema="dicom_node")
    op.create_table(
        "decisions",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("refusals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_decisions_study_id")),
        sa.PrimaryKeyConstraint("study_id", "revision", "model", name=op.f("pk_decisions")),
        schema="dicom_node",
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("series_uid", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("series_description", sa.Text(), nullable=False),
        sa.Column("study_description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_series_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("study_id", "series_uid", name=op.f("uq_series_study_id_series_uid")),
        schema="dicom_node",
    )
    op.create_table(
        "study_associations",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("association_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["association_id"], ["dicom_node.associations.id"], name=op.f("fk_study_associations_association_id")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_study_associations_study_id")),
        sa.PrimaryKeyConstraint("study_id", "association_id", name=op.f("pk_study_associations")),
        schema="dicom_node",
    )
    op.create_index(
        op.f("ix_study_associations_association_id"),
        "study_associations",
        ["association_id"],
        unique=False,
        schema="dicom_node",
    )
    op.create_table(
        "instances",
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("association_id", sa.Uuid(), nullable=False),
        sa.Column("sop_class", sa.Text(), nullable=False),
        sa.Column("transfer_syntax", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("position", sa.ARRAY(sa.Double()), nullable=True),
        sa.Column("orientation", sa.ARRAY(sa.Double()), nullable=True),
        sa.Column("slice_spacing", sa.Double(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["dicom_node.series.id"], name=op.f("fk_instances_series_id")),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_instances_study_id")),
        sa.PrimaryKeyConstraint("sop_uid", name=op.f("pk_instances")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_instances_series_id"), "instances", ["series_id"], unique=False, schema="dicom_node")
    op.create_index(op.f("ix_instances_study_id"), "instances", ["study_id"], unique=False, schema="dicom_node")
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.Text(), nullable=False),
        sa.Column("input_set", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["series_id"], ["dicom_node.series.id"], name=op.f("fk_jobs_series_id")),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_jobs_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint(
            "study_id",
            "model",
            "version",
            "model_digest",
            "input_set",
            name=op.f("uq_jobs_study_id_model_version_model_digest_input_set"),
        ),
        schema="dicom_node",
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["not_before"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state in ('requested', 'leased', 'running')"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["dicom_node.jobs.id"], name=op.f("fk_deliveries_job_id")),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_deliveries_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("job_id", "destination", name=op.f("uq_deliveries_job_id_destination")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_deliveries_study_id"), "deliveries", ["study_id"], unique=False, schema="dicom_node")
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["not_before"],
        unique=False,
        schema="dicom_node",
        postgresql_where=sa.text("state in ('pending', 'sending')"),
    )
    op.create_table(
        "results",
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sop_class", sa.Text(), nullable=False),
        sa.Column("series_uid", sa.Text(), nullable=False),
        sa.Column("transfer_syntax", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["dicom_node.jobs.id"], name=op.f("fk_results_job_id")),
        sa.ForeignKeyConstraint(["study_id"], ["dicom_node.studies.id"], name=op.f("fk_results_study_id")),
        sa.PrimaryKeyConstraint("sop_uid", name=op.f("pk_results")),
        schema="dicom_node",
    )
    op.create_index(op.f("ix_results_job_id"), "results", ["job_id"], unique=False, schema="dicom_node")
    op.create_index(op.f("ix_results_study_id"), "results", ["study_id"], unique=False, schema="dicom_node")
    op.create_table(
        "delivery_objects",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("sop_uid", sa.Text(), nullable=False),
        sa.Column("stored", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["dicom_node.deliveries.id"], name=op.f("fk_delivery_objects_delivery_id")
        ),
        sa.ForeignKeyConstraint(["sop_uid"], ["dicom_node.results.sop_uid"], name=op.f("fk_delivery_objects_sop_uid")),
        sa.PrimaryKeyConstraint("delivery_id", "sop_uid", name=op.f("pk_delivery_objects")),
        schema="dicom_node",
    )
    for statement in _RIGHTS:
        op.execute(statement)


# The node works as this role. It owns nothing, deletes nothing but its own marks of handled events, and may only add to
# the trail. The triggers hold for everybody, the owner included.
_RIGHTS = (
    """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dicom_node_app') THEN
            CREATE ROLE dicom_node_app LOGIN;
        END IF;
    END $$
    """,
    "GRANT dicom_node_app TO CURRENT_USER",
    "GRANT USAGE ON SCHEMA dicom_node TO dicom_node_app",
    "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA dicom_node TO dicom_node_app",
    "GRANT DELETE ON dicom_node.inbox TO dicom_node_app",
    "REVOKE UPDATE ON dicom_node.audit_entries FROM dicom_node_app",
    "REVOKE INSERT, UPDATE ON dicom_node.alembic_version FROM dicom_node_app",
    """
    CREATE FUNCTION dicom_node.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON dicom_node.audit_entries
    FOR EACH ROW EXECUTE FUNCTION dicom_node.refuse_change()
    """,
    """
    CREATE TRIGGER no_truncate BEFORE TRUNCATE ON dicom_node.audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION dicom_node.refuse_change()
    """,
)
