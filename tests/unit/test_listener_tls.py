"""DICOM TLS at the listener: who is let in by which certificate, and that whoever is refused is recorded and costs
nobody else anything."""

import os
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.settings import Caller
from config.settings import Listener as Settings
from dicom_node.listener import server
from dicom_node.listener.events import NoEvents
from dicom_node.listener.stream import PduStream
from dicom_node.spool import Kind
from dicom_node.tls.connection import TlsConnection
from dicom_node.tls.contexts import CIPHERS, acceptor_context
from dicom_node.tls.faults import CODES
from tests.support.certificates import Site
from tests.support.listening import ABORT, REJECT, RawPeer, RunningListener, listening, request
from tests.support.processes import wait_for

_TLS_13 = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"}


@dataclass
class Refused(NoEvents):
    """What was counted as refused."""

    reasons: list[str] = field(default_factory=list)

    def refused(self, reason: str) -> None:
        self.reasons.append(reason)


@dataclass
class Secured:
    """A listener with both doors, its site, and what it counted."""

    node: RunningListener
    site: Site
    events: Refused

    def peer(self, aet: str | None, **wishes: object) -> RawPeer:
        context = self.site.client(self.site.partner(aet) if aet else None)
        return RawPeer(self.node.tls_port, tls=context)

    def still_serves(self) -> bool:
        with self.peer("CT1") as peer:
            status = peer.associate(calling="CT1").echo()
            peer.release()
            return status == 0

    def recorded(self, reason: str) -> str:
        """The words of the refusal that was counted as `reason` last."""
        wait_for(lambda: reason in self.events.reasons, 20, f"{reason}, not {self.events.reasons}")
        found = self.node.read(Kind.ASSOCIATION_REFUSED)[-1]
        assert found.address == "127.0.0.1"
        return str(found.details["reason"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def secured(tmp_path: Path, site: Site) -> Iterator[Secured]:
    events = Refused()
    callers = (
        Caller(aet="CT1"),
        Caller(aet="MR1", certificate="CT1"),
        Caller(aet="US1", address="10.0.0.1"),
        Caller(aet="XA1", address="127.0.0.1"),
    )
    with listening(tmp_path, events=events, tls=site.listener(), callers=callers) as node:
        yield Secured(node, site, events)


def test_both_doors_serve_at_once_and_an_association_by_tls_says_how_it_was_secured(secured: Secured) -> None:
    with RawPeer(secured.node.port) as plain, secured.peer("CT1") as peer:
        assert plain.associate(calling="ANY").store("1.1", b"plain") == 0
        large = os.urandom(3 << 20) + b"end"
        assert peer.associate(calling="CT1").store("1.2", large) == 0
        peer.release()
        plain.release()
    found = secured.node.read(Kind.ASSOCIATION_CLOSED, 2)
    stored = {one.sop_instance: one.data() for one in found if one.kind is Kind.INSTANCE}
    assert stored == {"1.1": b"plain", "1.2": large}
    said = {one.calling: one.details.get("tls") for one in found if one.kind is Kind.ASSOCIATION_OPENED}
    assert said["ANY"] is None
    shown = next(one.fingerprint for one in secured.site.authority.issued() if one.aet == "CT1")
    assert said["CT1"] == {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "certificate": shown}


@pytest.mark.parametrize(
    ("shown", "calling", "let_in"),
    [
        ("CT1", "CT1", True),
        ("CT1", "MR1", True),  # bound to that certificate
        ("MR1", "MR1", False),  # bound to another
        ("CT1", "CT2", False),
        ("OTHER", "CT1", False),
        ("US1", "US1", False),  # calls from elsewhere
        ("XA1", "XA1", True),
    ],
)
def test_a_caller_by_tls_is_who_its_certificate_says(secured: Secured, shown: str, calling: str, let_in: bool) -> None:
    with secured.peer(shown) as peer:
        peer.send(request(calling=calling))
        kind, body = peer.receive()
    assert (kind != REJECT) == let_in
    if not let_in:
        assert body[1:] == bytes((1, 1, 3))
        assert f"with the certificate of {shown} (sha256:" in secured.recorded("rejected-1-1-3")


def test_who_is_bound_to_a_certificate_or_has_no_address_is_not_let_in_without_tls(tmp_path: Path, site: Site) -> None:
    callers = (Caller(aet="CT1"), Caller(aet="MR1", address="127.0.0.1", certificate="MR1"))
    with listening(tmp_path, tls=site.listener(), callers=callers, trust_loopback=False) as node:
        for calling in ("CT1", "MR1"):
            with RawPeer(node.port) as peer:
                peer.send(request(calling=calling))
                assert peer.receive() == (REJECT, bytes((0, 1, 1, 3)))


def _fingerprint(site: Site, aet: str) -> str:
    site.partner(aet)
    return next(one.fingerprint for one in site.authority.issued() if one.aet == aet)


def test_a_caller_may_be_bound_to_a_fingerprint(tmp_path: Path, site: Site) -> None:
    digest = _fingerprint(site, "CT1").upper()
    printed = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    with listening(tmp_path, tls=site.listener(), callers=(Caller(aet="ANY", certificate=printed),)) as node:
        with RawPeer(node.tls_port, tls=site.client(site.partner("CT1"))) as peer:
            peer.associate(calling="ANY").release()
        with RawPeer(node.tls_port, tls=site.client(site.partner("OTHER"))) as peer:
            peer.send(request(calling="ANY"))
            assert peer.receive()[0] == REJECT


def _handshake(secured: Secured, context: ssl.SSLContext) -> None:
    """Shake hands and ask for an association; a client of TLS 1.3 hears only then that its certificate is not taken."""
    with RawPeer(secured.node.tls_port, tls=context) as peer:
        peer.send(request(calling="CT1"))
        assert peer.socket.recv(1) == b""


def test_a_certificate_of_another_authority_is_refused(secured: Secured, tmp_path: Path) -> None:
    stranger = Site(tmp_path / "elsewhere").partner("CT1")
    with pytest.raises(ssl.SSLError, match="unknown ca"):
        _handshake(secured, secured.site.client(stranger))
    assert "signed by an authority that is not in ca" in secured.recorded("tls-authority")
    assert secured.still_serves()


def test_a_certificate_that_has_expired_is_refused(secured: Secured) -> None:
    with pytest.raises(ssl.SSLError, match="certificate expired"):
        _handshake(secured, secured.site.client(secured.site.ended(f"ENDED{os.urandom(2).hex()}")))
    assert "has expired" in secured.recorded("tls-expired")
    assert secured.still_serves()


def test_who_shows_no_certificate_is_refused_unless_none_is_asked_for(secured: Secured, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError, match="certificate required"):
        _handshake(secured, secured.site.client(None))
    assert "showed no certificate" in secured.recorded("tls-no-certificate")
    tls = secured.site.listener(require_certificate=False)
    callers = (Caller(aet="CT1", address="127.0.0.1"), Caller(aet="MR1", address="127.0.0.1", certificate="MR1"))
    with listening(tmp_path / "lenient", tls=tls, callers=callers) as node:
        with RawPeer(node.tls_port, tls=secured.site.client(None)) as peer:
            peer.associate(calling="CT1").release()
        with RawPeer(node.tls_port, tls=secured.site.client(None)) as peer:
            peer.send(request(calling="MR1"))
            assert peer.receive()[0] == REJECT


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_a_version_before_1_2_is_refused(secured: Secured, version: ssl.TLSVersion) -> None:
    context = secured.site.client(secured.site.partner("CT1"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match="protocol version"):
        RawPeer(secured.node.tls_port, tls=context)
    assert "version of TLS that is too old" in secured.recorded("tls-version")
    assert secured.still_serves()


def test_1_3_alone_may_be_asked_for(tmp_path: Path, site: Site) -> None:
    with listening(tmp_path, tls=site.listener(minimum="1.3"), callers=(Caller(aet="CT1"),)) as node:
        context = site.client(site.partner("CT1"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError, match="protocol version"):
            RawPeer(node.tls_port, tls=context)


@pytest.mark.parametrize("said", [request(), b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", bytes(100)])
def test_what_is_not_tls_is_refused_with_a_word_of_dicom(secured: Secured, said: bytes) -> None:
    with RawPeer(secured.node.tls_port) as peer:
        peer.send(said)
        assert peer.receive() == (ABORT, bytes(4))
        assert peer.receive() == (0, b"")
    assert "not TLS: this port speaks TLS alone" in secured.recorded("tls-plain")
    assert secured.still_serves()


def test_tls_at_the_port_without_it_is_refused_and_said_to_be_tls(secured: Secured) -> None:
    with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        RawPeer(secured.node.port, tls=secured.site.client(None))
    assert "this is TLS, which the port for TLS alone speaks" in secured.recorded("tls-at-plain-port")


def test_a_handshake_that_stalls_ends_in_time_and_holds_up_nobody(tmp_path: Path, site: Site) -> None:
    events = Refused()
    with listening(tmp_path, events=events, tls=site.listener(), callers=(Caller(aet="CT1"),), artim=1.0) as node:
        secured = Secured(node, site, events)
        hello = b"\x16\x03\x01\x02\x00"
        with RawPeer(node.tls_port) as silent, RawPeer(node.tls_port) as slow:
            slow.send(hello)
            assert secured.still_serves()
            assert silent.receive() == slow.receive() == (0, b"")
        assert events.reasons == ["tls-stalled", "tls-stalled"]


def test_a_connection_that_ends_without_a_byte_is_nobodys_refusal(secured: Secured) -> None:
    RawPeer(secured.node.tls_port).socket.close()
    with RawPeer(secured.node.tls_port) as peer:
        peer.send(b"\x16\x03\x01")
        peer.socket.shutdown(socket.SHUT_WR)
        assert "ended within the handshake" in secured.recorded("tls-ended")
    assert secured.events.reasons == ["tls-ended"]


def test_a_client_that_asks_to_renegotiate_gets_no_second_handshake(secured: Secured) -> None:
    context = secured.site.client(secured.site.partner("CT1"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with RawPeer(secured.node.tls_port, tls=context) as peer:
        assert peer.associate(calling="CT1").store("1.1", b"data") == 0
        assert isinstance(peer.socket, ssl.SSLSocket)
        assert peer.socket.version() == "TLSv1.2"
        assert peer.socket.compression() is None
        session = peer.socket.session
        assert session is None or not session.has_ticket
        peer.release()


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_every_version_and_cipher_suite_of_this_machine_is_tried_and_those_of_the_profile_alone_are_spoken(
    tmp_path: Path, kind: str
) -> None:
    site = Site(tmp_path / "site", kind)  # type: ignore[arg-type]
    spoken = set()
    with listening(tmp_path / "spool", tls=site.listener(), callers=(Caller(aet="CT1"),)) as node:
        for name, is_newest in _every_cipher():
            context = site.client(site.partner("CT1"))
            if is_newest:
                context.minimum_version = ssl.TLSVersion.TLSv1_3
            else:
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                context.set_ciphers(f"{name}:@SECLEVEL=0")
            try:
                with RawPeer(node.tls_port, tls=context) as peer:
                    assert isinstance(peer.socket, ssl.SSLSocket)
                    agreed = peer.socket.cipher()
                    assert agreed is not None
                    spoken.add(agreed[0])
            except ssl.SSLError:
                continue
    of_key = "ECDSA" if kind == "ec" else "RSA"
    assert {name for name in spoken if name not in _TLS_13} == {one for one in CIPHERS if f"-{of_key}-" in one}
    assert spoken & _TLS_13


def _every_cipher() -> list[tuple[str, bool]]:
    """The name of each that this machine's library knows, and whether it is one of TLS 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return [(str(one["name"]), one["protocol"] == "TLSv1.3") for one in context.get_ciphers()]


def test_new_certificates_are_taken_without_a_restart_and_wrong_ones_leave_those_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path / "site")
    before = _fingerprint(site, "CT1")
    with listening(tmp_path / "spool", tls=site.listener(), callers=(Caller(aet="CT1"),)) as node:
        secured = Secured(node, site, Refused())

        def shown() -> bytes | None:
            with secured.peer("CT1") as peer:
                assert isinstance(peer.socket, ssl.SSLSocket)
                return peer.socket.getpeercert(binary_form=True)

        first = shown()
        site.authority.renew("node")
        second = shown()
        assert second != first
        whole = site.node.certificate.read_bytes()
        site.node.certificate.write_bytes(whole[:100])
        assert shown() == second
        assert "what was read before stays in force" in caplog.text
        site.node.certificate.write_bytes(whole)
        assert shown() == second
        assert _fingerprint(site, "CT1") == before


def test_the_reasons_are_among_those_that_are_counted_from_the_beginning() -> None:
    assert {"tls-authority", "tls-expired", "tls-no-certificate", "tls-version", "tls-plain", "tls-stalled"} <= {*CODES}


def test_handshakes_that_stall_on_every_connection_keep_out_nobody(tmp_path: Path, site: Site) -> None:
    callers, events = (Caller(aet="CT1"),), Refused()
    with listening(tmp_path, events=events, tls=site.listener(), callers=callers, max_associations=4) as node:
        secured = Secured(node, site, events)
        with ExitStack() as stack:
            stalled = [stack.enter_context(RawPeer(node.tls_port)) for _ in range(2 * (4 + server._SPARE))]
            for one in stalled:
                with suppress(OSError):  # cut for the next
                    one.send(b"\x16\x03\x01\x02\x00")
            assert secured.still_serves()
        assert "busy" in events.reasons


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_garbage_at_the_port_for_tls_ends_nothing_but_its_own_connection(
    secured: Secured, garbage: bytes, as_record: bool
) -> None:
    head = b"\x16\x03\x03" + len(garbage).to_bytes(2, "big") if as_record else b""
    with RawPeer(secured.node.tls_port) as peer:
        peer.send(head + garbage)
        peer.socket.shutdown(socket.SHUT_WR)
        while True:
            try:
                if not peer.socket.recv(4096):
                    break
            except ConnectionError:
                break
    assert secured.node.listener.is_accepting


def test_what_came_with_the_record_before_is_not_waited_for_at_the_socket(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening_at:
        theirs = socket.create_connection(listening_at.getsockname())
        ours = listening_at.accept()[0]
    with ThreadPoolExecutor(1) as threads:
        near = TlsConnection(ours, acceptor_context(site.listener(require_certificate=False)))
        far = TlsConnection(theirs, site.client(site.partner("CT1")), "localhost")
        agreed = threads.submit(near.handshake, 20)
        far.handshake(20)
        agreed.result()
    with near, far:
        assert not near.has_pending
        far.sendall(b"first")
        far.sendall(b"second")
        first = memoryview(bytearray(5))
        assert near.recv_into(first) == 5
        assert bytes(first) == b"first" and near.has_pending
        assert PduStream(near, Settings()).has_come(0)


def test_a_record_that_was_changed_on_its_way_ends_the_association_as_lost(secured: Secured) -> None:
    with secured.peer("CT1") as peer:
        peer.associate(calling="CT1")
        raw = socket.socket(fileno=os.dup(peer.socket.fileno()))
        with raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError, match="bad record mac"):
            peer.receive()
    assert secured.node.read(Kind.ASSOCIATION_CLOSED)[-1].details["how"] == "lost"
    assert secured.still_serves()
