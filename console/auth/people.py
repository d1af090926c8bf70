"""What every part of the door works with: the ledger, the settings, the clock and the keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from audit.trail import Ledger, Transaction
from config.access import AccessSettings
from console.auth.signing import Keyring, SigningKeys
from domain.clock import Clock, SystemClock


@dataclass(frozen=True)
class People:
    """`origin` is scheme, host and port by which browsers know the node, such as https://node.hospital:8443."""

    ledger: Ledger
    settings: AccessSettings
    keyring: Keyring
    origin: str = "http://127.0.0.1:8080"
    clock: Clock = field(default_factory=SystemClock)

    @property
    def keys(self) -> SigningKeys:
        """Those that tokens are signed with."""
        return self.keyring.keys

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.clock.now()

    def after(self, seconds: float) -> datetime:
        """The moment so many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by TLS, so that cookies may be for TLS alone."""
        return urlsplit(self.origin).scheme == "https"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Change and entry together."""
        with self.ledger.transaction() as transaction:
            yield transaction


@dataclass(frozen=True)
class Asked:
    """From where a request came, and its number, for the trail."""

    address: str
    request: str = ""

    @property
    def details(self) -> dict[str, str]:
        """As an entry has them."""
        return {"address": self.address, **({"request": self.request} if self.request else {})}
