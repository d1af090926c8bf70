"""Keys of language models and of those that see: what is wrong with a file is told, and stops nothing but this one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import LanguageModel, Settings
from roles.language_models import Asker, unusable
from summary.prompt import Prompt
from summary.providers.faults import NoAnswer
from tests.support.provider_server import said, serving

ASKED = Prompt("rules", "facts", {"type": "object"})


def _open(file: Path) -> None:
    file.write_text("sk-1\n")
    file.chmod(0o644)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda file: file.write_text("\n"), "is empty"),
    "two keys": (lambda file: file.write_text("sk-1 sk-2\n"), "has to hold one key"),
    "two lines": (lambda file: file.write_text("sk-1\nsk-2\n"), "has to hold one key"),
    "no letters of a header": (lambda file: file.write_text("sk-ü\n"), "has to hold one key"),
    "a folder": (lambda file: file.mkdir(), "cannot be read"),
    "others may read it": (_open, "chmod 600"),
}


@pytest.mark.parametrize(("make", "told"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("setting", ["language_models", "vision_models"])
def test_a_key_that_is_none_is_told_and_the_next_model_is_asked(
    setting: str, make: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    file, good = tmp_path / "key", tmp_path / "good"
    good.write_text("sk-2\n")
    make(file)
    for one in (good, *([file] if file.is_file() and make is not _open else [])):
        one.chmod(0o600)
    with serving(said("hello")) as server:
        models = tuple(
            LanguageModel(name=name, kind="openai", url=server.url, model="m", key_files=(key,))
            for name, key in (("first", file), ("second", good))
        )
        settings = Settings.model_validate({setting: models})
        (fault,) = unusable(settings)
        assert fault.said.startswith(f"{setting}.first.key_files: ")
        assert told in fault.said
        assert "sk-1" not in fault.said
        assert Asker(settings, None, getattr(settings, setting)).chain(ASKED).provider == "second"
        assert server.keys == ["sk-2"]
        with pytest.raises(NoAnswer, match="first: the key is not accepted") as error:
            Asker(settings, None, models[:1]).chain(ASKED)
    assert str(tmp_path) not in str(error.value)
