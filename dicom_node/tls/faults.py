"""Why a handshake failed, as a code that is counted and in words that say what to do."""

import ssl
from dataclasses import dataclass

from config.peers import Peer
from dicom_node.tls.connection import NotTls, Resumed

# Of X.509's verification (openssl-verification-options(1)).
_NOT_YET, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21}
_OF_HOST = {62, 63, 64}  # the name, the mail address or the IP address is another


@dataclass(frozen=True)
class TlsFault:
    """`code` is one of CODES; `said` is about the peer, in words."""

    code: str
    said: str


_PLAIN = TlsFault("tls-plain", "what came is not TLS: this port speaks TLS alone")
STALLED = TlsFault("tls-stalled", "the handshake of TLS did not end in time")
_ENDED = TlsFault("tls-ended", "the connection ended within the handshake of TLS")
_VERSION = TlsFault("tls-version", "the peer speaks a version of TLS that is too old: 1.2 is the least")
_CIPHER = TlsFault("tls-cipher", "no cipher suite is known to both sides (docs/conformance.md has ours)")
_NO_CERTIFICATE = TlsFault("tls-no-certificate", "the peer showed no certificate, and each has to")
_DISTRUSTED = TlsFault("tls-distrusted", "the peer does not take our certificate: it has to know who signed it")
_EXPIRED_SINCE = TlsFault("tls-expired", "the peer's certificate has expired since its session began")
_ASKED = TlsFault("tls-distrusted", "the peer asks for a certificate of ours: certificate and key have to be given")
_NOTHING_COMMON = TlsFault("tls-cipher", "the peer found nothing that both sides speak, or asks for a certificate")
_OTHER = "tls-protocol"

_BY_REASON = {
    **dict.fromkeys(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "RECORD_LAYER_FAILURE"), _PLAIN),
    **dict.fromkeys(("UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "TLSV1_ALERT_PROTOCOL_VERSION"), _VERSION),
    **dict.fromkeys(("NO_SHARED_CIPHER", "NO_SUITABLE_SIGNATURE_ALGORITHM", "NO_SUITABLE_KEY_SHARE"), _CIPHER),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": _NO_CERTIFICATE,
    "UNEXPECTED_EOF_WHILE_READING": _ENDED,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _ASKED,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NOTHING_COMMON,
    **dict.fromkeys(
        (
            *("TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
            *("SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "TLSV1_ALERT_ACCESS_DENIED"),
            *("SSLV3_ALERT_CERTIFICATE_REVOKED", "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE"),
        ),
        _DISTRUSTED,
    ),
}
CODES = tuple(
    dict.fromkeys(
        (
            *(one.code for one in (*_BY_REASON.values(), STALLED)),
            *("tls-authority", "tls-expired", "tls-certificate", _OTHER),
        )
    )
)


def handshake_fault(error: OSError) -> TlsFault:
    """What `error` of a handshake says of the peer."""
    if isinstance(error, TimeoutError | BlockingIOError):
        return STALLED
    if isinstance(error, NotTls | Resumed):
        return _PLAIN if isinstance(error, NotTls) else _EXPIRED_SINCE
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or not isinstance(error, ssl.SSLError):
        return _ENDED
    return _BY_REASON.get(error.reason, TlsFault(_OTHER, f"the handshake of TLS failed: {error.reason}"))


def said_of(fault: TlsFault, peer: Peer) -> str:
    """What is wrong with `peer`, as whoever calls it has to hear it."""
    otherwise = "http:// in its url" if peer.url else "tls = false"
    if fault.code == _PLAIN.code:
        return f"it speaks no TLS at this port: {otherwise}, or another port"
    if fault.code == _ENDED.code:
        return f"{fault.said}: if it speaks none at this port, {otherwise}, or another port"
    if fault.code == "tls-authority":
        known = f"{peer.ca}" if peer.ca else "among the system's; name it as ca"
        return f"the peer's certificate is signed by an authority that is not in ca ({known})"
    return fault.said


def _of_certificate(error: ssl.SSLCertVerificationError) -> TlsFault:
    code = error.verify_code
    if code in {_EXPIRED, _NOT_YET}:
        when = "has expired" if code == _EXPIRED else "is not valid yet"
        return TlsFault("tls-expired", f"the peer's certificate {when}: it has to be renewed, or a clock is wrong")
    if code in _UNKNOWN_AUTHORITY:
        return TlsFault("tls-authority", "the peer's certificate is signed by an authority that is not in ca")
    if code in _OF_HOST:
        said = "the peer's certificate is another host's: the name or address that it is called by does not stand in it"
        return TlsFault("tls-certificate", said)
    return TlsFault("tls-certificate", f"the peer's certificate is not taken: {error.verify_message}")
