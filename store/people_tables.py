"""The tables of who may come in at the people's door. Of every secret a digest is kept, never the secret."""

from sqlalchemy import ARRAY, Column, Date, ForeignKey, Index, Integer, LargeBinary, Table, Text, Uuid, text

from store.columns import SCHEMA, metadata, moment

_NOTHING = text("'{}'")

# A user is never removed, for the trail names them: they are disabled, and then another may have the name.
users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),  # in small letters: Alice and alice are one
    Column("source", Text, nullable=False),  # domain.people.LOCAL, or a provider's issuer
    Column("subject", Text, nullable=False, server_default=""),  # what the provider calls them for ever
    Column("password", Text, nullable=False, server_default=""),  # argon2id, "" where there is none
    moment("password_set_at", nullable=True),
    Column("roles", ARRAY(Text), nullable=False),
    Column("destinations", ARRAY(Text), nullable=False, server_default=_NOTHING),
    Column("departments", ARRAY(Text), nullable=False, server_default=_NOTHING),
    moment("made_at"),
    moment("disabled_at", nullable=True),
    Column("invitation", LargeBinary),  # SHA-256 of the one-time token by which they set a password
    moment("invited_until", nullable=True),
    Index("ix_users_name", "name", unique=True, postgresql_where=text("disabled_at is null")),
    Index("ix_users_subject", "source", "subject", unique=True, postgresql_where=text("subject <> ''")),
    Index("ix_users_invitation", "invitation", unique=True),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", ForeignKey(f"{SCHEMA}.users.id"), nullable=False),
    Column("kind", Text, nullable=False),  # domain.people.SessionKind
    Column("secret", LargeBinary, nullable=False),  # SHA-256 of the cookie, or of the refresh token that counts
    Column("spent", ARRAY(LargeBinary), nullable=False, server_default=_NOTHING),  # of those that counted before
    Column("csrf", LargeBinary),  # SHA-256 of what a browser's changes have to bring beside the cookie
    moment("begun_at"),
    moment("used_at"),
    moment("until"),
    moment("ended_at", nullable=True),
    Column("ended_for", Text, nullable=False, server_default=""),
    Index("ix_user_sessions_secret", "secret", unique=True),
    Index("ix_user_sessions_user_id", "user_id"),
    Index("ix_user_sessions_until", "until"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the key
    Column("scopes", ARRAY(Text), nullable=False),
    Column("destinations", ARRAY(Text), nullable=False, server_default=_NOTHING),
    Column("departments", ARRAY(Text), nullable=False, server_default=_NOTHING),
    moment("made_at"),
    Column("made_by", Text, nullable=False),
    moment("until", nullable=True),
    moment("revoked_at", nullable=True),
    Column("used_on", Date),  # the day of its last use that the trail has
    Index("ix_api_keys_digest", "digest", unique=True),
    Index("ix_api_keys_name", "name", unique=True, postgresql_where=text("revoked_at is null")),
)

# Who is being guessed at, and from where: keyed digests, for what is typed as a name is sometimes a password.
login_failures = Table(
    "login_failures",
    metadata,
    Column("who", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    moment("since"),
    moment("locked_until", nullable=True),
    Index("ix_login_failures_since", "since"),
)
