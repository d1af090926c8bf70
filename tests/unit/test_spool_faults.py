"""Writes that fail: what was acknowledged comes out once and whole, whatever the failed call left on disk."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.spool import PART, Close, Entry, Kind, SpoolReader, SpoolUnavailable, SpoolWriter
from tests.support.faulty_disk import Fault, FaultyDisk, faulty_disk
from tests.support.processes import wait_for
from tests.support.spool import PEER, SMALL, entries, instances, put, send, writing

LARGE = 2 * PART + 77


@dataclass
class Bench:
    """A writer on a faulty disk, its reader, and what came out."""

    root: Path
    disk: FaultyDisk
    writer: SpoolWriter
    reader: SpoolReader
    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    found: list[Entry] = field(default_factory=list)
    got: list[tuple[str, bytes]] = field(default_factory=list)

    def look(self) -> None:
        """Read what is there, and its data, and take it over."""
        while batch := self.reader.poll(0):
            self.keep(batch)

    def keep(self, batch: list[Entry]) -> None:
        self.got += [(entry.sop_instance, entry.data()) for entry in batch if entry.kind is Kind.INSTANCE]
        self.found += batch
        self.reader.checkpoint(batch)

    def drain(self) -> None:
        """Read until the association is closed, which the writer may have to try again, and what is behind that."""
        while not any(entry.kind is Kind.ASSOCIATION_CLOSED for entry in self.found):
            batch = self.reader.poll(10)
            assert batch, "the association was never closed"
            self.keep(batch)
        self.look()

    def send(self, sizes: list[int], after_each: Callable[[], None] = lambda: None) -> None:
        """An association whose instances have these sizes."""
        association = self.writer.open_association(PEER, {})
        for size in sizes:
            uid, data = f"1.2.{len(self.sent)}", os.urandom(size)
            self.sent[uid] = data
            try:
                put(association, uid, data)
                self.acknowledged.add(uid)
            except SpoolUnavailable as error:
                association.abandon()
                association.refuse("1.2", uid, 0xA700, str(error))
            after_each()
        self.writer.close_association(association, Close.RELEASED, "")

    def check(self) -> None:
        """Each acknowledged instance once and whole, nothing damaged, the association closed once."""
        self.drain()
        assert [e.details for e in self.found if e.kind is Kind.DAMAGED] == []
        assert max(Counter(uid for uid, _ in self.got).values(), default=1) == 1
        assert all(self.sent[uid] == data for uid, data in self.got)
        assert {uid for uid, _ in self.got} >= self.acknowledged
        closes = [e.details["how"] for e in self.found if e.kind is Kind.ASSOCIATION_CLOSED]
        assert closes == ["released"]
        orders = [e.sequence for e in self.found if e.association == self.found[-1].association]
        assert orders == sorted(orders)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader, faulty_disk() as disk:
        made = Bench(tmp_path, disk, writer, reader)
        disk.look = made.look
        yield made


def of_kind(kind: Kind) -> Callable[[int, bytes], bool]:
    """Whether a write is the record of `kind`."""
    return lambda offset, data: offset > 0 and int.from_bytes(data[10:12], "little") == kind


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("kind", [Kind.ASSOCIATION_OPENED, Kind.PART, Kind.INSTANCE, Kind.ASSOCIATION_CLOSED])
def test_a_record_whose_write_failed_is_written_elsewhere_and_counts_once(
    bench: Bench, fault: Fault, kind: Kind
) -> None:
    bench.disk.only, bench.disk.faults = of_kind(kind), {1: fault, 4: fault}
    bench.send([LARGE, 300, LARGE])
    bench.check()
    assert bench.acknowledged == set(bench.sent)


@pytest.mark.parametrize("fault", Fault)
def test_a_header_whose_write_failed_hides_no_record_written_later(bench: Bench, fault: Fault) -> None:
    bench.disk.only, bench.disk.faults = lambda offset, _: offset == 0, {1: fault, 3: fault}
    bench.send([LARGE] * 4, bench.look)
    bench.check()
    assert bench.acknowledged == set(bench.sent)


@pytest.mark.parametrize("fault", Fault)
def test_an_instance_that_cannot_be_written_twice_is_refused_and_is_never_damaged(bench: Bench, fault: Fault) -> None:
    bench.disk.only, bench.disk.faults = of_kind(Kind.INSTANCE), {1: fault, 2: fault, 3: fault, 4: fault}
    bench.send([LARGE, 300, LARGE, 300])
    bench.check()
    assert len(bench.acknowledged) == 2


def size(file: Path) -> int:
    """Bytes of a segment; 0 of one that is given back at this very moment."""
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0


def test_a_segment_whose_write_failed_is_read_to_its_last_proven_record_and_given_back(bench: Bench) -> None:
    bench.disk.only = of_kind(Kind.INSTANCE)
    bench.disk.faults = dict.fromkeys(range(1, 400, 2), Fault.EVERYTHING)
    # Each instance fails once: without the segments' return the spool of eight would be used up by the ninth.
    bench.send([3000] * 60, bench.look)
    bench.check()
    assert bench.acknowledged == set(bench.sent)
    bench.disk.faults = {}
    assert sum(map(size, (bench.root / "0").glob("*.seg"))) <= SMALL.capacity


def test_a_part_that_is_only_proven_elsewhere_is_read_from_there(bench: Bench) -> None:
    """The reader had the part from the failed write, whose segment is cut before the instance is complete."""
    bench.disk.only, bench.disk.faults = of_kind(Kind.PART), {1: Fault.SEEN}
    bench.send([LARGE])
    bench.look()
    assert bench.got == list(bench.sent.items())


def test_a_close_that_was_read_from_a_failed_write_and_is_repeated_later_comes_once(bench: Bench) -> None:
    bench.disk.only, bench.disk.faults = of_kind(Kind.ASSOCIATION_CLOSED), {1: Fault.SEEN, 2: Fault.NOTHING}
    bench.send([300])

    def is_repeated() -> bool:
        bench.look()  # what is read gives segments back
        return not bench.writer._unclosed.waiting()

    wait_for(is_repeated, 60, "the close to be written again")
    bench.check()


def test_what_a_failed_write_left_behind_is_no_record_for_the_next_reader(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, faulty_disk() as disk:
        disk.only, disk.faults = of_kind(Kind.INSTANCE), {2: Fault.EVERYTHING}
        send(writer, [("1.1", b"first"), ("1.2", b"second"), ("1.3", b"third")])
    with SpoolReader(tmp_path) as reader:
        found = list(entries(reader))
    assert Counter(entry.sop_instance for entry in found if entry.kind is Kind.INSTANCE) == Counter(
        ["1.1", "1.2", "1.3"]
    )
    assert instances(found) == {"1.1": b"first", "1.2": b"second", "1.3": b"third"}


faults = st.dictionaries(st.integers(1, 40), st.sampled_from(Fault), max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 3000, 30_000, PART, LARGE]), min_size=1, max_size=6),
    faults=faults,
    looks=st.booleans(),
)
def test_whatever_fails_an_acknowledged_instance_comes_out_once_and_whole(
    sizes: list[int], faults: dict[int, Fault], looks: bool
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        writing(Path(folder)) as writer,
        SpoolReader(Path(folder)) as reader,
        faulty_disk() as disk,
    ):
        made = Bench(Path(folder), disk, writer, reader)
        disk.look = made.look
        disk.faults = faults
        made.send(sizes, made.look if looks else lambda: None)
        disk.faults = {}
        made.check()
        association = writer.open_association(PEER, {})
        put(association, "9.9", b"the pool still serves")
        writer.close_association(association, Close.RELEASED, "")
        assert instances(entries(reader)) == {"9.9": b"the pool still serves"}
