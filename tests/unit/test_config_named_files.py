"""Files of secrets and certificates that the settings name are looked at by `config check`, each with its line."""

import re
from pathlib import Path

import pytest

from config.loading import load_settings
from console.cli.settings_check import check
from roles.unusable import unusable
from tests.support.certificates import Site

ORTHANC = '[[sources]]\nkind = "orthanc"\nname = "o"\nurl = "http://127.0.0.1:8042"\n'


def said(folder: Path, text: str) -> list[str]:
    """What is wrong with the settings file, by their lines in it; paths of the folder are left out."""
    file = folder / "node.toml"
    database = 'database.url = "postgresql+psycopg://node@127.0.0.1/node"'
    file.write_text(f"{database}\n[listener]\nport = 0\n{text}")
    found = check(file)
    return [one.replace(f"{folder}/", "") for one in (*found.complaints, *(f"NOTE {one}" for one in found.remarks))]


def secret(folder: Path, mode: int) -> Path:
    file = folder / "o.pw"
    file.write_text("secret")
    file.chmod(mode)
    return file


def test_a_peers_secret_that_is_missing_or_others_may_read_is_named(tmp_path: Path) -> None:
    text = f'{ORTHANC}user = "u"\npassword_file = "o.pw"\n'
    assert said(tmp_path, text) == [
        "node.toml:9: sources.o.password_file: o.pw cannot be read: No such file or directory"
    ]
    secret(tmp_path, 0o644)
    (line,) = said(tmp_path, text)
    assert line.startswith("node.toml:9: sources.o.password_file: o.pw may be read or changed by others: chmod 600")
    secret(tmp_path, 0o600)
    assert said(tmp_path, text) == []


def test_half_of_what_proves_us_is_named(tmp_path: Path) -> None:
    secret(tmp_path, 0o600)
    (line,) = said(tmp_path, f'{ORTHANC}user = "u"\n')
    assert line == "node.toml:8: sources.o.user: is given and password_file is not: a user has no other proof"
    (line,) = said(tmp_path, f'{ORTHANC}password_file = "o.pw"\n')
    assert line == "node.toml:8: sources.o.password_file: is given and user is not: whose password is it?"


@pytest.mark.parametrize(
    "secured", ['host = "127.0.0.1"\nport = 1\naet = "A"\ntls = true', 'kind = "dicomweb"\nurl = "https://127.0.0.1/d"']
)
def test_certificates_by_which_a_peer_is_proven_are_named(tmp_path: Path, secured: str) -> None:
    (line,) = said(tmp_path, f'[[destinations]]\nname = "a"\n{secured}\nca = "none.pem"\n')
    assert re.search(r"node.toml:\d+: destinations.a.ca: none.pem cannot be read: No such file", line)


def test_a_door_with_an_unusable_file_is_named_and_up_refuses_it(tmp_path: Path) -> None:
    site = Site(tmp_path / "tls")
    tls = f'[listener.tls]\nport = 0\ncertificate = "tls/nod.pem"\nkey = "{site.node.key}"\nca = "{site.ca}"\n'
    web = '[web]\nenabled = true\nport = 0\ncallers = [{ aet = "G", user = "g", password_file = "o.pw" }]\n'
    secret(tmp_path, 0o644)
    first, second = said(tmp_path, tls + web)
    assert first.startswith("node.toml:6: listener.tls.certificate: tls/nod.pem cannot be read")
    assert second.startswith("node.toml:12: web.callers.G.password_file: o.pw may be read or changed by others")
    assert len(list(unusable(load_settings(tmp_path / "node.toml")))) == 2


def test_urls_with_the_path_of_another_service_are_noted(tmp_path: Path) -> None:
    text = '[[sources]]\nname = "s"\nkind = "%s"\nurl = "http://127.0.0.1:1%s"\n'
    (line,) = said(tmp_path, text % ("dicomweb", "/"))
    assert line.startswith("NOTE node.toml:7: sources.s.url (http://127.0.0.1:1/) has no path")
    (line,) = said(tmp_path, text % ("orthanc", "/dicom-web/"))
    assert "is that of DICOMweb" in line
    assert said(tmp_path, text % ("dicomweb", "/d")) == said(tmp_path, text % ("orthanc", "/o")) == []


def test_a_certificate_that_is_out_of_date_is_named_and_stops_no_start(tmp_path: Path) -> None:
    site = Site(tmp_path / "tls")
    ended = site.ended("A")
    tls = f'certificate = "{ended.certificate}"\nkey = "{ended.key}"\nca = "{site.ca}"\n'
    text = (
        f'[listener.tls]\nport = 0\n{tls}[[destinations]]\naet = "B"\nhost = "127.0.0.1"\nport = 1\ntls = true\n{tls}'
    )
    lines = said(tmp_path, text)
    assert [one.partition(": ")[0] for one in lines] == ["node.toml:6", "node.toml:14"]
    assert all("has been out of date since" in one for one in lines)
    assert not list(unusable(load_settings(tmp_path / "node.toml")))
