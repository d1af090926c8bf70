"""Who may store by HTTP is decided by address and secret, and nothing is let in that the settings do not name."""

from base64 import b64encode
from pathlib import Path

import pytest

from config.web import Web, WebCaller
from dicom_node.scrypt import Digest
from dicom_node.tls.peers import PeerCertificate
from dicom_node.web.callers import LOOPBACK, Callers, Denied
from dicom_node.web.secrets import Secret
from domain.errors import ConfigurationError


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"bearer {token}"}


@pytest.fixture
def callers(tmp_path: Path) -> Callers:
    for name, held in (("password", str(Digest.of("pass:wörd".encode()))), ("token", "a-token"), ("near", "near")):
        (tmp_path / name).write_text(f"{held}\n")
        (tmp_path / name).chmod(0o600)
    named = (
        WebCaller(aet="CT1", address="10.1.0.0/16"),
        WebCaller(aet="GATE", user="gate", password_file=tmp_path / "password"),
        WebCaller(aet="CLOUD", token_file=tmp_path / "token"),
        WebCaller(aet="SHOWN", certificate="gate.example"),
        WebCaller(aet="NEAR", address="10.2.0.1", token_file=tmp_path / "near"),
    )
    return Callers(Web(callers=named))


def said(callers: Callers, address: str, fields: dict[str, str] | None = None) -> str | int:
    judged = callers.judge(address, fields or {})
    return judged.status if isinstance(judged, Denied) else judged


def test_an_address_a_password_or_a_token_names_who_calls(callers: Callers) -> None:
    assert said(callers, "10.1.7.7") == "CT1"
    for _ in range(2):  # the second time it is known
        assert said(callers, "192.0.2.1", basic("gate", "pass:wörd")) == "GATE"
    assert said(callers, "192.0.2.1", bearer("a-token")) == "CLOUD"
    assert said(callers, "10.2.0.1", bearer("near")) == "NEAR"
    assert said(callers, "127.0.0.1") == said(callers, "::1") == LOOPBACK


@pytest.mark.parametrize(
    ("address", "fields", "status"),
    [
        ("192.0.2.1", {}, 401),
        ("10.2.0.1", {}, 401),
        ("192.0.2.1", basic("gate", "other"), 401),
        ("192.0.2.1", basic("other", "pass:wörd"), 401),
        ("192.0.2.1", {"authorization": "Basic !!"}, 401),
        ("192.0.2.1", {"authorization": "Digest x"}, 401),
        ("192.0.2.1", bearer("gate"), 401),
        ("192.0.2.1", bearer(""), 401),
        ("192.0.2.1", bearer("near"), 403),
        ("10.1.7.7", bearer("other"), 401),
        ("127.0.0.1", bearer("other"), 401),
        ("10.1.7.7", {"origin": "null"}, 403),
    ],
)
def test_nobody_else_may(callers: Callers, address: str, fields: dict[str, str], status: int) -> None:
    assert said(callers, address, fields) == status


def test_a_certificate_names_who_showed_it_and_another_is_nobodys(callers: Callers) -> None:
    for names, judged in ((("CN=x", "DNS=Gate.example"), "SHOWN"), (("CN=other",), 401)):
        shown = PeerCertificate(names, "0" * 64, 0.0)
        found = callers.judge("192.0.2.1", {}, shown)
        assert (found.status if isinstance(found, Denied) else found) == judged


def test_without_callers_this_machine_alone_may_and_not_even_that_where_it_is_not_trusted() -> None:
    assert said(Callers(Web()), "192.0.2.1") == 403
    assert said(Callers(Web(trust_loopback=False)), "127.0.0.1") == 403


def test_a_secret_that_others_may_read_or_that_is_damaged_is_a_wrong_setting(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token")
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="token_file"):
        Callers(Web(callers=(WebCaller(aet="A", token_file=file),)))
    with pytest.raises(ConfigurationError, match="damaged"):
        Secret("scrypt$x", "web.callers.token_file")


def test_a_digest_is_another_each_time_and_shows_nothing() -> None:
    one, two = str(Digest.of(b"word")), str(Digest.of(b"word"))
    assert one != two
    assert "word" not in one
    assert Secret(two, "").is_(b"word")
    assert not Secret(two, "").is_(two.encode())
