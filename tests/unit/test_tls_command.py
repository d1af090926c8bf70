"""`dicom-node tls`: what it makes is what the node and its partners need, and nobody else may read a key."""

import json
import stat
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.loading import load_settings
from console.cli.app import app
from dicom_node.tls.authority import Files
from tests.support.certificates import Site
from tests.support.listening import RawPeer, listening


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["tls", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output


def said(folder: Path, *words: object) -> dict[str, str]:
    found: dict[str, str] = json.loads(run(*words, "--folder", folder, "--json"))
    return found


def settings_in(text: str) -> str:
    """The lines of TOML in what was said."""
    return "\n".join(line for line in text.splitlines() if line.startswith("[") or " = " in line)


@pytest.mark.parametrize("kind", [(), ("--rsa",)])
def test_what_it_says_of_settings_lets_in_whom_it_made_a_certificate_for(tmp_path: Path, kind: tuple[str, ...]) -> None:
    folder = tmp_path / "site"
    run("init", "--folder", folder, *kind)
    ours = run("node", "--folder", folder, "--aet", "NODE", "--host", "127.0.0.1", *kind)
    theirs = run("partner", "CT 1", "--folder", folder, "--host", "10.0.0.9", *kind)
    text = f"{settings_in(ours)}\nport = 0\n{settings_in(theirs)}"
    (tmp_path / "node.toml").write_text(text)
    settings = load_settings(tmp_path / "node.toml")
    assert tomllib.loads(text)["destinations"][0]["tls"] is True
    assert "storescu +tls CT_1.key CT_1.pem +cf ca.pem -aet 'CT 1' -aec NODE 127.0.0.1 2762" in theirs
    with listening(tmp_path / "spool", tls=settings.listener.tls, callers=settings.listener.callers) as node:
        context = Site(folder).client(_files(folder))
        with RawPeer(node.tls_port, tls=context) as peer:
            peer.associate(calling="CT 1").release()


def _files(folder: Path) -> Files:
    return Files(folder / "partners/CT_1.pem", folder / "partners/CT_1.key")


def test_keys_are_their_owners_alone_and_nothing_is_made_twice(tmp_path: Path) -> None:
    made = said(tmp_path, "init")
    assert stat.S_IMODE(Path(made["key"]).stat().st_mode) == 0o600
    assert "is there already: renew it, or move it away" in run("init", "--folder", tmp_path, code=1)
    assert "has no certificate of the node" in run("partner", "CT1", "--folder", tmp_path, code=1)
    assert "begin with dicom-node tls init" in run("node", "--folder", tmp_path / "none", code=1)
    assert "is neither a host's name nor an IP address" in run("node", "--folder", tmp_path, "--host", "a b", code=1)


def test_a_renewed_certificate_has_the_key_and_names_of_the_one_before(tmp_path: Path) -> None:
    said(tmp_path, "init")
    before = said(tmp_path, "node", "--host", "node.example", "--days", "10")
    key = Path(before["key"]).read_bytes()
    after = said(tmp_path, "renew", "node", "--days", "20")
    assert after["ends"] > before["ends"]
    assert (after["aet"], after["hosts"]) == (before["aet"], before["hosts"])
    assert after["sha256"] != before["sha256"]
    assert Path(after["key"]).read_bytes() == key
    listed = json.loads(run("show", "--folder", tmp_path, "--json"))["certificates"]
    assert [one["name"] for one in listed] == ["ca", "node"]
    assert "node.example" in run("show", "--folder", tmp_path)
    assert "the authority is not renewed" in run("renew", "ca", "--folder", tmp_path, code=1)
