"""The roles that the composed PostgreSQL is set up with are enough for the migrations and for each service's part."""

import base64
import hashlib
import hmac
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from sqlalchemy import create_engine
from typer.testing import CliRunner

from audit.actions import Action
from audit.trail import Ledger
from console.cli.app import app
from domain.errors import ConfigurationError
from store.database import Database
from store.granting import excess, held, wanted
from store.grants import READER, role_of
from store.rights import PARTS
from store.schema import grant, head, upgrade
from tests.support.counterparts import ROOT
from tests.support.servers import Postgres

LOGINS = ("owner", *PARTS)


def _set_up(server: Postgres, secrets: Path) -> None:
    """Run the set-up script of docker-compose.yml."""
    environment = {
        "PATH": f"{server.programs}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "POSTGRES_USER": "postgres",
        "SECRETS": str(secrets),
    }
    subprocess.run([str(ROOT / "deploy" / "postgres" / "10-roles.sh")], check=True, env=environment, timeout=60)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server on which the set-up script of docker-compose.yml has run, twice, and its owner's migration."""
    secrets = tmp_path_factory.mktemp("secrets")
    for name in LOGINS:
        url = f"postgresql+psycopg://{role_of(name)}:secret-of-{name}@postgres:5432/dicom_node"
        (secrets / f"database_{name}").write_text(url)
    with Postgres() as server:
        for _ in range(2):
            _set_up(server, secrets)
        upgrade(server.url(role_of("owner"), "dicom_node"))
        yield server


def test_each_login_has_a_password_and_none_is_a_superuser(composed: Postgres) -> None:
    query = "SELECT rolname, rolcanlogin, rolpassword IS NOT NULL, rolsuper FROM pg_authid WHERE rolname LIKE 'dicom%'"
    with composed.connect() as superuser:
        roles = {name: tuple(facts) for name, *facts in superuser.execute(query.encode()).fetchall()}
    expected = {role_of(name): (True, True, False) for name in LOGINS}
    assert roles == {**expected, role_of("app"): (False, False, False)}


def test_a_password_is_the_one_of_its_url(composed: Postgres) -> None:
    asked = "SELECT rolpassword FROM pg_authid WHERE rolname = 'dicom_node_work'"
    with composed.connect() as superuser:
        (kept,) = superuser.execute(asked).fetchone() or ("",)
    assert _fits("secret-of-work", kept)
    assert not _fits("secret-of-owner", kept)


def test_the_owner_who_makes_no_roles_grants_all_of_the_rights_and_no_others(composed: Postgres) -> None:
    grant(composed.url(role_of("owner"), "dicom_node"))
    engine = create_engine(composed.url(dbname="dicom_node"))
    with engine.connect() as connection:
        assert held(connection) == wanted()
    engine.dispose()


@pytest.mark.parametrize("process", [one for one in LOGINS if one not in ("owner", READER)])
def test_each_login_works_as_its_own_role_and_as_no_other(composed: Postgres, process: str) -> None:
    url = composed.url(role_of(process), "dicom_node")
    own = Database(url, role=role_of(process))
    Ledger(own, process).record(Action.STARTED)
    with own.transaction() as connection:
        assert excess(connection) == []
    own.close()
    with composed.connect("dicom_node", role_of(process)) as login:
        for other in {*PARTS, "owner", "app"} - {process} - ({READER} if process == "operator" else set()):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                login.execute(f"SET ROLE {role_of(other)}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            login.execute("CREATE TABLE dicom_node.mine ()")


@pytest.mark.parametrize("words", ["status", "status --json", "quarantine list", "dead-letters list", "conflicts list"])
def test_a_command_that_looks_works_in_the_place_of_the_index(
    composed: Postgres, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["index"]
    (tmp_path / READER).write_text(composed.url(role_of(READER), "dicom_node"))
    (tmp_path / READER).chmod(0o600)
    assert index["environment"]["DICOM_NODE_DATABASE__URL_FILE"] == f"/run/secrets/database_{READER}"
    monkeypatch.setenv("DICOM_NODE_DATABASE__URL_FILE", str(tmp_path / READER))
    monkeypatch.setenv("DICOM_NODE_DATA", str(tmp_path / "data"))
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 0, done.output


def test_a_server_with_the_logins_of_before_is_told_what_to_run_once_and_goes_on_with_one_login() -> None:
    with Postgres() as server:
        with server.connect() as superuser:
            superuser.execute("CREATE ROLE dicom_node_owner LOGIN")
            superuser.execute("CREATE ROLE dicom_node_app LOGIN")
            superuser.execute("GRANT dicom_node_app TO dicom_node_owner WITH ADMIN OPTION")
            superuser.execute("CREATE DATABASE dicom_node OWNER dicom_node_owner")
        owner = server.url(role_of("owner"), "dicom_node")
        with pytest.raises(ConfigurationError, match="have an administrator of the server run") as told:
            upgrade(owner)
        statements = told.value.lines[1:]
        assert "CREATE ROLE dicom_node_index NOLOGIN;" in statements
        with server.connect() as superuser:
            for statement in statements:
                superuser.execute(statement.encode())
        assert upgrade(owner) == head()
        for process in PARTS:
            database = Database(server.url(role_of("app"), "dicom_node"), role=role_of(process))
            with database.transaction() as connection:
                assert excess(connection) == []
            database.close()


def _fits(password: str, kept: str) -> bool:
    """Whether a SCRAM verifier as PostgreSQL keeps it (RFC 5803) is of this password."""
    _, how, keys = kept.split("$")
    rounds, salt = how.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(client).digest()).decode() == keys.partition(":")[0]
