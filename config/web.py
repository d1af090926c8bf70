"""The door for instances by HTTP: STOW-RS (PS3.18 10.5)."""

from pydantic import Field

from config.section import Section
from config.tls import WebTls
from config.values import AETitle, Bytes, Count, Flag, Host, NameOrFingerprint, Network, Place, Port

#: Path of the service, below which /studies lies.
ROOT = "/dicom-web"


class WebCaller(Section):
    """Who may store by HTTP: by an address, by a proof, or by both, and then both must hold."""

    aet: AETitle = Field(description="what it is called in `status`, the trail and metrics, as a calling AE title is")
    address: Network | None = Field(
        None, description="address that it calls from: one IP address or a network such as 10.1.0.0/16; any by default"
    )
    user: str = Field("", max_length=64, description="its name, where it proves itself by a password (Basic)")
    password_file: Place | None = Field(
        None,
        description="file with its password, or with what `dicom-node web-secret` made of it; nobody else may read it",
    )
    token_file: Place | None = Field(
        None, description="file with its token (Bearer), or with what `dicom-node web-secret` made of it"
    )
    certificate: NameOrFingerprint | None = Field(
        None, description="its TLS certificate: a name that stands in it (CN or SAN), or its SHA-256 fingerprint"
    )


class Web(Section):
    """Who may store by HTTP, and what at most. Times, pace and the longest instance are the listener's."""

    enabled: Flag = Field(False, description="take instances by STOW-RS; `up` then runs the role web")
    host: Host = Field("127.0.0.1", description="address to listen on; loopback until somebody decides otherwise")
    port: Port = Field(11443, description="TCP port; 0 takes a free one")
    tls: WebTls = Field(default_factory=WebTls)
    callers: tuple[WebCaller, ...] = Field(
        (), description="who may store; from elsewhere than loopback nobody else may"
    )
    trust_loopback: Flag = Field(
        True, description="whoever calls from this machine may store; false behind a proxy, which brings everybody"
    )
    max_connections: Count = Field(32, description="connections at once; further ones are told to come again")
    max_request: Bytes = Field(16 << 30, ge=1 << 20, description="bytes of one request at most; beyond it 413")

    @property
    def url(self) -> str:
        """The root of the service, as callers address it on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls.certificate else ''}://{host}:{self.port}{ROOT}"
