"""A door's own certificate and whom it trusts, read anew when their files change: renewing needs no restart."""

import logging
import ssl
import threading
from pathlib import Path

from config.tls import ListenerTls, WebTls
from dicom_node.tally import CountedLog
from dicom_node.tls.contexts import acceptor_context
from domain.errors import ConfigurationError

log = logging.getLogger(__name__)

# Inode, size and time of change of each file; None for one that is not there.
_Stamps = tuple[tuple[int, int, int] | None, ...]


class TlsAcceptor:
    """What the next connection is secured by, as `setting` says. Raises ConfigurationError at first for a wrong file.

    Files that are wrong later, or that are just being written, leave in force what was there before, and are said.
    """

    def __init__(self, tls: ListenerTls | WebTls, setting: str = "listener.tls") -> None:
        self._lock = threading.Lock()
        self._warnings = CountedLog(log)
        self._tls: ListenerTls | WebTls = tls
        self._stamps = _stamps(tls)
        self._setting = setting
        self._context = acceptor_context(tls, setting)

    def take(self, tls: ListenerTls | WebTls) -> None:
        """Go by these settings from the next connection on."""
        with self._lock:
            self._tls = tls
            self._read()

    def context(self) -> ssl.SSLContext:
        """By the files as they are now."""
        with self._lock:
            if _stamps(self._tls) != self._stamps:
                self._read()
            return self._context

    def _read(self) -> None:
        # Stamped before it is read, so that what changes meanwhile is read once more.
        self._stamps = _stamps(self._tls)
        try:
            self._context = acceptor_context(self._tls, self._setting)
        except ConfigurationError as error:
            self._warnings.warn(f"{error}; what was read before stays in force")
        else:
            log.info("certificates of %s are read anew", self._setting)


def _stamps(tls: ListenerTls | WebTls) -> _Stamps:
    return tuple(_stamp(file) for file in (tls.certificate, tls.key, tls.ca) if file is not None)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
