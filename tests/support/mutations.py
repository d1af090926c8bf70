"""Data sets and associations with bytes changed at random, as faults on the way and fuzzers make them."""

import zlib
from collections.abc import Callable, Sequence
from random import Random

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from tests.support.listening import COMMAND, EXPLICIT, IMPLICIT, LAST, command, item, pdu, pdv, request
from tests.support.phantoms import Phantom
from tests.support.service_messages import MESSAGES

DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
Context = tuple[int, str | bytes, Sequence[str | bytes]]
# Where the elements that the index wants lie; what is behind them is pixels, or frames.
_HEAD = 1400
# Texts that parsers stumble over.
_STUMBLES = (
    b"\0",
    b"\xff\xff\xff\xff",
    b"SQ",
    b"UN",
    b"\\",
    b"9" * 40,
    b"\x1b$)C",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
)


class Sample:
    """A data set of one encoding, whose instance can be named anew."""

    def __init__(self, dataset: Dataset, syntax: str) -> None:
        self.syntax, self.sop_class = syntax, str(dataset.SOPClassUID)
        self._named = str(dataset.SOPInstanceUID).encode()
        file = DicomBytesIO()
        file.is_implicit_VR, file.is_little_endian = syntax == IMPLICIT, syntax != BIG
        write_dataset(file, dataset)
        self._data = file.getvalue()

    def mutated(self, random: Random, name: str) -> bytes:
        """The data set as the instance `name`, then changed."""
        data = self._data.replace(self._named, name.encode().ljust(len(self._named), b"\0"), 1)
        if self.syntax != DEFLATED:
            return changed(random, data, _HEAD)
        deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        before = changed(random, data, _HEAD) if random.random() < 0.5 else data
        packed = deflate.compress(before) + deflate.flush()
        return packed if before is not data else changed(random, packed, len(packed))


def samples() -> list[Sample]:
    """A slice in every encoding, and an enhanced image."""
    small = Phantom(size=(8, 8), slices=3, study="mutated")
    slices = [Sample(small.datasets()[0], syntax) for syntax in (EXPLICIT, EXPLICIT, IMPLICIT, BIG, DEFLATED)]
    return [*slices, Sample(small.enhanced(), EXPLICIT), Sample(small.enhanced(), DEFLATED)]


def changed(random: Random, data: bytes, head: int) -> bytes:
    """`data` with one to four changes within its first `head` bytes; never nothing, which the listener refuses."""
    made = bytearray(data)
    for _ in range(random.randint(1, 4)):
        if made:
            random.choice(_CHANGES)(random, made, random.randrange(min(head, len(made))))
    return bytes(made) or b"\0"


def _flip(random: Random, data: bytearray, at: int) -> None:
    data[at] ^= 1 << random.randrange(8)


def _set(random: Random, data: bytearray, at: int) -> None:
    data[at] = random.choice((0, 0xFF, random.randrange(256)))


def _remove(random: Random, data: bytearray, at: int) -> None:
    del data[at : at + random.randint(1, 16)]


def _repeat(random: Random, data: bytearray, at: int) -> None:
    data[at:at] = data[at : at + random.randint(1, 64)]


def _stumble(random: Random, data: bytearray, at: int) -> None:
    data[at:at] = random.choice(_STUMBLES)


def _overwrite(random: Random, data: bytearray, at: int) -> None:
    word = random.choice(_STUMBLES)
    data[at : at + len(word)] = word


def _cut(random: Random, data: bytearray, at: int) -> None:
    del data[at:]


# A cut leaves nothing to change, so it is the rarest.
_CHANGES: tuple[Callable[[Random, bytearray, int], None], ...] = (
    *(_flip, _flip, _set, _set, _remove, _repeat, _stumble, _overwrite) * 2,
    _cut,
)


def mutated_association(random: Random, name: str, sample: Sample) -> bytes:
    """All that a requestor says in one association that stores one instance, changed somewhere; now and then it asks
    another service as well.
    """
    user = item(0x54, b"\0\x04" + b"1.2\0" + b"\1\1")
    said = random.choice(MESSAGES) if random.random() < 0.2 else None
    service: list[Context] = [(3, said.sop_class, (said.syntax,))] if said else []
    asked = request([(1, sample.sop_class, (sample.syntax, IMPLICIT)), *service], calling="MUTANT")
    data = sample.mutated(random, name) if random.random() < 0.5 else b"\x08\x00\x05\x00CS\0\0"
    store = pdu(4, pdv(1, COMMAND | LAST, command(1, uid=name, sop_class=sample.sop_class)))
    store += pdu(4, pdv(1, LAST, data))
    parts = [asked + (user if random.random() < 0.05 else b""), store, pdu(5, bytes(4))]
    if said:
        parts.insert(1, pdu(4, pdv(3, COMMAND | LAST, said.command())) + pdu(4, pdv(3, LAST, said.data)))
    which = random.randrange(len(parts))
    parts[which] = changed(random, parts[which], 300)
    return b"".join(parts)
