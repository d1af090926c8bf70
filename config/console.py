"""The node's door for people and programs: the REST API, and what stands on it."""

from pydantic import Field

from config.section import Section
from config.tls import WebTls
from config.values import AETitle, Count, Flag, Host, Name, Network, Port, Url, Whole


class Console(Section):
    """Where the API is served, and to how many at once. Who may what is `[access]`."""

    enabled: Flag | None = Field(
        None,
        description="serve the API; by default `up` does where the extra `people` is installed, and goes on without it "
        "where the port is another program's",
    )
    host: Host = Field("127.0.0.1", description="address to listen on; beyond loopback by TLS or behind a proxy alone")
    port: Port = Field(8080, description="TCP port; 0 takes a free one and writes it to the log")
    tls: WebTls = Field(default_factory=WebTls)
    public_url: Url | None = Field(
        None, description="address by which people reach it, where a proxy stands before it or it has a name"
    )
    proxies: tuple[Network, ...] = Field(
        (), description="addresses of proxies before it that speak TLS for it and say for whom (X-Forwarded-For)"
    )
    threads: Whole = Field(8, ge=1, le=64, description="requests that are at work in the database at once")
    max_connections: Count = Field(256, description="connections at once; further ones are told to come again (503)")
    requests_a_minute: Count = Field(600, description="requests of one user or key a minute; beyond it 429")
    departments: dict[Name, tuple[AETitle, ...]] = Field(
        default_factory=dict,
        description="AE titles that send the studies of a department, by its name: who is bound to departments sees "
        "those studies alone",
    )

    @property
    def url(self) -> str:
        """The root by which it is addressed: the public one, else that of this machine."""
        if self.public_url:
            return str(self.public_url).rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls.certificate else ''}://{host}:{self.port}"
