"""A site's own authority: its certificate, the node's, and one for each partner, as files in a folder (RFC 5280).

ca.pem ca.key            the authority; the key stays here, and is needed again to sign and to renew
node.pem node.key        the node's
partners/NAME.pem .key   a partner's, whose AE title is the CN
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.values import is_host
from domain.errors import ConfigurationError

KeyKind = Literal["ec", "rsa"]
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

AUTHORITY, NODE = "ca", "node"
DAYS = 825  # of the node's and of partners'; what others take at most from an authority of their own
AUTHORITY_DAYS = 3650
_PARTNERS = "partners"
_BACK = timedelta(hours=1)  # clocks of others that are behind
_RSA_BITS = 2048


@dataclass(frozen=True)
class Files:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Issued:
    """A certificate in the folder: `aet` is its CN, `names` hosts and addresses in it, `fingerprint` SHA-256."""

    name: str
    aet: str
    names: tuple[str, ...]
    fingerprint: str
    ends: datetime
    files: Files


class Authority:
    """The authority in `folder`; every method raises ConfigurationError that says what to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def files(self) -> Files:
        """Its own."""
        return self._files(AUTHORITY)

    def init(self, title: str, days: int = AUTHORITY_DAYS, kind: KeyKind = "ec") -> Issued:
        """Make it, called `title`; it is made once."""
        key = _new_key(kind)
        subject = _subject(title)
        certificate = (
            _begun(subject, subject, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return self._keep(AUTHORITY, certificate, key)

    def issue(self, name: str, aet: str, hosts: Sequence[str], days: int = DAYS, kind: KeyKind = "ec") -> Issued:
        """Make key and certificate of `name` (NODE or a partner) with `aet` and the names or addresses `hosts`."""
        key = _new_key(kind)
        return self._keep(name, self._signed(_subject(aet), key, _alternative(hosts), days), key)

    def renew(self, name: str, days: int = DAYS) -> Issued:
        """A new certificate for the key and with the names that `name` has; the file is replaced in one step."""
        files = self._files(name)
        before, key = _read_certificate(files.certificate), _read_key(files.key)
        if name == AUTHORITY:
            raise ConfigurationError("the authority is not renewed: make a new one in another folder, and new partners")
        try:
            names = before.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = None
        certificate = self._signed(before.subject, key, names, days)
        _write(files.certificate, _pem(certificate), 0o644)
        return self._shown(name)

    def issued(self) -> list[Issued]:
        """All certificates in the folder: the authority's, the node's, the partners'."""
        partners = sorted(one.stem for one in (self.folder / _PARTNERS).glob("*.pem"))
        names = [one for one in (AUTHORITY, NODE) if self._files(one).certificate.exists()]
        return [self._shown(one) for one in (*names, *partners)]

    def _signed(
        self, subject: x509.Name, key: _Key, names: x509.SubjectAlternativeName | None, days: int
    ) -> x509.Certificate:
        own, signing = _read_certificate(self.files.certificate), _read_key(self.files.key)
        made = (
            _begun(subject, own.subject, key.public_key(), days, own.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(enciphers_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
            # Both sides of an association may be the one that calls.
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        )
        if names is not None:
            made = made.add_extension(names, critical=False)
        return made.sign(signing, hashes.SHA256())

    def _files(self, name: str) -> Files:
        folder = self.folder if name in {AUTHORITY, NODE} else self.folder / _PARTNERS
        return Files(folder / f"{name}.pem", folder / f"{name}.key")

    def _keep(self, name: str, certificate: x509.Certificate, key: _Key) -> Issued:
        files = self._files(name)
        for file in (files.key, files.certificate):
            if file.exists():
                said = f"{file} is there already: renew it, or move it away to make another"
                raise ConfigurationError(said)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(files.key, secret, 0o600)
        _write(files.certificate, _pem(certificate), 0o644)
        return self._shown(name)

    def _shown(self, name: str) -> Issued:
        files = self._files(name)
        one = _read_certificate(files.certificate)
        titles = [str(part.value) for part in one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        digest = one.fingerprint(hashes.SHA256()).hex()
        return Issued(name, titles[0] if titles else "", tuple(_hosts(one)), digest, one.not_valid_after_utc, files)


def _new_key(kind: KeyKind) -> _Key:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def _subject(title: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    except ValueError as error:
        raise ConfigurationError(f"{title!r} is no name of a certificate: 1 to 64 characters") from error


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    days: int,
    last: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    ends = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(min(ends, last) if last else ends)
    )


def _usage(*, signs_certificates: bool = False, enciphers_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=enciphers_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(hosts: Iterable[str]) -> x509.SubjectAlternativeName | None:
    names = [_general(host) for host in dict.fromkeys(hosts)]
    return x509.SubjectAlternativeName(names) if names else None


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    if not host.isascii() or not is_host(host):
        raise ConfigurationError(f"{host!r} is neither a host's name nor an IP address")
    return x509.DNSName(host)


def _hosts(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(one.value) for one in names]


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _read_certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}{_first(file)}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file} is no certificate (PEM)") from error


def _read_key(file: Path) -> _Key:
    try:
        return cast(_Key, serialization.load_pem_private_key(file.read_bytes(), None))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}{_first(file)}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"{file} is no private key (PEM) without a password") from error


def _first(file: Path) -> str:
    return "; begin with dicom-node tls init" if file.stem == AUTHORITY else ""


def _write(file: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, and never for a moment open to others."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.touch(mode=0o600, exist_ok=False)
        with draft.open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        draft.chmod(mode)
        draft.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error
