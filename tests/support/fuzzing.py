"""What peers might send, changed at random: an association's request, a command set, a data set, a whole association.

Each kind has a corpus of good ones and what is to become of a changed one: it is taken, or refused by an error of the
node's own that says why. Anything else is a defect, told with the input that brought it about.
"""

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from random import Random

from config.settings import Listener as Settings
from dicom_node.dimse import Malformed, decode_command
from dicom_node.intake.header import UnreadableHeader, read_header
from dicom_node.listener.associate import decode_request
from dicom_node.listener.dialogue import judge
from dicom_node.listener.policy import AssociationPolicy, Rejection
from dicom_node.pdu import HEAD, ProtocolError
from tests.support.listening import (
    ABORT,
    ACCEPT,
    COMMAND,
    CT,
    EXPLICIT,
    IMPLICIT,
    LAST,
    REJECT,
    RawPeer,
    RunningListener,
    command,
    item,
    pdu,
    pdv,
    request,
)
from tests.support.mutations import Sample, changed, mutated_association, samples

VERIFICATION = "1.2.840.10008.1.1"
_POLICY = AssociationPolicy(Settings(aet="NODE"))
_USER_ITEMS = (
    b"",
    item(0x54, b"\0\x19" + CT.encode() + b"\1\1"),
    item(0x53, b"\0\4\0\4"),
    item(0x56, b"\0\x19" + CT.encode() + b"\2\0\1"),
    item(0x58, b"\2\1\0\4user\0\4pass"),
)
_FEW: list[tuple[int, str | bytes, Sequence[str | bytes]]] = [
    (1, CT, (EXPLICIT, IMPLICIT)),
    (3, VERIFICATION, (IMPLICIT,)),
]
_MANY: list[tuple[int, str | bytes, Sequence[str | bytes]]] = [(2 * one + 1, CT, (EXPLICIT,)) for one in range(128)]
_REQUESTS = [request(contexts, extra=extra) for contexts, extra in product((_FEW, _MANY), _USER_ITEMS)]
_STORED = b"\0\0\x00\x09\2\0\0\0\0\0"  # (0000,0900) Status: 0000H
# Every DIMSE operation (PS3.7 table E.1-1), as request and as response.
_OPERATIONS = (0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150, 0x0FFF)
_COMMANDS = [
    command(field | answer, uid="1.2.3", data=data)
    for field, answer, data in product(_OPERATIONS, (0, 0x8000), (True, False))
]


class Defect(AssertionError):
    """An input that was neither taken nor refused by an error of the node's own; it holds the input."""


def judged(outcome: Callable[[bytes], str], data: bytes) -> str:
    """What became of `data`; raises Defect where nobody foresaw that."""
    try:
        return outcome(data)
    except Exception as error:
        raise Defect(f"{type(error).__name__}: {error}: {data.hex()}") from error


def of_request(random: Random) -> str:
    """An A-ASSOCIATE-RQ, changed in its first four kilobytes."""
    return judged(_negotiated, changed(random, random.choice(_REQUESTS)[HEAD.size :], 4096))


def of_command(random: Random) -> str:
    """A command set with odd values, or one whose bytes are changed."""
    if random.random() < 0.5:
        return judged(_commanded, changed(random, random.choice(_COMMANDS), 300))
    uid = changed(random, b"1.2.840.10008.3", 15)
    sop_class = random.choice((CT, VERIFICATION, "", "1" * 70))
    odd = command(random.randrange(1 << 16), uid=uid, sop_class=sop_class, data=random.random() < 0.5)
    return judged(_commanded, odd)


def of_data_set(random: Random, kinds: Sequence[Sample]) -> str:
    """A data set, changed where the index reads it."""
    sample = random.choice(kinds)
    return judged(lambda data: _read(data, sample.syntax), sample.mutated(random, "1.2.999.1"))


def _negotiated(body: bytes) -> str:
    try:
        asked = decode_request(body)
        if _POLICY.rejection(asked, "127.0.0.1", 0) or isinstance(_POLICY.answer(asked), Rejection):
            return "rejected"
    except ProtocolError:
        return "aborted"
    return "taken"


def _commanded(data: bytes) -> str:
    try:
        return "refused" if judge(decode_command(data), CT) else "taken"
    except Malformed:
        return "malformed"


def _read(data: bytes, syntax: str) -> str:
    try:
        read_header(data, syntax, whole=True)
    except UnreadableHeader:
        return "quarantined"
    return "taken"


@dataclass
class Conversations:
    """Whole associations, changed, against a listener that runs; what it answered, and what it is to have recorded."""

    node: RunningListener
    kinds: Sequence[Sample] = field(default_factory=samples)
    answered: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def one(self, random: Random) -> None:
        """Say one to its end, and read until the listener has hung up."""
        self.number += 1
        words = mutated_association(random, f"1.2.999.2.{self.number}", random.choice(self.kinds))
        with RawPeer(self.node.port) as peer:
            with suppress(ConnectionError):
                peer.send(words)
                peer.socket.shutdown(socket.SHUT_WR)
            accepted = False
            while (answer := peer.receive())[0]:
                accepted |= answer[0] == ACCEPT
                self._note(*answer, accepted)

    def _note(self, kind: int, body: bytes, accepted: bool) -> None:
        if kind == ABORT:
            self.answered["aborted within" if accepted else "aborted before"] += 1
        elif kind in (ACCEPT, REJECT):
            self.answered["accepted" if kind == ACCEPT else "rejected"] += 1
        elif kind == 4 and _STORED in body:
            self.answered["stored"] += 1


def good_association(uid: str) -> bytes:
    """All that a requestor says who stores one instance and takes leave."""
    store = pdu(4, pdv(1, COMMAND | LAST, command(1, uid=uid))) + pdu(4, pdv(1, LAST, b"whole"))
    return request() + store + pdu(5, bytes(4))
