"""What peers might say to the services beside C-STORE, changed at random: bodies of STOW-RS, messages of N-services.

As with `tests.support.fuzzing`, each input is taken or refused by the node's own errors, or it is a defect.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

from config.settings import Spool
from dicom_node.dimse import Command, Malformed, Operation, Status, decode_command
from dicom_node.listener.events import NoEvents
from dicom_node.listener.provided import services
from dicom_node.listener.services import Request, refusal
from dicom_node.part10 import head
from dicom_node.spool import Peer, SpoolReader, SpoolWriter
from dicom_node.web import multipart
from dicom_node.web.store import StoreRequest, TooMany
from tests.support.fuzzing import judged
from tests.support.mutations import Sample, changed
from tests.support.service_messages import MESSAGES, MPPS, STEP
from tests.support.stowing import RELATED, body

_PEER = Peer("FUZZ", "NODE", "127.0.0.1")
_DRAINED = 100  # bodies between which the spool is read


class Bodies:
    """The bodies of requests to store, into a spool in `folder`."""

    def __init__(self, folder: Path, kinds: Sequence[Sample], stack: ExitStack) -> None:
        self._kinds = kinds
        self._writer = SpoolWriter(folder, 0, Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0))
        stack.callback(self._writer.close)
        self._reader = stack.enter_context(SpoolReader(folder))
        self._association = self._writer.open_association(_PEER, {})
        self._sent = 0

    def of_body(self, random: Random) -> str:
        """A body of a few instances, changed in a part, at a delimiter or in its media type, and cut anywhere."""
        parts = [self._file(random, number) for number in range(random.randint(1, 3))]
        kind, sent = RELATED, body(*parts)
        which = random.randrange(4)
        if which == 0:
            kind = changed(random, kind.encode(), len(kind)).decode("latin-1")
        elif which == 1:
            at = random.choice([place for place in range(len(sent)) if sent.startswith(b"--bq", place)])
            sent = sent[:at] + changed(random, sent[at:], 60)
        return judged(lambda data: self._stored(random, kind, data), sent)

    def _file(self, random: Random, number: int) -> bytes:
        sample, uid = random.choice(self._kinds), f"1.2.999.{number}"
        meta = head(sample.sop_class, uid, sample.syntax)
        if random.random() < 0.3:
            meta = changed(random, meta, len(meta))
        return meta + (sample.mutated(random, uid) if random.random() < 0.3 else b"\x08\x00\x05\x00CS\0\0")

    def _stored(self, random: Random, kind: str, data: bytes) -> str:
        try:
            boundary = multipart.media_type(kind).boundary()
        except multipart.Malformed:
            return "malformed"
        store = StoreRequest(self._association, NoEvents(), boundary, random.choice(("", "1.2.3")), 1 << 20)
        try:
            for piece in _cut(random, data):
                store.take(piece)
            store.finish()
        except (multipart.Malformed, TooMany):
            return "malformed"
        finally:
            store.abandon()
            self._drain()
        return "taken" if all(one.stored for one in store.parts) else "refused"

    def _drain(self) -> None:
        """Make room, now and then."""
        self._sent += 1
        while not self._sent % _DRAINED and (batch := self._reader.poll(0)):
            self._reader.checkpoint(batch)


class Messages:
    """Requests of the services that the listener provides, which keep what they keep in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._services = services(folder)
        # There is a step that an N-SET may change; an N-CREATE is of it or of another.
        created = next(one for one in MESSAGES if (one.sop_class, one.operation) == (MPPS, Operation.N_CREATE))
        answer = self._services[MPPS].judge(_request(decode_command(created.command()), created.data, created.syntax))
        assert answer.is_taken
        with answer.held:
            answer.recorded()

    def of_message(self, random: Random) -> str:
        """A request whose command or whose data set is changed."""
        one = random.choice(MESSAGES)
        if one.operation == Operation.N_CREATE:
            one = replace(one, sop_instance=random.choice((STEP, "1.2.840.9")))
        command, data = one.command(), one.data
        if random.random() < 0.3:
            command = changed(random, command, len(command))
        else:
            data = changed(random, data, len(data))
        return judged(lambda given: self._answered(given, one.sop_class, data, one.syntax), command)

    def _answered(self, command: bytes, sop_class: str, data: bytes, syntax: str) -> str:
        service = self._services[sop_class]
        try:
            asked = decode_command(command)
        except Malformed:
            return "malformed"
        if refusal(service, asked):
            return "refused"
        answer = service.judge(_request(asked, data, syntax))
        Status(answer.status)  # one that the standard has
        with answer.held:  # and nothing is kept
            return "taken" if answer.is_taken else "refused"


def _request(asked: Command, data: bytes, syntax: str) -> Request:
    return Request(Operation(asked.field), asked.type_id, asked.sop_class, asked.sop_instance, syntax, data, _PEER)


def _cut(random: Random, data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = random.choice((1, 7, 300, 5_000, len(data)))
        yield data[at : at + size]
        at += size
