"""Settings on their way to child processes, to the screen and to the trail."""

import os
from pathlib import Path

import pytest

from config.loading import load_settings
from config.masking import digest, public
from config.settings import Settings
from console.cli.options import settings_from
from domain.errors import ConfigurationError
from roles.supervisor import environment, role_processes


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)


def settings(**given: object) -> Settings:
    return settings_from(None, **given)


def test_a_child_gets_exactly_the_settings_of_its_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(
        data=tmp_path,
        listener__aet="NODE",
        listener__callers=[{"aet": "CT", "address": "10.0.0.0/8"}],
        destinations=["A@10.0.0.1:104", "second=B@[::1]:105"],
        assembly__settle_by_modality={"MR": 30.0},
        models__rules=tmp_path / "rules.toml",
        database__url="postgresql+psycopg://node:secret@db/node",
    )
    for name, value in environment(own, "index").items():
        monkeypatch.setenv(name, value)
    assert load_settings() == own


def test_no_child_gets_the_right_to_change_the_schema(tmp_path: Path) -> None:
    own = settings(data=tmp_path, database__url="postgresql://a@b/c", database__owner_url="postgresql://owner:x@b/c")
    assert "owner" not in environment(own, "index")["DICOM_NODE_DATABASE"].replace("owner_url", "")


def test_a_settings_file_is_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_CONFIG", "/etc/node.toml")
    assert "DICOM_NODE_CONFIG" not in environment(Settings(), "index")


def test_health_doors_follow_one_another_from_a_chosen_port() -> None:
    own = settings(http__port=9000)
    ports = [environment(own, name)["DICOM_NODE_HTTP"] for name in role_processes(own)]
    assert [port.rpartition(" ")[2].rstrip("}") for port in ports] == ["9000", "9001", "9002", "9003", "9004", "9005"]


def test_the_relay_runs_only_where_there_is_a_broker() -> None:
    assert "relay" not in role_processes(settings())
    assert "relay" in role_processes(settings(bus__kafka="localhost:9092"))


def test_several_listeners_have_names_of_their_own() -> None:
    assert role_processes(settings(listener__processes=3))[:3] == ["listen", "listen-1", "listen-2"]


def test_a_password_is_never_shown() -> None:
    own = settings(database__url="postgresql+psycopg://node:secret@db:5432/node?sslmode=require")
    assert public(own)["database"]["url"] == "postgresql+psycopg://node:***@db:5432/node?sslmode=require"
    assert "secret" not in str(public(own))


@pytest.mark.parametrize("setting", ["database__url", "database__owner_url", "bus__kafka"])
def test_a_password_is_masked_in_whatever_setting_it_stands(setting: str) -> None:
    assert "://user:***@host" in str(public(settings(**{setting: "postgresql://user:se@cret@host:1/x"})))


def test_a_url_without_a_password_stays_as_it_is() -> None:
    url = "postgresql+psycopg://node:@/postgres?host=/data"
    shown = public(settings(database__url=url))["database"]["url"]
    assert shown in {url, url.replace("node:@", "node:***@")}


def test_the_digest_tells_changed_settings_but_not_a_changed_password() -> None:
    first = settings(database__url="postgresql://a:one@b/c")
    assert digest(first) == digest(settings(database__url="postgresql://a:two@b/c"))
    assert digest(first) != digest(settings(database__url="postgresql://a:one@b/c", listener__aet="OTHER"))


def test_an_option_that_was_not_given_leaves_the_default() -> None:
    assert settings(listener__port=None, destinations=[]) == Settings()


def test_a_wrong_option_is_blamed_on_the_command_line() -> None:
    with pytest.raises(ConfigurationError, match=r"command line: destinations.0: 'nonsense' is not of the form"):
        settings(destinations=["nonsense"])
