"""User Identity Negotiation: who has to say who speaks says so by a passcode or a token, by TLS alone."""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from typer.testing import CliRunner

from config.peers import Destination
from config.settings import Caller
from config.tls import UserIdentity
from console.cli.app import app
from dicom_node.listener.associate import decode_request
from dicom_node.listener.users import keep_passcode
from dicom_node.pdu import ProtocolError
from dicom_node.scu.kinds import echo
from dicom_node.spool import Kind
from dicom_node.tls.tokens import WrongToken, subject
from domain.errors import Retryable
from tests.support.certificates import Site
from tests.support.listening import ACCEPT, REJECT, RawPeer, RunningListener, item, listening, request

NOW = 1_800_000_000.0
CLAIMS = {"sub": "robot", "iss": "https://id.example", "aud": "dicom-node", "exp": NOW + 300}


def encoded(part: object) -> bytes:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(
    sign: Callable[[bytes], bytes], claims: dict[str, object] | None = None, header: dict[str, object] | None = None
) -> bytes:
    body = encoded(header or {"alg": "ES256"}) + b"." + encoded(CLAIMS if claims is None else claims)
    return body + b"." + encoded(sign(body))


class Issuer:
    """Who signs tokens, and the settings that know it."""

    def __init__(self, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / "issuer.pem"
        self.write(self.key.public_key())
        self.settings = UserIdentity(token_key=self.file, token_issuer=str(CLAIMS["iss"]), token_audience="dicom-node")

    def write(self, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey) -> None:
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.file.write_bytes(pem)

    def sign(self, data: bytes) -> bytes:
        numbers = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return b"".join(number.to_bytes(32, "big") for number in numbers)


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def test_a_token_that_the_known_key_has_signed_names_its_user(issuer: Issuer) -> None:
    assert subject(token(issuer.sign), issuer.settings, NOW) == "robot"
    assert subject(token(issuer.sign, {**CLAIMS, "aud": ["x", "dicom-node"]}), issuer.settings, NOW) == "robot"
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    issuer.write(other.public_key())
    signed = token(lambda data: other.sign(data, padding.PKCS1v15(), hashes.SHA256()), header={"alg": "RS256"})
    assert subject(signed, issuer.settings, NOW) == "robot"
    third = ed25519.Ed25519PrivateKey.generate()
    issuer.write(third.public_key())
    assert subject(token(third.sign, header={"alg": "EdDSA"}), issuer.settings, NOW) == "robot"


@pytest.mark.parametrize(
    ("claims", "header", "said"),
    [
        ({"exp": NOW - 61}, None, "expired"),
        ({"exp": None}, None, "until when"),
        ({"exp": True}, None, "until when"),
        ({"nbf": NOW + 61}, None, "does not hold yet"),
        ({"aud": "another"}, None, "meant for another"),
        ({"aud": None}, None, "meant for another"),
        ({"iss": "https://else.example"}, None, "another issuer"),
        ({"sub": ""}, None, "names nobody"),
        ({"sub": 7}, None, "names nobody"),
        ({}, {"alg": "none"}, "another algorithm than ES256"),
        ({}, {"alg": "HS256"}, "another algorithm than ES256"),
        ({}, {"alg": "ES256", "crit": ["b64"]}, "another algorithm"),
    ],
)
def test_a_token_that_proves_nobody_is_told_why(
    issuer: Issuer, claims: dict[str, object], header: dict[str, object] | None, said: str
) -> None:
    with pytest.raises(WrongToken, match=said):
        subject(token(issuer.sign, {**CLAIMS, **claims}, header), issuer.settings, NOW)


def test_what_is_no_token_or_was_changed_proves_nobody(issuer: Issuer) -> None:
    good = token(issuer.sign)
    head, _, signature = good.split(b".")
    changed = b".".join((head, encoded({**CLAIMS, "sub": "admin"}), signature))
    unsigned = b".".join((head, good.split(b".")[1], b""))
    for given in (changed, unsigned, b"", b"a.b", b"..", b"\xff.\xff.\xff", good + b".x", b"x" * 20_000, encoded([])):
        with pytest.raises(WrongToken):
            subject(given, issuer.settings, NOW)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def node(tmp_path: Path, site: Site, issuer: Issuer) -> Iterator[RunningListener]:
    keep_passcode(tmp_path / "passcodes", "robot", "open sesame")
    keep_passcode(tmp_path / "passcodes", "guest", "guest")
    identity = issuer.settings.model_copy(update={"passcodes": tmp_path / "passcodes"})
    callers = (
        Caller(aet="US", users=("robot", "other")),
        Caller(aet="CT1"),
        Caller(aet="MR", address="127.0.0.1", users=("robot",)),
    )
    with listening(
        tmp_path / "spool", tls=site.listener(), user_identity=identity, callers=callers, trust_loopback=False
    ) as running:
        yield running


def identity(kind: int, primary: bytes, secondary: bytes = b"", wants_answer: int = 1) -> bytes:
    fields = struct.pack(">BBH", kind, wants_answer, len(primary)) + primary
    return item(0x58, fields + struct.pack(">H", len(secondary)) + secondary)


def test_a_caller_that_has_users_is_one_of_them_or_is_rejected_and_recorded(
    node: RunningListener, site: Site, issuer: Issuer
) -> None:
    def said(calling: str, extra: bytes) -> tuple[int, bytes]:
        with RawPeer(node.tls_port, tls=site.client(site.partner(calling))) as peer:
            peer.send(request(calling=calling, extra=extra))
            return peer.receive()

    answer = item(0x59, bytes(2))
    kind, body = said("US", identity(2, b"robot", b"open sesame"))
    assert kind == ACCEPT and answer in body
    kind, body = said("US", identity(2, b"robot", b"open sesame", wants_answer=0))
    assert kind == ACCEPT and answer not in body
    assert said("CT1", identity(2, b"robot", b"wrong"))[0] == ACCEPT  # who is not asked need not be right
    signed = token(issuer.sign, {**CLAIMS, "exp": 9e9})
    assert said("US", identity(5, signed))[0] == ACCEPT
    for wrong in (
        b"",
        identity(1, b"robot"),
        identity(2, b"robot", b"open"),
        identity(2, b"nobody", b"open sesame"),
        identity(2, b"guest", b"guest"),
        identity(5, signed[:-4] + b"AAAA"),
        identity(9, b"robot"),
    ):
        assert said("US", wrong) == (REJECT, bytes((0, 1, 2, 1)))
    found = node.read(Kind.ASSOCIATION_REFUSED, 6)
    assert [one.details["user"] for one in found if one.kind is Kind.ASSOCIATION_OPENED and "user" in one.details] == [
        *("robot", "robot", "robot")
    ]
    told = " ".join(str(one.details.get("reason")) for one in found)
    assert "user or passcode is wrong" in told and "sesame" not in told


def test_a_passcode_is_not_taken_where_anybody_can_read_it(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.send(request(calling="MR", extra=identity(2, b"robot", b"open sesame")))
        assert peer.receive() == (REJECT, bytes((0, 1, 1, 3)))


def test_as_the_one_who_calls_the_node_says_who_it_is(node: RunningListener, site: Site, tmp_path: Path) -> None:
    ours, secret = site.partner("US"), tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("open sesame\n")
    known = {"tls": True, "ca": site.ca, "certificate": ours.certificate, "key": ours.key, "user": "robot"}
    place = {"aet": "NODE", "host": "127.0.0.1", "port": node.tls_port}
    peer = Destination.model_validate({**place, **known, "password_file": secret})
    assert echo(peer, "US", 20).status == 0
    secret.write_text("wrong")
    with pytest.raises(Retryable, match="rejected the association for good: No reason given"):
        echo(peer, "US", 20)
    secret.chmod(0o644)
    with pytest.raises(Retryable, match="may be read or changed by others"):
        echo(peer, "US", 20)


@pytest.mark.parametrize("broken", [b"", b"\2", b"\2\1\0\5rob", b"\2\1\0\1r", b"\2\1\0\1r\0\5x"])
def test_an_identity_that_is_cut_short_breaks_the_protocol(broken: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_request(request(extra=item(0x58, broken))[6:])


def test_what_was_said_of_an_identity_is_shown_nowhere() -> None:
    shown = repr(decode_request(request(extra=identity(2, b"robot", b"open sesame"))[6:]))
    assert "sesame" not in shown and "robot" not in shown


def test_a_passcode_is_kept_as_a_digest_for_its_owner_alone_and_replaced_by_the_next(tmp_path: Path) -> None:
    file = tmp_path / "passcodes"
    words = ["tls", "passcode", "robot", "--file", str(file)]
    for given in ("first", "second"):
        assert CliRunner().invoke(app, words, input=f"{given}\n").exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().splitlines()) == 1
    assert "second" not in file.read_text()
    assert CliRunner().invoke(app, words, input="\n").exit_code == 1
