"""Rounds: every receiver in turn, again and again, and the median of what each round took."""

import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ingest.receivers import Receiver
from benchmarks.ingest.senders import PROMPT_DCMSEND, Sender, send
from benchmarks.ingest.studies import Files
from tests.support.processes import wait_for

# s: what takes this long is so far from the rest that a median adds nothing but minutes.
_PATIENCE = 3.0
_LATEST = 60.0


@dataclass(frozen=True)
class Leg:
    """What is sent at once: one association for each of `batches`."""

    name: str
    sender: Sender
    batches: tuple[Files, ...]

    @property
    def count(self) -> int:
        """Instances in all."""
        return sum(len(files.paths) for files in self.batches)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(files.size for files in self.batches)


@dataclass(frozen=True)
class Sample:
    """One leg: seconds until the senders had ended, and how much later the receiver held everything (s)."""

    sent: float
    behind: float
    memory: Mapping[str, int]


@dataclass
class Record:
    """All samples of one receiver, by leg."""

    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def sent(self, leg: str) -> float:
        """The median of the seconds."""
        return statistics.median(sample.sent for sample in self.samples[leg])

    def behind(self, leg: str) -> float:
        """The median of the delay (s) between the last response and the last row."""
        return statistics.median(sample.behind for sample in self.samples[leg])

    def memory(self) -> dict[str, int]:
        """The most bytes resident, by process, over all legs and rounds."""
        most: dict[str, int] = defaultdict(int)
        for samples in self.samples.values():
            for sample in samples:
                for process, size in sample.memory.items():
                    most[process] = max(most[process], size)
        return dict(most)

    def wants(self, leg: str) -> bool:
        """Whether another round of `leg` is worth its time."""
        return not self.samples[leg] or self.sent(leg) < _PATIENCE


@dataclass(frozen=True)
class Course:
    """What a table's rounds have in common: legs in order, the receivers' environment, the first files.

    `folder` is where each receiver gets an empty folder of its own each time.
    """

    folder: Path
    legs: tuple[Leg, ...]
    env: Mapping[str, str]
    warm_up: Files


Make = Callable[[Path, Mapping[str, str]], Receiver]


def run(receivers: Mapping[str, Make], course: Course, rounds: int, say: Callable[[str], None]) -> dict[str, Record]:
    """All receivers in turn, `rounds` times; the records by receiver's name."""
    records = {name: Record() for name in receivers}
    for number in range(1, rounds + 1):
        for name, make in receivers.items():
            legs = [leg for leg in course.legs if records[name].wants(leg.name)]
            for leg, sample in zip(legs, _play(make, course, legs), strict=True):
                records[name].samples[leg.name].append(sample)
                say(f"round {number}  {name:34} {leg.name:32} {sample.sent:7.2f} s  +{sample.behind:.2f} s")
    return records


def _play(make: Make, course: Course, legs: Sequence[Leg]) -> list[Sample]:
    if not legs:
        return []
    # Nothing is deleted before the end: ext4 does not like to give out again what was freed in the last minutes, and
    # searches long for other inodes.
    receiver = make(Path(tempfile.mkdtemp(dir=course.folder)), course.env)
    with receiver:
        senders_log = receiver.folder / "senders.txt"
        send(PROMPT_DCMSEND, receiver.port, (course.warm_up,), senders_log)
        held = len(course.warm_up.paths)
        _await(receiver, held)
        receiver.settle()
        samples = []
        for leg in legs:
            held += leg.count
            samples.append(_measure(receiver, leg, held, senders_log))
        receiver.stop()
    return samples


def _measure(receiver: Receiver, leg: Leg, held: int, log: Path) -> Sample:
    # Nobody shall pay for pages that somebody else left dirty.
    os.sync()
    begun = time.perf_counter()
    send(leg.sender, receiver.port, leg.batches, log)
    sent = time.perf_counter()
    _await(receiver, held)
    return Sample(sent - begun, time.perf_counter() - sent, receiver.memory())


def _await(receiver: Receiver, held: int) -> None:
    """Wait until it holds exactly so many instances."""
    wait_for(
        lambda: receiver.held() >= held,
        _LATEST,
        f"{receiver.name} to hold {held} instances",
        lambda: f"it holds {receiver.held()}",
        interval=0.005,
    )
    if receiver.held() != held:
        raise AssertionError(f"{receiver.name} holds {receiver.held()} instances and was sent {held}")
