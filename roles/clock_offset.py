"""How far this host's clock may be off, as its kernel says: a trail's moments are worth as much as that.

What disciplines the clock (chrony, ntpd, systemd-timesyncd) tells the kernel the bounds of its error, whatever it asks.
"""

import ctypes
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from audit.actions import Action
from audit.trail import Ledger
from domain.errors import Unavailable
from domain.stopping import loop_until

_log = logging.getLogger(__name__)
#: Seconds between two entries of a process that runs on.
DAY = 86_400.0
_UNSYNCHRONISED = 0x0040  # STA_UNSYNC of <linux/timex.h>
_NANOSECONDS = 0x2000  # STA_NANO: the offset is in nanoseconds, not in microseconds
_UNKNOWN = "unknown: {}"


class _Timex(ctypes.Structure):
    """struct timex of <linux/timex.h>, as adjtimex(2) fills it in; no `modes` are set, so that it only reads."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 64),
    )


@dataclass(frozen=True)
class KernelClock:
    """What the kernel says: `offset` (µs) is still to be corrected, `bound` (µs) the error's at the most."""

    offset: float
    bound: int
    synchronised: bool

    @property
    def said(self) -> str:
        """As the trail has it."""
        if not self.synchronised:
            return _UNKNOWN.format("nothing keeps the clock of this host in step (chrony, ntpd, systemd-timesyncd)")
        return f"off by {self.offset / 1000:.3f} ms, by {self.bound / 1000:.1f} ms at the most"


def clock_offset() -> str:
    """How far the clock may be off, in words; "unknown" with the reason where nobody knows."""
    try:
        return _kernel_clock().said
    except (OSError, AttributeError) as error:
        return _UNKNOWN.format(error)


def _kernel_clock() -> KernelClock:
    told = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told)) < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not tell")
    per_microsecond = 1000 if told.status & _NANOSECONDS else 1
    return KernelClock(told.offset / per_microsecond, told.maxerror, not told.status & _UNSYNCHRONISED)


@contextmanager
def told_daily(ledger: Ledger) -> Iterator[None]:
    """For as long as this lasts, an entry a day says how far the clock is off."""
    ended = threading.Event()
    threading.Thread(target=_tell, args=(ledger, ended), name="clock", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _tell(ledger: Ledger, ended: threading.Event, every: float = DAY) -> None:
    for _ in loop_until(ended, every, at_once=False):
        try:
            ledger.record(Action.CLOCK, clock=clock_offset())
        except Unavailable as error:
            _log.warning("how far the clock is off could not be recorded: %s", error)
