"""The key of patients' digests: made once, for its owner alone, and one for all hosts of a database."""

import stat
from pathlib import Path

import pytest

from config.settings import Settings
from domain.errors import ConfigurationError
from roles.identity_key import patient_marks
from tests.support.bench import Bench


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
