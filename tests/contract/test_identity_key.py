"""The key of patients' digests: made once, for its owner alone, and one for all hosts of a database."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.settings import Http, Settings
from console.cli.app import app
from consumers.steps.patients import forget_key
from domain.errors import ConfigurationError, Permanent
from roles.health import Health, HealthServer
from roles.identity_key import patient_marks
from roles.index import index
from store.holders import an_index_works
from tests.contract.test_roles_working import context, running
from tests.support.bench import Bench
from tests.support.processes import wait_for


def settings(data: Path, key: str | None = None) -> Settings:
    return Settings.model_validate({"data": data, "identity": {"key": key}})


def test_hosts_share_a_database_with_one_key_alone(bench: Bench) -> None:
    first, second = bench.root / "first", bench.root / "second"
    made = patient_marks(settings(first), bench.database)
    file = first / "identity.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in first.iterdir()] == ["identity.key"]
    assert patient_marks(settings(first), bench.database).check_value == made.check_value
    with pytest.raises(ConfigurationError, match="made with another key: give this host the key of the host"):
        patient_marks(settings(second), bench.database)
    (second / "identity.key").write_bytes(file.read_bytes())
    given = settings(bench.root / "third", file.read_text().strip())
    assert patient_marks(settings(second), bench.database).check_value == made.check_value
    assert patient_marks(given, bench.database).check_value == made.check_value
    assert not (bench.root / "third").exists()


def test_a_key_that_is_cut_short_is_none(bench: Bench) -> None:
    (bench.root / "identity.key").write_text("abc\n")
    with pytest.raises(ConfigurationError, match="is cut short"):
        patient_marks(settings(bench.root), bench.database)


def look(data: Path, url: str) -> tuple[str, str]:
    """What `doctor` says of the key."""
    said = CliRunner().invoke(app, ["doctor", "--data", str(data), "--database", url, "--json"])
    (found,) = [one for one in json.loads(said.stdout)["looks"] if one["what"] == "identity key"]
    return found["mark"], found["said"]


def assert_lacking(data: Path, url: str, fault: str) -> None:
    mark, said = look(data, url)
    assert mark == "lacking" and fault in said


def test_a_key_that_keeps_the_index_from_starting_is_named_by_doctor(bench: Bench, database_url: str) -> None:
    data = bench.root / "data"
    file = data / "identity.key"
    assert look(data, database_url)[0] == "ok"  # the index makes one
    assert not file.exists()
    patient_marks(settings(data), bench.database)
    assert look(data, database_url) == ("ok", "nothing is wrong with it")
    right = file.read_text()
    file.unlink()
    assert_lacking(data, database_url, "is missing, and the database knows a key")
    file.mkdir()
    assert_lacking(data, database_url, "cannot be used: Is a directory")
    file.rmdir()
    file.write_text("abc\n")
    assert_lacking(data, database_url, "is cut short: put back the key that was there")
    file.write_text("x" * 64)
    assert_lacking(data, database_url, "the patients' digests in this database were made with another key")
    file.write_text(right)
    assert look(data, database_url)[0] == "ok"


def test_status_says_that_what_a_listener_takes_is_not_indexed(bench: Bench, database_url: str) -> None:
    data = bench.root / "data"

    def said() -> str:
        asked = ["status", "--data", str(data), "--database", database_url]
        shown, as_json = (CliRunner().invoke(app, [*asked, *more]) for more in ((), ("--json",)))
        assert (shown.exit_code, as_json.exit_code) == (0, 0), shown.output
        text, trouble = " ".join(shown.stdout.split()), json.loads(as_json.stdout)["index_trouble"]
        assert trouble in text
        assert bool(trouble) == ("role index" in text)
        return text

    assert "role index" not in said()  # nothing runs here, which is nobody's fault
    health = Health()
    with HealthServer(Health(), Http(), data, "listen"):
        assert "the role index does not run" in said()
        with HealthServer(health, Http(), data, "index"):
            assert "the role index is not ready: it waits for its main loop" in said()
            health.beat()
            assert "role index" not in said()


def test_an_index_that_works_keeps_its_key_and_one_with_a_wrong_key_is_waited_for_by_nobody(
    bench: Bench, database_url: str
) -> None:
    def works() -> bool:
        with bench.database.transaction() as connection:
            return an_index_works(connection)

    made = context(bench, database_url, "index")
    with running(index, made):
        wait_for(lambda: made.health.report().ready, 60, "the index is ready")
        with pytest.raises(Permanent, match="stop the node on every host"):
            forget_key(bench.ledger)
    assert not works()
    (bench.root / "identity.key").write_text("y" * 64)
    with pytest.raises(ConfigurationError, match="made with another key"):
        index(context(bench, database_url, "index"))
    assert not works()
    forget_key(bench.ledger)
    made = context(bench, database_url, "index")
    with running(index, made):
        wait_for(lambda: made.health.report().ready, 60, "the index goes on with the next key")
