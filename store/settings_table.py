"""The table of the settings that each role had at last, so that the trail can tell what has changed."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import metadata, moment

role_settings = Table(
    "role_settings",
    metadata,
    Column("role", Text, primary_key=True),
    Column("settings", JSONB, nullable=False),  # as config.masking.public shows them, without secrets
    moment("at"),
)
