"""Whom the trail's entries go to beside the database: audit repositories by syslog, and servers of FHIR."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core.core_schema import ValidationInfo

from config.peers import Peer
from config.section import Section
from config.tls import TlsVersion
from config.values import Name, PeerHost, Place, Seconds, Timeout, Url, Whole

_LONGEST_DATAGRAM = 65_507  # bytes, over IPv4

ReceiverKind = Literal["syslog", "fhir"]
Transport = Literal["tls", "tcp", "udp"]


def _of(kind: ReceiverKind) -> AfterValidator:
    """What receivers of this kind may have, and no others."""

    def judged(value: object, info: ValidationInfo) -> object:
        given = info.data.get("kind")
        if given is not None and given != kind and value:
            raise ValueError(f"is for receivers of kind {kind} alone")
        return value

    return AfterValidator(judged)


class AuditReceiver(Section):
    """Who is sent every entry of the trail, in order, each at least once."""

    kind: ReceiverKind = Field(
        description="syslog: messages of DICOM PS3.15 A.5 by RFC 5424; fhir: resources AuditEvent (R4)"
    )
    name: Name = Field(description="name in `audit receivers`, metrics and the trail; how far it is, is kept by it")
    host: Annotated[PeerHost | None, _of("syslog")] = Field(None, description="of kind syslog: its address")
    port: Annotated[Whole, Field(ge=0, le=65_535), _of("syslog")] = Field(
        0, description="of kind syslog: its port; 0: 6514 by TLS, 601 by TCP, 514 by UDP"
    )
    transport: Transport = Field(
        "tls", description="of kind syslog: tls (RFC 5425), tcp (RFC 6587, octets counted) or udp (RFC 5426)"
    )
    url: Annotated[Url | None, _of("fhir")] = Field(
        None, description="of kind fhir: the server's base URL, below which /AuditEvent lies"
    )
    store: Literal["put", "post"] = Field(
        "put",
        description="of kind fhir: put under an id of ours, which changes nothing the second time; post for a server "
        "that gives ids itself, on the condition that it has none of the entry's tag",
    )
    ca: Place | None = Field(None, description="certificates (PEM) that prove its own; the system's by default")
    certificate: Place | None = Field(None, description="our certificate (PEM) for it, where it asks for one")
    key: Place | None = Field(None, description="the private key of that (PEM, no password); nobody else may read it")
    server_name: Annotated[PeerHost | None, _of("syslog")] = Field(
        None, description="of kind syslog: name that has to stand in its certificate; its `host` by default"
    )
    minimum: TlsVersion = Field("1.2", description="least version of TLS: 1.2 or 1.3")
    token_file: Annotated[Place | None, _of("fhir")] = Field(
        None, description="of kind fhir: file with a bearer token; whoever renews it writes it there"
    )
    begin: Literal["everything", "now"] = Field(
        "everything", description="where to begin the first time: with everything that the trail has, or now"
    )
    longest: Annotated[Whole, Field(ge=2048, le=1 << 20)] = Field(
        32_768,
        description="of kind syslog: bytes of a message at most, as PS3.15 A.6 has every receiver take; of a longer "
        "one the entry's own text is left out first, then its list of instances",
    )
    again: Seconds = Field(
        30.0,
        description="of kind syslog: s of what was sent that are sent again after a connection broke, for a receiver "
        "that had read it and not kept it",
    )
    timeout: Timeout = Field(30.0, description="s to connect, and to wait for an answer")

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        if self.url:
            return self.peer().endpoint
        return self.host or "", self.port or {"tls": 6514, "tcp": 601, "udp": 514}[self.transport]

    @property
    def address(self) -> str:
        """Its URL, or how and where it listens."""
        host, port = self.endpoint
        return self.url or f"{self.transport}://{f'[{host}]' if ':' in host else host}:{port}"

    def peer(self) -> Peer:
        """A server of FHIR, as the node's HTTP client has those that it speaks to."""
        given = {name: getattr(self, name) for name in ("name", "url", "ca", "certificate", "key", "minimum")}
        return Peer(kind="dicomweb", token_file=self.token_file, **given)

    @model_validator(mode="after")
    def _fits(self) -> "AuditReceiver":
        if self.kind == "syslog" and self.host is None:
            raise ValueError("of kind syslog needs a host")
        if self.kind == "fhir" and self.url is None:
            raise ValueError("of kind fhir needs a url")
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("certificate and key belong together: give both, or neither")
        tls = self.transport == "tls" if self.kind == "syslog" else (self.url or "").startswith("https:")
        if not tls and (self.ca or self.certificate or self.server_name):
            raise ValueError("speaks no TLS, and ca, certificate, key and server_name are of use to that alone")
        if self.kind == "syslog" and self.transport == "udp" and self.longest > _LONGEST_DATAGRAM:
            raise ValueError(f"a datagram holds {_LONGEST_DATAGRAM} bytes: longest = {_LONGEST_DATAGRAM} would fit")
        if not tls and self.token_file:
            raise ValueError("speaks no TLS, and whoever listens would learn the token: give an https URL")
        return self
