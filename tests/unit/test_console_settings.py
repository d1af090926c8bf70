"""Settings on their way to child processes, to the screen and to the trail."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from config.masking import digest, public
from config.secret_urls import SecretUrl
from config.section import Section
from config.settings import Settings
from console.cli.options import settings_from
from domain.errors import ConfigurationError
from roles.supervisor import role_processes, role_settings


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DICOM_NODE_")]:
        monkeypatch.delenv(name)


def settings(**given: object) -> Settings:
    return settings_from(None, **given)


def test_a_role_gets_the_settings_of_its_supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = settings(
        data=Path("data"),
        listener__aet="NODE",
        destinations=["A@10.0.0.1:104", "second=B@[::1]:105"],
        database__url="postgresql+psycopg://node:secret@db/node",
    )
    assert role_settings(own) == own.model_copy(update={"data": tmp_path / "data"})


def test_no_role_gets_the_right_to_change_the_schema(tmp_path: Path) -> None:
    own = settings(data=tmp_path, database__url="postgresql://a@b/c", database__owner_url="postgresql://owner:x@b/c")
    assert [role_settings(own).database.owner_url] == [None]


def test_a_role_under_up_has_a_door_of_its_own_on_loopback_alone_for_all_are_asked_at_one() -> None:
    own = role_settings(settings(http__port=9000, http__host="0.0.0.0"))
    assert (own.http.host, own.http.port) == ("127.0.0.1", 0)


def test_the_relay_runs_only_where_there_is_a_broker() -> None:
    assert "relay" not in role_processes(settings())
    assert "relay" in role_processes(settings(bus__kafka="localhost:9092"))


def test_several_listeners_have_names_of_their_own() -> None:
    assert role_processes(settings(listener__processes=3))[:3] == ["listen", "listen-1", "listen-2"]


def secrets() -> list[str]:
    """The secret settings, as options name them."""
    sections = {name: type(getattr(Settings(), name)) for name in Settings.model_fields}
    return [
        f"{section}__{name}"
        for section, kind in sections.items()
        if issubclass(kind, Section)
        for name, field in kind.model_fields.items()
        if SecretUrl in get_args(field.annotation)
    ]


def test_what_holds_a_url_with_a_password_is_secret_by_its_type() -> None:
    assert secrets() == ["database__url", "database__owner_url"]


@pytest.mark.parametrize("setting", secrets())
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://node:hush@db/node",
        "postgresql://node:hu/hush@db/node",
        "postgresql://node:hu@hush@db/node",
        "postgresql://node:hu?hush@db/node",
        "postgresql://db/node?user=node&password=hush",
        "postgresql://db/node?sslpassword=hush&sslmode=require",
        "node:hush@db",
    ],
)
def test_no_form_of_the_settings_shows_a_secret(setting: str, url: str) -> None:
    own = settings(**{setting: url})
    section, name = setting.split("__")
    forms: list[Callable[[Settings], object]] = [repr, str, public, vars, Settings.model_dump, Settings.model_dump_json]
    shown = [str(form(own)) for form in forms] + [str(getattr(getattr(own, section), name)), f"{own}"]
    assert "hush" not in "".join(shown)
    assert getattr(getattr(own, section), name).get_secret_value() == url


def test_a_wrong_setting_is_named_without_what_stood_in_it() -> None:
    with pytest.raises(ConfigurationError) as raised:
        settings(database__url=["hush"], listener__port="hush")
    assert "hush" not in f"{raised.value} {raised.value.__cause__}"


def test_a_password_is_never_shown() -> None:
    own = settings(database__url="postgresql+psycopg://node:secret@db:5432/node?sslmode=require")
    database: Any = public(own)["database"]
    assert database["url"] == "postgresql+psycopg://node:***@db:5432/node?sslmode=require"
    assert "node:secret" not in str(public(own))


@pytest.mark.parametrize("setting", ["database__url", "database__owner_url"])
def test_a_password_is_masked_in_whatever_setting_it_stands(setting: str) -> None:
    url = "postgresql://user:se@cret@host:1/x"
    archive = {"name": url, "aet": "A", "host": "h", "port": 104}
    shown = str(public(settings(destinations=[archive], **{setting: url})))
    assert shown.count("://user:***@host") == 2


def test_a_url_without_a_password_stays_as_it_is() -> None:
    url = "postgresql+psycopg://node:@/postgres?host=/data"
    database: Any = public(settings(database__url=url))["database"]
    assert database["url"] in {url, url.replace("node:@", "node:***@")}


def test_the_digest_tells_changed_settings_but_not_a_changed_password() -> None:
    first = settings(database__url="postgresql://a:one@b/c")
    assert digest(first) == digest(settings(database__url="postgresql://a:two@b/c"))
    assert digest(first) != digest(settings(database__url="postgresql://a:one@b/c", listener__aet="OTHER"))


def test_an_option_that_was_not_given_leaves_the_default() -> None:
    assert settings(listener__port=None, destinations=[]) == Settings()


def test_a_wrong_option_is_blamed_on_the_command_line() -> None:
    with pytest.raises(ConfigurationError, match=r"command line: destinations: 'nonsense' is not of the form"):
        settings(destinations=["nonsense"])
