"""Which walls stand is an answer wherever it is asked, also for a user whom nothing is open to."""

from pathlib import Path

import pytest

from inference_worker.model_config import ModelProcessConfig
from inference_worker.walls import standing


def test_a_user_who_may_not_start_the_program_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.write_text("")
    monkeypatch.setattr(standing, "program", lambda module: [str(closed), module])
    assert standing.standing(ModelProcessConfig(tmp_path, "cpu")) == (
        [],
        f"the walls cannot be raised: {closed}: Permission denied",
    )
