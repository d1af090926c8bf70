"""The client of language models is an extra: who asks none does not need it, and who does is told what to install."""

import subprocess
import sys

import pytest

from config.settings import LanguageModel
from domain.errors import ConfigurationError
from roles.language_models import providers
from tests.support.counterparts import ROOT

HOUSE = LanguageModel(name="house", kind="openai", url="http://10.0.0.1/v1", model="small")


def test_a_node_without_the_extra_starts_every_role_and_command() -> None:
    modules = "roles.summarise, roles.work, console.cli.commands.summary"
    without = f"import sys; sys.modules['openai'] = sys.modules['rapidocr'] = None; import {modules}"
    done = subprocess.run([sys.executable, "-c", without], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_model_of_the_settings_that_nothing_can_ask_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "summary.providers.remote", raising=False)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'dicom-node\[language\]'"):
        providers((HOUSE,))
