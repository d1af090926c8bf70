"""The listener's side of the spool."""

import itertools
import logging
import os
import threading
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from config.settings import Spool
from dicom_node.spool.association_writer import AssociationWriter, Peer, SpoolAccess
from dicom_node.spool.doorbell import Bell
from dicom_node.spool.endings import Ending, Endings
from dicom_node.spool.errors import SpoolUnavailable
from dicom_node.spool.frames import FramePool
from dicom_node.spool.pool import FULL, LOW_DISK, SegmentPool
from dicom_node.spool.records import Close, Kind
from dicom_node.spool.refusals import Refusal, Refusals
from dicom_node.spool.runlock import ProcessLock
from dicom_node.spool.shortage import Shortage
from domain.json_records import JsonObject
from domain.stopping import loop_until

log = logging.getLogger(__name__)

_TEND = 0.2  # s between looks at the disk and at what the reader has finished
_NOBODY = Peer("", "", "")
# Associations that ended and of whose end there was no room to write; beyond this number they are forgotten.
_UNCLOSED = 1000


class SpoolWriter:
    """The spool of listener process `index` under `root` (`<data>/spool`).

    Usable from all threads of the process. Raises Unavailable where another process holds this spool, OSError where the
    folder cannot be used. Where no segment can be made (no space), it starts all the same, and refuses instances.
    """

    def __init__(self, root: Path, index: int, settings: Spool) -> None:
        folder = root / str(index)
        # Data sets name patients: nobody else's eyes.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.run = uuid4()
        self._lock = ProcessLock(folder / "run", str(self.run))
        self._bell = Bell(root)
        self._pool = SegmentPool(folder, settings, self.run)
        self._shortage = Shortage()
        self._refusals = Refusals(partial(self._note, kind=Kind.ASSOCIATION_REFUSED))
        self._endings = Endings(partial(self._note, kind=Kind.ASSOCIATIONS_ENDED))
        self._access = SpoolAccess(self._pool, FramePool(), self._shortage, self._bell.ring)
        self._notes = itertools.count()
        self._open = 0
        self._open_lock = threading.Lock()
        self._unclosed = _Unclosed()
        self._stopping = threading.Event()
        self._trouble = ""
        self._tend(ahead=1)
        self._note(_NOBODY, {"pid": os.getpid()}, Kind.NODE_STARTED)
        self._steward = threading.Thread(target=self._keep_tending, name="spool-steward", daemon=True)
        self._pool.wanted.set()
        self._steward.start()

    @property
    def trouble(self) -> str:
        """Why instances are refused or soon will be, for readiness; "" while all is well."""
        return LOW_DISK if self._pool.low_disk else FULL if self._pool.full else self._trouble

    def open_association(self, peer: Peer, details: JsonObject) -> AssociationWriter:
        """Record the beginning of an association. Never raises for want of room (then each instance does)."""
        opened = AssociationWriter(self._access, uuid4(), peer, itertools.count())
        self._count(1)
        opened.open(details)
        return opened

    def close_association(self, association: AssociationWriter, how: Close, reason: str, **counts: int) -> bool:
        """Record the end of an association; kept and tried again where there is no room now.

        True where it is worth a word of its own: it stored something, or no other ended so within the last minute.
        """
        told = (
            how is Close.RELEASED
            or association.has_stored
            or self._endings.count(Ending(association.peer, how, reason))
        )
        mark = {} if told else {"counted": True}
        self._close(association, {"how": how.value, "reason": reason, **mark, **counts})
        return told

    def _close(self, association: AssociationWriter, details: JsonObject) -> None:
        if association.close(details):
            self._count(-1)
        else:
            self._shortage.count("ends of associations (yet)", FULL)
            self._unclosed.keep(association, details)

    def refuse_association(
        self, peer: Peer, result: int | None, source: int | None, code: int | None, reason: str
    ) -> None:
        """Log and record an association that we rejected (PS3.8 table 9-21), or accepted with no context (all None).

        The first of a caller for a reason at once, the rest once a minute as a single record with their number.
        """
        self._refusals.count(Refusal(peer, result, source, code, reason))

    def close(self) -> None:
        """Record the stop and let go. Associations that are still open count as lost."""
        self._stopping.set()
        self._pool.wanted.set()
        self._steward.join()
        self._tend(ahead=1)
        self._retry_closes()
        self._tell(at_once=True)
        self._note(_NOBODY, {"pid": os.getpid()}, Kind.NODE_STOPPED)
        if not self._open:
            # A thread that still writes would find its file's number in other hands.
            self._pool.close()
        self._shortage.tell(at_once=True)
        self._lock.close()
        self._bell.ring()
        self._bell.close()

    def _tell(self, *, at_once: bool = False) -> None:
        self._refusals.tell(at_once=at_once)
        self._endings.tell(at_once=at_once)

    def _note(self, peer: Peer, details: JsonObject, kind: Kind) -> None:
        note = AssociationWriter(self._access, self.run, peer, self._notes)
        try:
            note.note(kind, details)
        except SpoolUnavailable as error:
            count = details.get("count")
            self._shortage.count(f"{kind.name} records", str(error), count if isinstance(count, int) else 1)

    def _keep_tending(self) -> None:
        for _ in loop_until(self._stopping):
            self._pool.wanted.wait(_TEND)
            self._tend()
            self._retry_closes()
            self._tell()
            self._shortage.tell()

    def _tend(self, **ahead: int) -> None:
        try:
            self._pool.tend(**ahead)
        except OSError as error:
            if not self._trouble:
                log.error("spool cannot be prepared ahead: %s", error)
            self._trouble = f"spool cannot be prepared ahead: {error}"
        else:
            self._trouble = ""

    def _retry_closes(self) -> None:
        for association, details in self._unclosed.waiting():
            # The first that finds no room ends the turn: the others would find none either.
            if not association.close(details):
                break
            self._unclosed.drop(association)
            self._count(-1)
        for _ in self._unclosed.forget():
            self._shortage.count("ends of associations (given up)", FULL)
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._open_lock:
            self._open += change


class _Unclosed:
    """Associations that have ended and whose end is not yet recorded, by id; usable from all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[UUID, tuple[AssociationWriter, JsonObject]] = {}

    def keep(self, association: AssociationWriter, details: JsonObject) -> None:
        with self._lock:
            self._waiting[association.id] = association, details

    def drop(self, association: AssociationWriter) -> None:
        with self._lock:
            del self._waiting[association.id]

    def waiting(self) -> list[tuple[AssociationWriter, JsonObject]]:
        """Those of which the spool holds something first: their end lets the reader free segments."""
        with self._lock:
            return sorted(self._waiting.values(), key=lambda item: not item[0].recorded)

    def forget(self) -> list[AssociationWriter]:
        """Give up what is more than is kept, those of which the spool holds nothing."""
        surplus = [association for association, _ in self.waiting()[_UNCLOSED:]]
        for association in surplus:
            self.drop(association)
        return surplus
