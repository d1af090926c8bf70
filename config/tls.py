"""What the listener needs to speak TLS, and to know who speaks for a caller."""

from typing import Literal

from pydantic import Field

from config.section import Section
from config.values import Flag, Place, Port

TlsVersion = Literal["1.2", "1.3"]


class ListenerTls(Section):
    """DICOM TLS (PS3.15 B.12), at a port of its own beside the one without; on where a certificate is given."""

    certificate: Place | None = Field(
        None, description="our certificate (PEM), followed by those that it was signed through; with it TLS is on"
    )
    key: Place | None = Field(None, description="its private key (PEM, no password); nobody else may read it")
    ca: Place | None = Field(None, description="certificates (PEM) of the authorities that signed the senders'")
    port: Port = Field(2762, description="TCP port for TLS (2762 is registered for DICOM TLS); 0 takes a free one")
    require_certificate: Flag = Field(
        True, description="a sender has to prove itself by a certificate; without, it counts by its address alone"
    )
    minimum: TlsVersion = Field("1.2", description="least version of TLS: 1.2 or 1.3; 1.3 is preferred in any case")


class WebTls(Section):
    """HTTPS at the door for HTTP (PS3.15 B.12); on where a certificate is given."""

    certificate: Place | None = Field(
        None, description="our certificate (PEM), followed by those that it was signed through; with it HTTPS is on"
    )
    key: Place | None = Field(None, description="its private key (PEM, no password); nobody else may read it")
    ca: Place | None = Field(
        None, description="certificates (PEM) of the authorities that signed the callers', where they have some"
    )
    require_certificate: Flag = Field(False, description="with `ca`: who shows no certificate is not let in at all")
    minimum: TlsVersion = Field("1.2", description="least version of TLS: 1.2 or 1.3; 1.3 is preferred in any case")


class UserIdentity(Section):
    """User Identity Negotiation (PS3.7 D.3.3.7), for callers that name `users`."""

    passcodes: Place | None = Field(
        None, description="file of users and digests of their passcodes, made by `tls passcode`; read at each call"
    )
    token_key: Place | None = Field(
        None, description="public key (PEM: P-256, RSA or Ed25519) of whoever signs tokens (JWT); it alone says how"
    )
    token_issuer: str = Field("", max_length=256, description="who issues tokens: their iss")
    token_audience: str = Field("", max_length=256, description="whom tokens have to be meant for: their aud")
