"""What a certificate says of who showed it: its names, its fingerprint and its end."""

import hashlib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from dicom_node.outside import words
from domain.json_records import JsonObject

_Pairs: TypeAlias = tuple[tuple[str, str], ...]

_OF_SUBJECT = "commonName"
_ALTERNATIVE = {"DNS", "URI", "IP Address", "email"}


@dataclass(frozen=True)
class PeerCertificate:
    """A certificate that an authority of ours signed. `names` are the CN and alternative names in it, as they stand.

    `fingerprint` is the SHA-256 digest of it, 64 small letters; `ends` when it expires, in s since 1970.
    """

    names: tuple[str, ...]
    fingerprint: str
    ends: float

    def is_of(self, wanted: str) -> bool:
        """Whether `wanted` is its fingerprint or a name in it; a host's name has no case (RFC 4343), others have."""
        return wanted == self.fingerprint or any(
            wanted == name or (kind == "DNS" and wanted.lower() == name.lower())
            for kind, name in map(_split, self.names)
        )

    def __str__(self) -> str:
        """For a record: the name that stands first in it, and what tells it from others of that name."""
        named = next((words(_split(name)[1])[:64] for name in self.names), "no name")
        return f"{named} (sha256:{self.fingerprint})"


@dataclass(frozen=True)
class Secured:
    """What TLS has proven of a connection: `certificate` is None where the peer need not prove itself, and did not."""

    version: str
    cipher: str
    certificate: PeerCertificate | None

    def as_json(self) -> JsonObject:
        """For the record of an association."""
        shown = self.certificate.fingerprint if self.certificate else None
        return {"version": self.version, "cipher": self.cipher, "certificate": shown}


def peer_certificate(tls: ssl.SSLObject) -> PeerCertificate | None:
    """The certificate that the peer showed and that was verified; None without one."""
    encoded, said = tls.getpeercert(binary_form=True), tls.getpeercert()
    if not encoded or not said:
        return None
    ends = ssl.cert_time_to_seconds(str(said["notAfter"]))
    return PeerCertificate(tuple(_names(said)), hashlib.sha256(encoded).hexdigest(), ends)


def _names(said: Mapping[str, object]) -> Iterator[str]:
    for relative in cast(tuple[_Pairs, ...], said.get("subject", ())):
        yield from (f"CN={value}" for kind, value in relative if kind == _OF_SUBJECT)
    for kind, value in cast(_Pairs, said.get("subjectAltName", ())):
        if kind in _ALTERNATIVE:
            yield f"{kind}={value}"


def _split(name: str) -> tuple[str, str]:
    kind, _, value = name.partition("=")
    return kind, value
