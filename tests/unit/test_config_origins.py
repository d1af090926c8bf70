"""Where each setting in effect was given: in the file, by a variable, on the command line, or by nobody."""

from pathlib import Path

import pytest

from config.loading import load_settings
from config.origins import Origins
from config.reloading import compared
from config.settings import Settings
from console.actions.settings import DEFAULT, NODE, in_effect

FILE = """
destinations = ["PACS@127.0.0.1:104"]
[listener]
aet = "NODE"
port = 11113
[database]
url_file = "url.txt"
[console]
threads = 3
[console.departments]
ER = ["CT_ER"]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "url.txt").write_text("postgresql://node:very-secret@db/node")
    (tmp_path / "url.txt").chmod(0o600)
    written = tmp_path / "node.toml"
    written.write_text(FILE)
    written.chmod(0o600)
    monkeypatch.setenv("DICOM_NODE_LISTENER__PORT", "11114")
    monkeypatch.setenv("DICOM_NODE_CONSOLE", '{"threads": 4}')
    return written


def test_what_is_nearer_to_whoever_starts_the_node_is_where_a_setting_comes_from(file: Path) -> None:
    found = {one.name: one for one in in_effect(load_settings(file, {"listener": {"host": "127.0.0.2"}}))}
    assert {name: found[name].origin for name in found if found[name].origin != DEFAULT} == {
        "destinations": str(file),
        "listener.aet": str(file),
        "listener.port": "environment: DICOM_NODE_LISTENER__PORT",
        "listener.host": "command line",
        "database.url": str(file),
        "database.url_file": str(file),
        "console.threads": "environment: DICOM_NODE_CONSOLE",
        "console.departments": str(file),
    }
    assert found["listener.port"].value == 11114
    assert "very-secret" not in str(found)


def test_what_the_node_made_itself_is_said_to_be_its_own(file: Path) -> None:
    settings = Settings().model_copy(update={"data": Path("/made")})
    assert [one.origin for one in in_effect(settings) if one.name == "data"] == [NODE]


def test_a_setting_that_was_taken_over_has_its_new_origin_and_one_that_waits_its_old_one(file: Path) -> None:
    before = load_settings(file)
    after = load_settings(file, {"destinations": ["B@127.0.0.1:105"], "listener": {"aet": "OTHER"}})
    places = compared(before, after).settings.origins.places
    assert places["destinations"] == "command line"
    assert places["listener.aet"] == str(file)


def test_settings_are_equal_whoever_gave_them(file: Path) -> None:
    given = load_settings(file)
    assert given == given.given_at(Origins())
    assert given.given_at(Origins()).origins.places == {}
