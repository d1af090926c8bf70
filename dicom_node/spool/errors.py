"""What the spool may answer instead of durability."""

from domain.errors import IntegrityError, Retryable


class SpoolUnavailable(Retryable):
    """Nothing can be made durable now: spool full, disk floor reached, disk unwritable. The message says which.

    The sender gets 0xA700 (out of resources) and keeps its instance.
    """


class DamagedRecord(IntegrityError):
    """A record that was whole when it was found no longer matches its checksum."""
