"""The trail: how often it is signed, and where its checkpoints go that no administrator of the database can reach."""

from typing import Annotated, Literal

from pydantic import Field

from config.audit_receivers import AuditReceiver
from config.section import Section
from config.values import Count, Days, Name, PeerHost, PeerPort, Place, Seconds, Timeout, Url

WitnessKind = Literal["file", "s3", "syslog", "http"]


class Witness(Section):
    """An outside place that keeps checkpoints of the trail."""

    name: Name = Field(description="what it is called in `status`, the trail and metrics")
    kind: WitnessKind = Field(
        description="file: a line each, appended; s3: an object each, never written over; syslog: a message each "
        "(RFC 5424); http: a witness that checks and signs (C2SP tlog-witness)"
    )
    every: Seconds = Field(10.0, description="s between two checkpoints that it is given, at the least")
    timeout: Timeout = Field(10.0, description="s that it has to answer")
    file: Place | None = Field(None, description="file: the file, on another machine's disk, mounted, or a tape's")
    url: Url | None = Field(
        None,
        description="http: the address below which /add-checkpoint lies; s3: the server's, where it is not Amazon's",
    )
    key: str = Field("", max_length=512, description="http: the witness's verifier key, which its cosignatures need")
    token_file: Place | None = Field(None, description="http: file with a token to show (Bearer), where it wants one")
    bucket: str = Field("", max_length=255, description="s3: the bucket")
    prefix: str = Field("", max_length=255, description="s3: what the objects' names begin with")
    region: str = Field("", max_length=64, description="s3: the region")
    access_file: Place | None = Field(
        None, description="s3: file with the access key's id and, behind a colon, its secret; else as boto3 finds them"
    )
    lock_days: Days | None = Field(
        None,
        description="s3: days for which an object is locked (Object Lock, compliance mode); else as the bucket says",
    )
    host: PeerHost | None = Field(None, description="syslog: the receiver")
    port: PeerPort | None = Field(None, description="syslog: its port; 6514 by TLS, 601 by TCP, 514 by UDP")
    transport: Literal["udp", "tcp", "tls"] = Field("tls", description="syslog: how messages travel")
    ca: Place | None = Field(
        None, description="PEM file of the authorities that signed its certificate; else the system's"
    )
    certificate: Place | None = Field(None, description="syslog: PEM file of our certificate, where it wants one")
    certificate_key: Place | None = Field(None, description="syslog: PEM file of that certificate's key")

    @property
    def endpoint(self) -> tuple[str, int]:
        """Of kind syslog: host and port (RFC 5425 4.1, RFC 6587, RFC 5426 3.3)."""
        return self.host or "", self.port or {"tls": 6514, "tcp": 601, "udp": 514}[self.transport]

    @property
    def address(self) -> str:
        """Where it is, for people."""
        host, port = self.endpoint
        at = f"{self.transport}://{f'[{host}]' if ':' in host else host}:{port}"
        return {"file": str(self.file), "http": self.url or "", "s3": f"s3://{self.bucket}/{self.prefix}"}.get(
            self.kind, at
        )


class Audit(Section):
    """How the trail is signed and kept."""

    every: Seconds = Field(1.0, description="s between two checkpoints at the least, while entries come")
    batch: Count = Field(1000, description="new entries that make a checkpoint before that time is over")
    keys: Place | None = Field(None, description="folder of the keys that sign checkpoints; DATA/seal by default")
    keep: Annotated[Days, Field(ge=184)] | None = Field(
        None,
        description="days for which a part of the trail stays in the database after its end, before audit archive may "
        "take it; half a year at least; for ever by default",
    )
    witnesses: tuple[Witness, ...] = Field((), description="outside places that checkpoints go to")
    receivers: tuple[AuditReceiver, ...] = Field((), description="who is sent every entry, in its standard's form")
