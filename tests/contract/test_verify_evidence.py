"""What `audit verify` holds the trail against by itself, and what it says of evidence that is not there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audit.outside import line_of
from console.cli.app import app
from domain.clock import SystemClock
from store import checkpoints
from store.checkpoints import Publication
from tests.support.servers import Postgres
from tests.support.signed_trails import SignedTrail


@pytest.fixture
def trail(postgres: Postgres, tmp_path: Path) -> Iterator[SignedTrail]:
    made = SignedTrail(postgres, tmp_path / "data" / "seal")
    made.sealed(20, 5)
    yield made
    made.close()


def verdict(trail: SignedTrail, folder: Path, witness: Path | None = None) -> Any:
    settings = folder / "node.toml"
    place = f'[[audit.witnesses]]\nname = "vault"\nkind = "file"\nfile = "{witness}"\n' if witness else ""
    settings.write_text(f'data = "{folder / "data"}"\n{place}')
    url = trail.postgres.url(dbname=trail.name)
    said = CliRunner().invoke(app, ["audit", "verify", "--config", str(settings), "--database", url, "--json"])
    return json.loads(said.stdout)


def test_a_tail_that_was_cut_off_with_its_checkpoints_is_told_by_what_lies_beside_the_keys(
    trail: SignedTrail, tmp_path: Path
) -> None:
    assert verdict(trail, tmp_path)["intact"]
    with trail.superuser() as connection:
        connection.execute("DELETE FROM dicom_node.audit_entries WHERE number > 21")
        connection.execute("DELETE FROM dicom_node.audit_checkpoints WHERE size > 21")
    said = verdict(trail, tmp_path)
    assert not said["intact"]
    assert "its end was cut off" in said["convictions"][0]["reason"]
    assert said["convictions"][0]["where"].endswith("signed.note")


def test_the_file_of_a_witness_that_is_not_there_is_told(trail: SignedTrail, tmp_path: Path) -> None:
    said = verdict(trail, tmp_path, tmp_path / "unmounted" / "vault")
    assert any("vault is not there, and was not held against the trail" in one for one in said["warnings"])


def test_the_file_of_a_witness_that_lost_lines_is_told(trail: SignedTrail, tmp_path: Path) -> None:
    vault, newest = tmp_path / "vault", trail.newest()
    vault.write_text(line_of(newest.note) + "\n")
    with trail.signing.database.transaction() as connection:
        given = Publication("vault", newest.number, newest.size, SystemClock().now())
        checkpoints.keep_publication(connection, given)
    assert verdict(trail, tmp_path, vault)["warnings"] == []
    vault.write_text("")
    (said,) = verdict(trail, tmp_path, vault)["warnings"]
    assert said.endswith("has checkpoints of up to 0 entries, and was given one of 26: lines of it are gone")
