"""What is wrong with a setting is said in words of settings: by its name and line, with what was meant, all at once."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from config.loading import load_settings
from config.settings import Settings
from domain.errors import ConfigurationError
from tests.unit.test_config_bounds import fields, given

_NAMES = sorted({".".join(path) for path, _ in fields(Settings)} - {"profiles.segmentations"})
# What a library says of types: words of Python, and of nobody who keeps a hospital's machines.
_OF_PYTHON = re.compile(
    r"Input should|valid|tuple|dictionary|an instance|Field required|Extra inputs|NoneType|Enum|Value error"
    r"|cannot be this"
)


def complaints(file: Path, text: str) -> Sequence[str]:
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)
    return [line.removeprefix(f"{file}:") for line in caught.value.lines]


@pytest.mark.parametrize("name", _NAMES)
def test_no_complaint_about_a_value_has_words_of_python(name: str) -> None:
    for value in (None, True, 10**400, 0.5, "", "no such\x01thing" * 30, [], [3], {}, {"no": "key"}, object()):
        try:
            load_settings(None, given(name, value))
        except ConfigurationError as error:
            assert not [line for line in error.lines if _OF_PYTHON.search(line)], error.lines


@pytest.mark.parametrize("value", ["0", "-1", "0.0"])
def test_a_number_that_must_be_above_another_says_which(value: str, tmp_path: Path) -> None:
    said = complaints(tmp_path / "node.toml", f"[retention]\nimages_days = {value}\n")
    assert said == [f"2: retention.images_days: must be more than 0, not {value}"]


def test_a_text_in_the_place_of_a_table_says_how_the_table_is_written(tmp_path: Path) -> None:
    said = complaints(tmp_path / "node.toml", '[listener]\ncallers = ["CT1@10.20.0.11"]\n')
    assert said[0].endswith(": must be a table, as { aet = ..., address = ... }")


def test_a_key_that_is_none_is_told_with_the_one_that_was_meant_and_where_that_stands(tmp_path: Path) -> None:
    text = 'port = 104\nprt = 5\n[listner]\n[listener]\naetitle = "A"\n[delivery]\nfoo = 1\n'
    said = complaints(tmp_path / "node.toml", text)
    meant = "did you mean listener.port or web.port or console.port or http.port?"
    assert said[:2] == [f"1: port: is not a setting here; {meant}", f"2: prt: is not a setting here; {meant}"]
    assert said[2] == "3: listner: is not a setting; did you mean listener?"
    assert said[3] == "5: listener.aetitle: is not a setting; did you mean aet?"
    assert said[4].startswith("7: delivery.foo: is not a setting; known here are first_delay, longest_delay, ")


def test_elements_of_lists_are_called_by_their_names_and_by_their_number_where_they_have_none(tmp_path: Path) -> None:
    text = (
        '[[destinations]]\naet = "ONE"\nhost = "h"\nport = 0\n'
        '[[destinations]]\nname = "the ward"\naet = "TWO"\nport = 104\n'
        '[[destinations]]\nhost = "h"\nport = 104\n'
        '[[listener.callers]]\naet = "CT"\naddress = "10.1.0.1-10.1.0.9"\n'
    )
    of_caller = "14: listener.callers.CT.address: '10.1.0.1-10.1.0.9' is neither an IP address nor a network"
    assert complaints(tmp_path / "node.toml", text) == [
        "4: destinations.ONE.port: must be 1 or more, not 0",
        '5: destinations."the ward".host: is missing',
        "9: destinations.#3.aet: is missing",
        f"{of_caller} such as 10.1.0.0/16: a range is written as a network",
    ]


def test_what_is_wrong_between_settings_is_told_beside_what_is_wrong_in_one_and_never_because_of_it(
    tmp_path: Path,
) -> None:
    text = (
        '[listener]\ntrust_loopback = false\ncallers = [{ aet = "CT" }]\n[http]\nport = 11112\n[bus]\ntopic = "a b"\n'
    )
    said = complaints(tmp_path / "node.toml", text)
    assert [line.partition(" ")[0] for line in said] == ["3:", "5:", "7:"]
    assert "nobody may send" not in str(said)


def test_a_relative_path_in_a_file_is_one_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "node.toml"
    file.write_text('data = "data"\n[models]\nrules = "../rules.toml"\ntrusted_keys = ["a.pem", "/b.pem"]\n')
    monkeypatch.setenv("DICOM_NODE_MODELS__FOLDER", "models")
    settings = load_settings(file, {"bus": {"ca": Path("ca.pem"), "tls": True}})
    assert settings.data == tmp_path / "data"
    assert settings.models.rules == tmp_path / ".." / "rules.toml"
    assert settings.models.trusted_keys == (tmp_path / "a.pem", Path("/b.pem"))
    assert (settings.models.folder, settings.bus.ca) == (Path("models"), Path("ca.pem"))


@pytest.mark.parametrize(("path", "said"), [("", "is empty"), ("~/node", "which a shell alone understands")])
def test_a_path_that_is_none_or_a_shells_is_refused(path: str, said: str, tmp_path: Path) -> None:
    assert said in complaints(tmp_path / "node.toml", f'data = "{path}"\n')[0]
