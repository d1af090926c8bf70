"""DICOM TLS with implementations that we did not write: DCMTK, OpenSSL, pynetdicom and Orthanc, both ways."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification

from config.peers import Destination
from config.settings import Caller
from dicom_node.scu.kinds import echo, probe, send
from dicom_node.scu.store import Verdict, outgoing
from dicom_node.spool import Kind
from domain.errors import Retryable
from tests.support.certificates import Site
from tests.support.counterparts import data
from tests.support.listening import RunningListener, listening, program
from tests.support.servers import Orthanc, StorageScp

PEERS = ("CT1", "ORTHANC")


@pytest.fixture(scope="module", params=["ec", "rsa"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"), request.param)


@pytest.fixture
def node(tmp_path: Path, site: Site) -> Iterator[RunningListener]:
    callers = tuple(Caller(aet=one) for one in PEERS)
    with listening(tmp_path / "spool", tls=site.listener(), callers=callers) as running:
        yield running


@pytest.fixture(scope="module")
def slices() -> list[Path]:
    return sorted(data("ct_chest_lidc0001").glob("*.dcm"))[:4]


def secure(site: Site, aet: str) -> list[str]:
    """Options of DCMTK."""
    files = site.partner(aet)
    return ["+tls", str(files.key), str(files.certificate), "+cf", str(site.ca)]


def destination(site: Site, aet: str, port: int) -> Destination:
    ours = site.partner("US")
    known = {"tls": True, "ca": site.ca, "certificate": ours.certificate, "key": ours.key}
    return Destination.model_validate({"aet": aet, "host": "127.0.0.1", "port": port, **known})


def run(*words: object, code: int = 0, said: str = "") -> str:
    done = subprocess.run([*map(str, words)], input=said, capture_output=True, text=True, timeout=120, check=False)
    assert code < 0 or done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_dcmtk_sends_and_asks_by_tls(node: RunningListener, site: Site, slices: list[Path]) -> None:
    where = ["-aet", "CT1", "-aec", "NODE", "127.0.0.1", node.tls_port]
    run(program("echoscu"), *secure(site, "CT1"), *where)
    run(program("storescu"), *secure(site, "CT1"), *where, *slices)
    found = node.read(Kind.ASSOCIATION_CLOSED, 2)
    assert sum(one.kind is Kind.INSTANCE for one in found) == len(slices)
    assert "Association Rejected" in run(program("echoscu"), *secure(site, "US"), *where, code=-1)


def test_dcmtk_receives_by_tls_and_who_does_not_speak_it_is_told(
    site: Site, slices: list[Path], tmp_path: Path
) -> None:
    with SecureStorageScp(tmp_path, site) as archive:
        peer = destination(site, archive.aet, archive.port)
        assert echo(peer, "US").status == 0
        outcomes = list(send([outgoing(one) for one in slices], peer, "US"))
        assert {one.verdict for one in outcomes} == {Verdict.STORED}
        assert len(archive.files()) == len(slices)
        assert not probe(peer, "US").error
        with pytest.raises(Retryable, match=r"speaks TLS at this port|the connection broke"):
            echo(Destination.model_validate(archive.destination), "US")


class SecureStorageScp(StorageScp):
    """DCMTK's storescp with TLS, which asks for a certificate."""

    def __init__(self, folder: Path, site: Site) -> None:
        super().__init__(folder)
        self._site = site

    def command(self) -> list[str]:
        name, *options = super().command()
        return [name, *secure(self._site, "STORESCP"), *options]


def test_pynetdicom_sends_by_tls(node: RunningListener, site: Site) -> None:
    ae = AE("CT1")
    ae.add_requested_context(Verification)
    ae.add_requested_context(CTImageStorage)
    association = ae.associate(
        "127.0.0.1", node.tls_port, ae_title="NODE", tls_args=(site.client(site.partner("CT1")), "localhost")
    )
    assert association.is_established
    assert association.send_c_echo().Status == 0
    association.release()


def s_client(node: RunningListener, site: Site, *options: str, said: str = "") -> str:
    files = site.partner("CT1")
    known = ["-cert", files.certificate, "-key", files.key, "-CAfile", site.ca]
    return run("openssl", "s_client", "-connect", f"127.0.0.1:{node.tls_port}", *known, *options, code=-1, said=said)


def test_openssl_renegotiates_nothing_and_gets_no_ticket(node: RunningListener, site: Site) -> None:
    said = s_client(node, site, "-tls1_2", said="R\n")
    assert "no renegotiation" in said or "NO_RENEGOTIATION" in said.upper()
    assert "Compression: NONE" in said and "TLS session ticket:" not in said
    newest = s_client(node, site, "-tls1_3", said="Q\n")
    assert "Verify return code: 0 (ok)" in newest and "New, TLSv1.3" in newest
    assert "session ticket" not in newest.lower()


class SecureOrthanc(Orthanc):
    """Orthanc whose DICOM is by TLS both ways, with certificates of the site."""

    def __init__(self, folder: Path, site: Site) -> None:
        super().__init__(folder)
        self._site = site

    def _configuration(self) -> dict[str, object]:
        files = self._site.partner(self.aet)
        return {
            **super()._configuration(),
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(files.certificate),
            "DicomTlsPrivateKey": str(files.key),
            "DicomTlsTrustedCertificates": str(self._site.ca),
            "DicomTlsRemoteCertificateRequired": True,
        }

    def send_all(self, aet: str, port: int) -> None:
        """Send every study by TLS to a peer on loopback."""
        peer = {"AET": aet, "Host": "127.0.0.1", "Port": port, "UseDicomTls": True}
        self._ask("/modalities/node", json.dumps(peer).encode(), "PUT")
        self._ask("/modalities/node/store", json.dumps(self.get("/studies")).encode(), "POST")


def test_orthanc_is_an_archive_and_a_sender_by_tls(
    node: RunningListener, site: Site, slices: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "orthanc").mkdir()
    with SecureOrthanc(tmp_path / "orthanc", site) as archive:
        peer = destination(site, archive.aet, archive.dicom_port)
        outcomes = list(send([outgoing(one) for one in slices], peer, "US"))
        assert {one.verdict for one in outcomes} == {Verdict.STORED}, outcomes
        archive.send_all("NODE", node.tls_port)
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert sum(one.kind is Kind.INSTANCE for one in found) == len(slices)
