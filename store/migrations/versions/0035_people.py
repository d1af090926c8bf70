"""who may come in at the people's door: users, sessions, keys of programs, failures to log in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_TEXTS = postgresql.ARRAY(sa.Text())
_NOTHING = sa.text("'{}'")


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Add what this release needs; what the previous one uses stays."""
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, server_default=""),
        sa.Column("password", sa.Text(), nullable=False, server_default=""),
        _moment("password_set_at", nullable=True),
        sa.Column("roles", _TEXTS, nullable=False),
        sa.Column("destinations", _TEXTS, nullable=False, server_default=_NOTHING),
        sa.Column("departments", _TEXTS, nullable=False, server_default=_NOTHING),
        _moment("made_at"),
        _moment("disabled_at", nullable=True),
        sa.Column("invitation", sa.LargeBinary(), nullable=True),
        _moment("invited_until", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        schema="dicom_node",
    )
    enabled, known = sa.text("disabled_at is null"), sa.text("subject <> ''")
    op.create_index("ix_users_name", "users", ["name"], unique=True, schema="dicom_node", postgresql_where=enabled)
    op.create_index(
        "ix_users_subject", "users", ["source", "subject"], unique=True, schema="dicom_node", postgresql_where=known
    )
    op.create_index("ix_users_invitation", "users", ["invitation"], unique=True, schema="dicom_node")
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("spent", postgresql.ARRAY(sa.LargeBinary()), nullable=False, server_default=_NOTHING),
        sa.Column("csrf", sa.LargeBinary(), nullable=True),
        _moment("begun_at"),
        _moment("used_at"),
        _moment("until"),
        _moment("ended_at", nullable=True),
        sa.Column("ended_for", sa.Text(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["user_id"], ["dicom_node.users.id"], name=op.f("fk_user_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        schema="dicom_node",
    )
    op.create_index("ix_user_sessions_secret", "user_sessions", ["secret"], unique=True, schema="dicom_node")
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"], schema="dicom_node")
    op.create_index("ix_user_sessions_until", "user_sessions", ["until"], schema="dicom_node")
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", _TEXTS, nullable=False),
        sa.Column("destinations", _TEXTS, nullable=False, server_default=_NOTHING),
        sa.Column("departments", _TEXTS, nullable=False, server_default=_NOTHING),
        _moment("made_at"),
        sa.Column("made_by", sa.Text(), nullable=False),
        _moment("until", nullable=True),
        _moment("revoked_at", nullable=True),
        sa.Column("used_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        schema="dicom_node",
    )
    held = sa.text("revoked_at is null")
    op.create_index("ix_api_keys_digest", "api_keys", ["digest"], unique=True, schema="dicom_node")
    op.create_index("ix_api_keys_name", "api_keys", ["name"], unique=True, schema="dicom_node", postgresql_where=held)
    op.create_table(
        "login_failures",
        sa.Column("who", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _moment("since"),
        _moment("locked_until", nullable=True),
        sa.PrimaryKeyConstraint("who", name=op.f("pk_login_failures")),
        schema="dicom_node",
    )
    op.create_index("ix_login_failures_since", "login_failures", ["since"], schema="dicom_node")
