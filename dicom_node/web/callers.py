"""Who may store by HTTP: pure decisions on an address and what a request says of its sender."""

import ipaddress
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.secret_files import secret_in
from config.web import Web
from dicom_node.tls.peers import PeerCertificate
from dicom_node.web.secrets import Secret

#: What a caller from this machine is called that is none of the settings'.
LOOPBACK = "DICOMWEB"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Denied:
    """Who may not: the status of the answer, and the reason in words for the record."""

    status: int
    reason: str
    aet: str = ""


@dataclass(frozen=True)
class _Caller:
    aet: str
    network: _Network | None
    user: bytes
    password: Secret | None
    token: Secret | None
    certificate: str | None

    @property
    def has_proof(self) -> bool:
        return self.password is not None or self.token is not None or self.certificate is not None

    def proves(self, scheme: str, credentials: str) -> bool:
        """Whether the credentials of an Authorization field are this caller's."""
        if scheme == "bearer" and self.token is not None:
            return self.token.is_(credentials.encode("latin-1", "replace"))
        if scheme == "basic" and self.password is not None:
            try:
                user, _, password = b64decode(credentials, validate=True).partition(b":")
            except ValueError:
                return False
            return user == self.user and self.password.is_(password)
        return False


class Callers:
    """The settings, digested once. Raises ConfigurationError where a file with a secret cannot be used."""

    def __init__(self, settings: Web) -> None:
        self._trust_loopback = settings.trust_loopback
        self._callers = tuple(
            _Caller(
                one.aet,
                ipaddress.ip_network(one.address, strict=False) if one.address else None,
                one.user.encode(),
                Secret(secret_in(one.password_file, "web.callers.password_file"), "web.callers.password_file")
                if one.password_file
                else None,
                Secret(secret_in(one.token_file, "web.callers.token_file"), "web.callers.token_file")
                if one.token_file
                else None,
                one.certificate,
            )
            for one in settings.callers
        )

    @property
    def have_proofs(self) -> bool:
        """Whether a request may prove itself, so that one that does not is told how."""
        return any(one.has_proof for one in self._callers)

    def judge(
        self, address: str, fields: Mapping[str, str], certificate: PeerCertificate | None = None
    ) -> str | Denied:
        """What whoever calls from `address` with these fields of a request is called, or why it may not.

        `certificate` is what it showed, where it showed one. A password or a token goes before it.
        """
        ip = ipaddress.ip_address(address)
        scheme, _, credentials = fields.get("authorization", "").partition(" ")
        if scheme:
            known = [one for one in self._callers if one.proves(scheme.lower(), credentials.strip())]
            return _from(ip, known) or Denied(401, "its password or token is not known")
        if certificate is not None:
            known = [one for one in self._callers if one.certificate and certificate.is_of(one.certificate)]
            if proven := _from(ip, known):
                return proven
        named = next((one.aet for one in self._callers if not one.has_proof and _is_in(ip, one.network)), None)
        if named is None and self._trust_loopback and ip.is_loopback:
            named = LOOPBACK
        if named is None:
            return Denied(*(401, "it does not prove itself") if self.have_proofs else (403, "its address is not known"))
        if "origin" in fields:
            # A page in a browser at this address is not whom the settings mean (Fetch standard, 3.2).
            return Denied(403, "a page in a browser sends it, and its sender proves itself by its address alone", named)
        return named


def _from(ip: _Address, known: Sequence[_Caller]) -> str | Denied | None:
    """Who of those that a proof is of calls from `ip`; None where it is nobody's."""
    for one in known:
        if one.network is None or _is_in(ip, one.network):
            return one.aet
    return Denied(403, "it calls from another address than the settings give it", known[0].aet) if known else None


def _is_in(ip: _Address, network: _Network | None) -> bool:
    return network is not None and ip in network
