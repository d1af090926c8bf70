"""What nobody but a superuser or the schema's owner can do: the trail without its triggers, and with them again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def without_triggers(owner: psycopg.Connection[Any]) -> Iterator[None]:
    """One transaction in which the trail takes every change."""
    with owner.transaction():
        owner.execute("ALTER TABLE dicom_node.audit_entries DISABLE TRIGGER USER")
        yield
        for trigger in ("append_only", "no_truncate"):
            owner.execute(f"ALTER TABLE dicom_node.audit_entries ENABLE ALWAYS TRIGGER {trigger}".encode())
