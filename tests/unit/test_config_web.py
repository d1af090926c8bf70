"""What is wrong, or doubtful, about the door for HTTP is said before it opens; what may be taken over is handed on."""

from pathlib import Path

import pytest
import typer

from config import reach
from config.contradictions import contradictions
from config.settings import Settings
from config.wording import destination
from console.cli.http_access import with_access
from roles.reload import hand_over, handed_over

GATE = {"aet": "GATE", "address": "10.0.0.1"}


def of_web(**web: object) -> Settings:
    return Settings.model_validate({"web": web})


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"callers": [{"aet": "A"}]}, "it would be everybody"),
        ({"callers": [{**GATE, "user": "u"}]}, "has a user and no password_file"),
        ({"callers": [{"aet": "A", "password_file": "p"}]}, "has a password_file and no user"),
        ({"callers": [{"aet": "A", "user": "a:b", "password_file": "p"}]}, "colon"),
        ({"callers": [{"aet": "A", "certificate": "a"}]}, "web.tls.ca"),
        ({"tls": {"key": "k"}}, "web.tls.certificate is not"),
        ({"tls": {"certificate": "c"}}, "web.tls.key is not given"),
        ({"tls": {"certificate": "c", "key": "k", "require_certificate": True}}, "web.tls.ca is not given"),
        ({"enabled": True, "port": 11112}, "is listener.port"),
    ],
)
def test_a_contradiction_is_said(web: dict[str, object], said: str) -> None:
    assert [one.said for one in contradictions(of_web(**web)) if said in one.said]


def test_a_door_as_it_is_meant_contradicts_nothing_and_is_no_doubt() -> None:
    tls = {"certificate": "c", "key": "k", "ca": "ca"}
    callers = [GATE, {"aet": "B", "user": "b", "password_file": "p"}, {"aet": "C", "certificate": "c"}]
    for settings in (Settings(), of_web(enabled=True, host="0.0.0.0", tls=tls, callers=callers)):
        assert list(contradictions(settings)) == []
        assert not [one.said for one in reach.callers(settings) if "web" in one.said]


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({"host": "0.0.0.0"}, "web.callers is empty"),
        ({"callers": [GATE]}, "can be reached from this machine alone"),
        ({"host": "0.0.0.0", "callers": [{"aet": "A", "token_file": "t"}]}, "who listens there reads the secrets"),
    ],
)
def test_what_is_most_likely_not_meant_is_said_of_a_door_that_is_open(web: dict[str, object], said: str) -> None:
    assert [one.said for one in reach.callers(of_web(enabled=True, **web)) if said in one.said]
    assert not [one.said for one in reach.callers(of_web(**web)) if said in one.said]


def test_callers_are_handed_to_the_role_that_runs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    new = of_web(callers=[{"aet": "GATE", "token_file": tmp_path / "token"}], trust_loopback=False)
    hand_over(tmp_path, new)
    assert handed_over(tmp_path, Settings()).web == new.web


def test_a_url_takes_what_proves_us_and_says_itself_what_it_speaks() -> None:
    peer = with_access(destination("VNA=https://vna.example/dicom-web"), "u", Path("p"), None, Path("ca"))
    assert (peer.name, peer.kind, peer.user, peer.ca) == ("VNA", "dicomweb", "u", Path("ca"))
    assert destination("https://vna.example/dicom-web").name == "vna.example"
    shown = with_access(
        destination("https://vna.example/"), None, None, None, None, certificate=Path("c"), key=Path("k")
    )
    assert (shown.certificate, shown.key, shown.tls) == (Path("c"), Path("k"), False)
    with pytest.raises(typer.BadParameter, match="--tls"):
        with_access(destination("https://vna.example/"), None, None, None, None, tls=True)
    with pytest.raises(ValueError, match="a password"):
        destination("https://user:word@vna.example/")
