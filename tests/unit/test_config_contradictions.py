"""Settings that contradict each other, or the disk, are refused with both names and with what would fit."""

import errno
import json
import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from config.loading import load_settings
from config.places import missing_places, needed_places
from config.settings import Settings
from console.cli import service_user, settings_check
from console.cli.app import app
from domain.errors import ConfigurationError
from roles import ports
from tests.support.node import let_others_pass


def complaint(**sections: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, sections)
    return str(caught.value)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"http": {"port": 11112}}, ("http.port", "11112", "listener.port")),
        (
            {"database": {"url": "postgresql+psycopg://node@127.0.0.1:11112/node"}},
            ("database.url", "listener.port", "11112"),
        ),
        ({"bus": {"kafka": "broker:9092,localhost:11112"}}, ("bus.kafka", "listener.port", "11112")),
        ({"destinations": ["PACS@localhost:11112"]}, ("destinations.", "listener.port", "11112")),
        (
            {"listener": {"host": "10.0.0.5"}, "destinations": ["X=PACS@10.0.0.5:11112"]},
            ("destinations.", "listener.port"),
        ),
        ({"bus": {"topic": "x", "dead_letters": "x"}}, ("bus.topic", "bus.dead_letters", "'x'")),
        ({"delivery": {"first_delay": 901}}, ("delivery.first_delay (901", "delivery.longest_delay (900")),
        ({"delivery": {"give_up_after": 60}}, ("delivery.longest_delay (900", "delivery.give_up_after (60")),
        ({"models": {"require_signature": True}}, ("models.require_signature", "models.trusted_keys")),
        ({"literature": {"enabled": True}}, ("literature.contact", "NCBI")),
        (
            {"literature": {"enabled": True, "sources": []}, "summary": {"enabled": False}},
            ("literature.enabled", "summary.enabled"),
        ),
        ({"literature": {"contact": "Jane Doe"}}, ("literature.contact", "NAME@DOMAIN")),
        ({"literature": {"sources": ["google"]}}, ("literature.sources", "pubmed")),
        ({"listener": {"trust_loopback": False}}, ("listener.trust_loopback", "listener.callers")),
        ({"bus": {"sasl": "OAUTHBEARER", "token_file": "t"}}, ("bus.sasl is OAUTHBEARER", "bus.tls is false")),
        ({"bus": {"ca": "ca.pem"}}, ("bus.ca is set", "bus.tls is false")),
        (
            {"bus": {"tls": True, "sasl": "SCRAM-SHA-512", "user": "u"}},
            ("SCRAM-SHA-512", "bus.password_file is not set"),
        ),
        ({"bus": {"tls": True, "sasl": "SCRAM-SHA-256"}}, ("SCRAM-SHA-256", "bus.user is not set")),
        ({"bus": {"tls": True, "sasl": "OAUTHBEARER"}}, ("OAUTHBEARER", "bus.token_file is not set")),
        ({"bus": {"tls": True, "password_file": "p"}}, ("bus.password_file is set", "bus.sasl is not")),
        (
            {"bus": {"tls": True, "sasl": "OAUTHBEARER", "token_file": "t", "user": "u"}},
            ("bus.user is set", "OAUTHBEARER", "nothing would use it"),
        ),
        ({"destinations": ["A@h:1", "A@g:2"]}, ("two destinations have the same name", "'A'")),
        ({"sources": ["A@h:1", "A@g:2"]}, ("two sources have the same name", "'A'")),
    ],
)
def test_what_cannot_be_together_is_refused_with_both_names(
    sections: Mapping[str, Any], words: tuple[str, ...]
) -> None:
    said = complaint(**sections)
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    "sections",
    [
        {"listener": {"port": 0}, "http": {"port": 0}},
        {"http": {"port": 11113}},
        {"listener": {"host": "10.0.0.5"}, "http": {"host": "10.0.0.6", "port": 11112}},
        {"destinations": ["A@localhost:4242", "B@localhost:4242"]},
        {"destinations": ["PACS@archive:11112"]},
        {"delivery": {"first_delay": 2, "longest_delay": 2, "give_up_after": 2}},
    ],
)
def test_what_can_be_together_is_taken(sections: Mapping[str, Any]) -> None:
    load_settings(None, sections)


def test_all_contradictions_are_named_at_once() -> None:
    said = complaint(http={"port": 11112}, delivery={"first_delay": 901}, models={"require_signature": True})
    assert len(said.splitlines()) == 3


def test_a_place_that_is_a_file_or_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    models = {"folder": file, "rules": tmp_path}
    broker = {"tls": True, "ca": tmp_path / "gone", "sasl": "SCRAM-SHA-512", "user": "node", "password_file": tmp_path}
    settings = load_settings(None, {"data": file / "beneath", "models": models, "bus": broker})
    assert [one.said for one in missing_places(settings)] == [
        f"data: {file / 'beneath'} cannot be a folder: {file} is a file",
        f"models.folder: {file} is no folder",
        f"bus.ca: {tmp_path / 'gone'} is not there",
        f"bus.password_file: {tmp_path} is no file",
        f"models.rules: {tmp_path} is no file",
    ]


def test_a_floor_that_no_disk_of_the_data_folder_can_keep_free_is_named_with_the_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.places.shutil.disk_usage", lambda _: SimpleNamespace(total=9 << 30, free=9 << 30))
    spool = {"disk_floor": (1 << 30) + 1, "capacity": 4 << 30}
    values = {"data": tmp_path / "still" / "to" / "be" / "made", "spool": spool, "listener": {"processes": 2}}
    said = (
        "spool.disk_floor (1073741825) and spool.capacity (4294967296) of each of listener.processes (2) are"
        f" 9663676417 bytes, and the whole disk of {tmp_path} has 9663676416"
    )
    assert [one.said for one in missing_places(load_settings(None, values))] == [said]
    values["spool"] = {**spool, "disk_floor": 1 << 30}
    assert list(missing_places(load_settings(None, values))) == []


def test_every_key_that_is_missing_or_none_is_named_by_config_check(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no key")
    keys = [tmp_path / "missing.pem", tmp_path / "none.pem"]
    file = tmp_path / "node.toml"
    file.write_text(f"[models]\ntrusted_keys = {[str(key) for key in keys]}\n")
    done = CliRunner().invoke(app, ["config", "check", str(file), "--json"])
    said = json.loads(done.stdout)["complaints"]
    assert [line.partition(": /")[0] for line in said] == [f"{file}:2: models.trusted_keys"] * 2
    assert all(str(key) in line for key, line in zip(keys, said, strict=True))


def test_places_that_are_still_to_be_made_are_no_fault(tmp_path: Path) -> None:
    assert list(missing_places(load_settings(None, {"data": tmp_path / "a" / "b"}))) == []


@pytest.mark.parametrize("wrong", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_none_is_told_also_beside_the_node_that_has_the_port(
    wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The node that runs has the port at its earlier address, and would not start at this one."""
    running = SimpleNamespace(port=23, pid=1)
    monkeypatch.setattr(ports, "all_running", lambda _: {"listen": running, "door": running})
    monkeypatch.setattr(ports, "ask", lambda *_: SimpleNamespace(dicom_port=None))
    settings = Settings.model_validate(
        {"data": tmp_path, "listener": {"host": wrong}, "http": {"host": wrong, "port": 23}}
    )
    said = [one.said for one in ports.closed(settings, beside=[tmp_path])]
    assert [one.partition(":")[0] for one in said] == ["listener.host", "http.host"]


def test_room_that_no_disk_has_keeps_a_node_from_starting(tmp_path: Path) -> None:
    (tmp_path / "objects" / "instances").mkdir(parents=True)
    for name in ("keep_free", "until_free"):
        wanted = {"keep_free": 1 << 45, name: (1 << 45) + 1}
        settings = Settings.model_validate({"data": tmp_path, "retention": wanted})
        (*_, said) = [one.said for one in needed_places(settings)]
        assert said.startswith(f"retention.{name} ({wanted[name]}): the whole disk of {tmp_path}")
    assert not list(needed_places(Settings.model_validate({"data": tmp_path, "retention": {"keep_free": 1 << 20}})))


def test_a_service_without_a_data_folder_is_not_begun_in_whatever_folder_it_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not list(needed_places(Settings()))
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    (fault,) = needed_places(Settings())
    assert fault.said.startswith("data: is not given, and a service needs the whole path")
    (tmp_path / "dicom-node-data").mkdir()  # of a unit of the site's own, which has always begun so
    assert not list(needed_places(Settings()))


def test_what_is_closed_to_a_service_alone_says_how_its_unit_is_written_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings.model_validate({"data": "/srv/cannot"})
    monkeypatch.setattr(Path, "mkdir", _read_only)
    (fault,) = needed_places(settings)
    assert fault.said.endswith("that is read-only")
    monkeypatch.setenv("SYSTEMD_EXEC_PID", str(os.getpid()))
    (fault,) = needed_places(settings)
    assert "sudo dicom-node service install" in fault.said


def _read_only(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.skipif(os.geteuid() != 0, reason="files of another user are root's to make")
def test_a_file_that_the_services_user_cannot_read_is_told_before_its_restart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, rules, key = (tmp_path / name for name in ("node.toml", "rules.toml", "closed/key"))
    let_others_pass(tmp_path / "data")
    key.parent.mkdir(mode=0o700)
    key.write_text("0123456789abcdef0123456789abcdef")
    rules.write_text("")
    file.write_text(f'data = "{tmp_path / "data"}"\nmodels.rules = "{rules}"\nidentity.key_file = "{key}"\n')
    monkeypatch.setattr(settings_check, "SERVICE_SETTINGS", file)
    monkeypatch.setattr(service_user, "USER", "nobody")
    for one in (file, rules, key):
        one.chmod(0o600)

    def told() -> list[str]:
        return [one for one in settings_check.check(file).complaints if "the service's user nobody cannot read" in one]

    said = told()
    assert said[0].startswith(f"{file}: the service's user nobody cannot read {file}: sudo chown root:")
    assert said[1].startswith(
        f"{file}:2: models.rules: the service's user nobody cannot read {rules}: sudo chown root:"
    )
    assert said[2].startswith(f"{file}:3: identity.key_file: ") and f"it may not pass {key.parent}: " in said[2]
    key.parent.chmod(0o711)
    assert f" cannot read {key}: sudo chown root:" in told()[2]
    file.chmod(0o644)
    rules.chmod(0o604)
    os.chown(key, pwd.getpwnam("nobody").pw_uid, 0)
    assert not told()
