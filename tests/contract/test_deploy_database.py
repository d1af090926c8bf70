"""The roles that the composed PostgreSQL is set up with are enough for the migrations and too little for the node."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from store.schema import upgrade
from tests.support.counterparts import ROOT
from tests.support.servers import Postgres


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Postgres]:
    """A server on which the set-up script of docker-compose.yml has run."""
    for name in ("postgres_owner", "postgres_app"):
        (tmp_path / name).write_text(f"secret-of-{name}")
    with Postgres() as server:
        environment = {
            "PATH": f"{server.programs}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "POSTGRES_USER": "postgres",
            "SECRETS": str(tmp_path),
        }
        script = [str(ROOT / "deploy" / "postgres" / "10-roles.sh")]
        subprocess.run(script, check=True, env=environment, timeout=60)
        yield server


def test_both_roles_have_passwords_and_neither_is_a_superuser(composed: Postgres) -> None:
    query = "SELECT rolname, rolpassword IS NOT NULL, rolsuper FROM pg_authid WHERE rolname LIKE 'dicom%' ORDER BY 1"
    with composed.connect() as superuser:
        roles = superuser.execute(query).fetchall()
    assert roles == [("dicom_node_app", True, False), ("dicom_node_owner", True, False)]


def test_the_owner_migrates_and_the_node_can_only_add_to_the_trail(composed: Postgres) -> None:
    upgrade(composed.url("dicom_node_owner", "dicom_node"))
    with composed.connect("dicom_node", "dicom_node_app") as node:
        assert node.execute("SELECT count(*) FROM dicom_node.audit_entries").fetchone() == (0,)
        for statement in (
            "UPDATE dicom_node.audit_entries SET entry = entry",
            "DELETE FROM dicom_node.audit_entries",
            "TRUNCATE dicom_node.audit_entries",
            "CREATE TABLE dicom_node.mine ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                node.execute(statement)
