"""Of a provider that does not answer the log says why, once, and a stranger at the door does not learn it."""

import logging
from pathlib import Path

import pytest

from config.access import AccessSettings
from console.auth.provider import Provider
from console.auth.refusals import ProviderAway


def test_the_log_says_why_a_provider_does_not_answer_and_the_door_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = AccessSettings(issuer="https://127.0.0.1:9/x", client_id="node", ca=tmp_path / "none.pem")
    asked = Provider(settings, lambda: 0.0)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(ProviderAway) as refused:
                asked.start("http://127.0.0.1:8080/auth/oidc/callback")
    assert "none.pem" not in refused.value.sentence
    (line,) = (one for one in caplog.records if one.name == "console.auth.provider")
    assert "none.pem" in str(vars(line)["reason"])
