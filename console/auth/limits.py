"""How often somebody may fail: a log-in by user and address, anything else by address.

Failures of log-ins stand in the database, so that neither a restart nor another process forgets them. They count for a
user from one address, for a user from everywhere (so that many addresses help little, and one stranger cannot keep
somebody out of their own office), and for an address with whatever names.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Network, ip_address
from math import ceil

from audit.actions import Action
from console.auth.people import Asked, People
from console.auth.refusals import LockedOut
from store import people as rows
from store.database import Connection

_EVERYWHERE = 10  # times `attempts`: failures of a user from all addresses together
_WHATEVER = 4  # times `attempts`: failures of an address with all names together
_OF_ONE = 64  # bits of an IPv6 address that one machine cannot choose
_KNOWN = 10_000  # addresses that are remembered


@dataclass(frozen=True)
class Attempt:
    """A log-in that is being tried; `who` are the digests that it counts for, and how many each may fail."""

    name: str
    asked: Asked
    who: Sequence[tuple[bytes, int]]


def attempt(people: People, name: str, asked: Asked) -> Attempt:
    """What a log-in as `name` from there counts for."""
    most = people.settings.attempts
    where = counted_as(asked.address)

    def marked(text: str) -> bytes:
        return people.keys.mark(text.encode("utf-8", "replace"))

    return Attempt(
        name,
        asked,
        (
            (marked(f"user {name} from {where}"), most),
            (marked(f"user {name}"), most * _EVERYWHERE),
            (marked(f"address {where}"), most * _WHATEVER),
        ),
    )


def counted_as(address: str) -> str:
    """What an address counts as: of IPv6 its /64, for that is what one machine has (RFC 4291 2.5.4, RFC 8981)."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, IPv4Address):
        return str(known)
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(IPv6Network((known, _OF_ONE), strict=False))


def begin(people: People, tried: Attempt, known: bool) -> None:
    """Count it before it is known how it ends, so that many at once are no way around; raises LockedOut.

    `known` says that the name is a user's, and may stand on the trail.
    """
    now, lock = people.now, people.settings.lock
    begins, until = now - timedelta(seconds=lock), people.after(lock)
    with people.transaction() as transaction:
        ends = rows.locked_until(transaction.connection, [one for one, _ in tried.who], now)
        if ends is not None:
            raise LockedOut(max(1, ceil((ends - now).total_seconds())))
        rows.forget_failures(transaction.connection, begins, now)
        for who, most in sorted(tried.who):
            count = rows.count_attempt(transaction.connection, who, now, begins, most, until)
            if count > most:  # others came at the same moment, and one of them was the last that is allowed
                raise LockedOut(ceil(lock))
            if count == most:
                named = {"user": tried.name} if known else {}
                transaction.record(
                    Action.LOCKED_OUT, None, **named, **tried.asked.details, until=until.isoformat(timespec="seconds")
                )


def succeeded(connection: Connection, tried: Attempt) -> None:
    """It was no failure: the user's own count begins anew, and the address's has one less."""
    *own, (address, _) = tried.who
    rows.forgive(connection, [who for who, _ in own])
    rows.take_back_attempt(connection, address)


class Throttle:
    """How many of something an address may have in a minute; in memory, of the latest addresses alone."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most, self._monotonic = most, monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address: what is left, and when
        self._lock = threading.Lock()

    def takes(self, address: str) -> bool:
        """Whether there is one more for it now."""
        now = self._monotonic()
        with self._lock:
            left, at = self._left.pop(address, (float(self._most), now))
            left = min(float(self._most), left + (now - at) * self._most / 60)
            taken = left >= 1
            self._left[address] = (left - 1 if taken else left, now)
            while len(self._left) > _KNOWN:
                self._left.popitem(last=False)
        return taken
