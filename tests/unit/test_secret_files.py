"""Secrets out of files of their own, and none on a command line, in a view, or where another process could look."""

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Secret
from typer.testing import CliRunner

from config.environment import forget_secrets
from config.loading import load_settings
from config.secret_files import secret_settings
from config.secret_urls import has_password, without_password
from config.settings import Settings
from console.cli.app import app
from domain.errors import ConfigurationError
from roles.process import conceal

URL = "postgresql+psycopg://node:hush@db/node"
NOBODY = 65534


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "url"
    file.write_text(f"{URL}\n")
    file.chmod(0o600)
    return file


def _url(settings: Settings) -> str:
    assert settings.database.url is not None
    return settings.database.url.get_secret_value()


def test_every_secret_setting_may_be_a_file_of_its_own() -> None:
    known = {(section, name) for section, name in secret_settings()}
    assert {("database", "url"), ("database", "owner_url"), ("identity", "key")} <= known
    for section, name in known:
        fields = type(getattr(Settings(), section)).model_fields
        assert f"{name}_file" in fields, name
        value = getattr(getattr(Settings(), section), name)
        assert value is None or isinstance(value, Secret)


def test_a_setting_whose_name_tells_of_a_secret_is_one() -> None:
    for section in Settings.model_fields:
        for name in getattr(type(getattr(Settings(), section)), "model_fields", ()):
            telling = any(word in name for word in ("password", "secret", "token", "credential"))
            number = isinstance(getattr(getattr(Settings(), section), name), int | float)  # how long one holds, or is
            assert not telling or number or name.endswith("_file") or (section, name) in set(secret_settings()), name


def test_a_secret_comes_out_of_its_file_without_the_end_of_the_line(secret: Path) -> None:
    assert _url(load_settings(None, {"database": {"url_file": secret}})) == URL


def test_of_a_secret_and_its_file_the_upper_layer_counts(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = secret.with_name("node.toml")
    file.write_text(f'[database]\nurl_file = "{secret}"\n')
    assert _url(load_settings(file)) == URL
    monkeypatch.setenv("DICOM_NODE_DATABASE__URL", "postgresql://a@b/c")
    assert _url(load_settings(file)) == "postgresql://a@b/c"
    assert _url(load_settings(file, {"database": {"url_file": str(secret)}})) == URL


def test_a_secret_that_is_given_twice_is_refused(secret: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"database\.url and database\.url_file: give one of them"):
        load_settings(None, {"database": {"url": URL, "url_file": secret}})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.chmod(0o604), "chmod 600"),
        (lambda file: file.chmod(0o620), "chmod 600"),
        (lambda file: file.write_text(" \n"), "is empty"),
        (lambda file: file.write_bytes(b"\xff"), "is no text in UTF-8"),
        (lambda file: file.write_text("x" * 70_000), "is longer than any secret"),
        (lambda file: file.unlink(), "cannot be read: No such file"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be read: Is a directory"),
        (lambda file: (file.unlink(), file.symlink_to("/dev/null")), "is no file"),
    ],
)
def test_a_file_that_others_may_read_or_that_holds_no_secret_is_refused(
    spoil: Callable[[Path], object], said: str, secret: Path
) -> None:
    spoil(secret)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(None, {"database": {"url_file": secret}})
    assert f"database.url_file: {secret}" in str(raised.value) and said in str(raised.value)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("text", [f'[database]\nurl = "{URL}"\n', f'[identity]\nkey = "{"hush" * 9}"\n'])
@pytest.mark.parametrize(("mode", "kept"), [(0o644, False), (0o660, False), (0o600, True), (0o640, True)])
def test_a_secret_in_a_settings_file_that_others_may_read_is_refused_and_not_shown(
    text: str, mode: int, kept: bool, tmp_path: Path
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(text)
    file.chmod(mode)
    if kept:
        load_settings(file)
        return
    with pytest.raises(ConfigurationError) as raised:
        load_settings(file)
    assert str(raised.value).startswith(f"{file}:2: ") and f"chmod o=,g-w {file}, or write it into" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_a_url_without_a_password_is_no_secret_of_a_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('[database]\nurl = "postgresql://node@db/node"\n')
    file.chmod(0o644)
    assert _url(load_settings(file)) == "postgresql://node@db/node"


@pytest.mark.parametrize("setting", [("identity", "key_file"), ("database", "url_file")])
@pytest.mark.parametrize("file", ["/etc/passwd", "/etc/hostname", "/usr/bin/env", "lines"])
def test_no_command_is_told_for_a_file_that_is_the_systems_or_holds_other_things(
    setting: tuple[str, str], file: str, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_text("one\ntwo\n")
    (tmp_path / "lines").chmod(0o644)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(None, {setting[0]: {setting[1]: str(tmp_path / file)}})
    assert "chmod" not in str(raised.value) and "write the secret into one of its own" in str(raised.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="a file of another user is root's to make")
def test_a_file_of_another_user_is_refused(secret: Path) -> None:
    os.chown(secret, NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match="belongs to another user: sudo chown 0 "):
        load_settings(None, {"database": {"url_file": secret}})


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgresql://:hush@db/node",
        "postgresql://db/node?password=hush",
        "postgresql://db/node?p%61ssword=hush",
        "postgresql://db/node?host=a;password=hush",
        "postgresql://db/node#hush",
        "postgresql://db/node?sslpassword=hush",
        "host=db password=hush",
        "node:hush@db",
    ],
)
def test_a_password_is_refused_on_a_command_line_with_what_to_do_and_is_shown_nowhere(url: str) -> None:
    assert has_password(url)
    assert "hush" not in without_password(url)
    for arguments in (["status"], ["doctor"], ["up"], ["index"], ["database", "upgrade"]):
        result = CliRunner().invoke(app, [*arguments, "--database", url])
        assert result.exit_code == 2
        assert "database.url_file" in result.output.replace("\n", "")
        assert "hush" not in result.output


@pytest.mark.parametrize(
    "url", ["postgresql://node@db:5432/x?sslmode=require&passfile=/home/a/.pgpass", "postgresql://db"]
)
def test_a_url_without_a_password_is_taken_on_a_command_line(url: str) -> None:
    assert not has_password(url)
    assert without_password(url) == url


PLANTED = (
    URL,
    "postgresql://db/node?password=hush",
    "https://x?token=hush",
    "host=db password=hush",
    "p%61ssword=hush",
    "postgresql://node:hu/hush@db",
)


@pytest.mark.parametrize("text", PLANTED)
def test_no_view_of_the_settings_shows_a_password_in_whatever_setting_it_stands(text: str, tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    other = f'[[destinations]]\nname = "{text}"\naet = "A"\nhost = "h"\nport = 104\n'
    other += f'profile = "{text}"\n[models]\nallow_older = ["{text}"]\n'
    file.write_text(f'[database]\nurl = "{text}"\nowner_url = "{text}"\n[listener]\nhost = "{text}"\n{other}')
    for right in (False, True):
        if right:
            file.write_text(file.read_text().replace(f'host = "{text}"', 'host = "::1"'))
        for command in ("show", "check"):
            for form in ([], ["--json"]):
                option = ["--config", str(file)] if command == "show" else [str(file)]
                result = CliRunner().invoke(app, ["config", command, *option, *form])
                assert "hush" not in result.output.replace("\n", ""), (command, form)


def test_variables_that_held_a_secret_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"DICOM_NODE_DATABASE__URL_FILE": "/x", "DICOM_NODE_LISTENER__AET": "A"}
    gone = {"DICOM_NODE_DATABASE__URL": URL, "DICOM_NODE_IDENTITY__KEY": "k" * 32, "DICOM_NODE_DATABASE": "{}"}
    for name, value in {**kept, **gone}.items():
        monkeypatch.setenv(name, value)
    forget_secrets(tuple(secret_settings()))
    assert {name: os.environ.get(name) for name in {**kept, **gone}} == {**kept, **dict.fromkeys(gone)}


def _process(prepare: Callable[[], None]) -> int:
    """A process of a user without rights, once it has prepared itself; it waits for its end."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        ctypes.CDLL(None).prctl(4, 1)  # dumpable, as a program is that such a user starts
        prepare()
        os.write(told, b".")
        signal.pause()
    os.close(told)
    os.read(ready, 1)
    os.close(ready)
    return child


def _looked_into(pid: int) -> list[str]:
    """What a process of the same user can open of another one."""
    opened, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(opened)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        for name in ("environ", "mem", "maps", "fd"):
            try:
                os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
                os.write(said, f"{name} ".encode())
            except OSError:
                pass
        os._exit(0)
    os.close(said)
    with os.fdopen(opened) as told:
        found = told.read().split()
    os.waitpid(child, 0)
    return found


def test_no_process_of_the_same_user_looks_into_a_role() -> None:
    as_it_is, concealed = _process(lambda: None), _process(conceal)
    try:
        assert "environ" in _looked_into(as_it_is)
        assert _looked_into(concealed) == []
    finally:
        for pid in (as_it_is, concealed):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _uses_its_own_descriptors() -> None:
    conceal()
    own = Path("/proc/self/fd")
    folder = own / str(os.open("/", os.O_RDONLY))
    assert folder in list(own.iterdir())
    assert folder.readlink() == Path("/")
    assert (folder / ".").stat().st_ino == Path("/").stat().st_ino


def test_a_role_that_nobody_looks_into_still_has_its_own_descriptors() -> None:
    child = _process(_uses_its_own_descriptors)
    os.kill(child, 0)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
