"""DICOM TLS as the one who calls: whoever answers is who the settings say, and what is wrong says what to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.loading import load_settings
from config.peers import Destination
from config.settings import Caller
from console.cli.app import app
from dicom_node.scu.kinds import echo, probe
from domain.errors import ConfigurationError, Retryable
from tests.support.certificates import Site
from tests.support.counterparts import ROOT
from tests.support.http_peer import playing
from tests.support.listening import RunningListener, listening


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def archive(tmp_path: Path, site: Site) -> Iterator[RunningListener]:
    with listening(tmp_path, tls=site.listener(), callers=(Caller(aet="US"),)) as node:
        yield node


def peer(archive: RunningListener, site: Site, **changes: object) -> Destination:
    ours = site.partner("US")
    secure = {"tls": True, "ca": site.ca, "certificate": ours.certificate, "key": ours.key}
    place = {"aet": "NODE", "host": "127.0.0.1", "port": archive.tls_port}
    return Destination.model_validate({**place, **secure, **changes})


def test_a_peer_that_proves_itself_is_asked_by_tls(archive: RunningListener, site: Site) -> None:
    assert echo(peer(archive, site), "US", 20).status == 0
    assert echo(peer(archive, site, minimum="1.3", server_name="localhost"), "US", 20).status == 0
    assert not probe(peer(archive, site), "US", 20).error


def test_what_is_wrong_with_a_peers_tls_is_said_with_what_to_do(
    archive: RunningListener, site: Site, tmp_path: Path
) -> None:
    other = Site(tmp_path / "elsewhere")
    stranger, none = other.partner("US"), {"certificate": None, "key": None}
    for changes, said in (
        ({"ca": other.ca}, "signed by an authority that is not in ca"),
        ({"ca": None}, "signed by an authority that is not in ca (among the system's; name it as ca)"),
        ({"server_name": "pacs.example"}, "is another host's"),
        ({"port": archive.port}, "it speaks no TLS at this port: tls = false"),
        ({"certificate": stranger.certificate, "key": stranger.key}, "it has to know who signed it"),
        (none, "asks for a certificate of ours"),
        ({"key": stranger.key}, "is not the key of"),
        ({"ca": tmp_path / "none.pem"}, "none.pem cannot be read: No such file"),
        ({"tls": False, "ca": None, **none}, "aborted the association"),
    ):
        with pytest.raises(Retryable) as caught:
            echo(peer(archive, site, **changes), "US", 20)
        assert said in str(caught.value), changes
        assert said in probe(peer(archive, site, **changes), "US", 20).error


def test_a_person_asks_and_sends_by_tls_with_the_options_for_it(archive: RunningListener, site: Site) -> None:
    ours, place = site.partner("US"), f"NODE@127.0.0.1:{archive.tls_port}"
    known = ["--aet", "US", "--ca", str(site.ca), "--cert", str(ours.certificate), "--key", str(ours.key)]
    sample = str(ROOT / "docs/samples/report-as-text.dcm")
    assert "answered in" in CliRunner().invoke(app, ["echo", place, *known]).output
    assert "stored 1 of 1 instance" in CliRunner().invoke(app, ["send", sample, "--to", place, *known]).output
    assert "name it as ca" in CliRunner().invoke(app, ["echo", place, "--tls"]).output
    for words in (["--cert", "x"], ["--tls", "http://localhost/dicom-web"]):
        where = [] if words[-1].startswith("http") else [place]
        assert CliRunner().invoke(app, ["echo", *where, *words]).exit_code == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ca": "ca.pem"}, "ca: is given and tls is false"),
        ({"tls": True, "key": "key.pem"}, "key: is given by itself"),
        ({"user": "node"}, "user: is given and tls is false: whoever listens would learn it"),
        ({"tls": True, "password_file": "secret"}, "password_file: is given and user is not"),
    ],
)
def test_settings_of_a_peer_that_nothing_would_use_or_that_would_give_a_secret_away_are_refused(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {"destinations": [{"aet": "PACS", "host": "10.0.0.1", "port": 2762, **changes}]})
    assert f"destinations.PACS.{said}" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "the peer may speak TLS at this port: tls = true"),
        ({"tls": True}, "if it speaks none at this port, tls = false, or another port"),
    ],
)
def test_a_peer_that_ends_the_connection_without_a_word_is_told_with_what_that_may_mean(
    changes: dict[str, object], said: str
) -> None:
    with playing(lambda connection: connection.recv(1)) as silent:
        host, port = silent.endpoint
        with pytest.raises(Retryable) as caught:
            echo(Destination.model_validate({"aet": "A", "host": host, "port": port, **changes}), "US", 20)
    assert said in str(caught.value)
