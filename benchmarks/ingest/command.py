"""The benchmark from its options to its section in RESULTS.md."""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import machine, table
from benchmarks.ingest import report, studies
from benchmarks.ingest.node import DurablePostgres, Node
from benchmarks.ingest.receivers import (
    AsyncDicomRs,
    Dcmrecv,
    DicomRs,
    ForkingStorescp,
    Orthanc,
    Receiver,
    StockPynetdicom,
    Storescp,
)
from benchmarks.ingest.rounds import Course, Leg, Make, Record
from benchmarks.ingest.rounds import run as run_rounds
from benchmarks.ingest.senders import PROMPT, PROMPT_DCMSEND, SENDERS
from tests.support.servers import Postgres

_ONE: tuple[type[Receiver], ...] = (DicomRs, Dcmrecv, Storescp, Orthanc, StockPynetdicom)
_EVERY: tuple[type[Receiver], ...] = (Node, *_ONE)
_FOUR: tuple[type[Receiver], ...] = (AsyncDicomRs, ForkingStorescp, Orthanc, StockPynetdicom)


@dataclass(frozen=True)
class Sizes:
    """How many slices are sent, and how often."""

    large: int
    small: int
    default: int  # from each sender in its default state; each costs the peers 44 ms
    long: int
    rounds: int


_FULL = Sizes(large=500, small=1000, default=200, long=2000, rounds=3)
_QUICK = Sizes(large=150, small=400, default=25, long=400, rounds=1)


@dataclass(frozen=True)
class Site:
    """Where it all happens."""

    folder: Path
    postgres: Postgres
    warm_up: studies.Files
    rounds: int

    def compare(self, peers: Sequence[type[Receiver]], legs: Sequence[Leg]) -> dict[str, Record]:
        """This node and those of `peers` that are installed, in turn."""
        makers: dict[str, Make] = {Node.name: partial(Node, postgres=self.postgres, log=self.folder / "log")}
        makers |= {peer.name: peer for peer in peers if peer.version()}
        return run_rounds(
            makers, Course(self.folder, tuple(legs), PROMPT, self.warm_up), self.rounds, partial(print, flush=True)
        )


def run(arguments: Sequence[str]) -> None:
    """Run it: `--quick` for a look in two minutes, `--rounds N` for other medians than of three."""
    options = _options(arguments)
    sizes = _QUICK if options.quick else _FULL
    rounds = options.rounds or sizes.rounds
    # An environment that is set by whoever calls is not a sender's default state.
    os.environ.pop("TCP_NODELAY", None)
    folder = Path(tempfile.mkdtemp(prefix="dicom-node-ingest-", dir=options.folder))
    try:
        disk = machine.synced_write(folder)
        with DurablePostgres() as postgres:
            print(f"making the studies in {folder}", flush=True)
            site = Site(folder, postgres, studies.small("warm-up", 20).write(folder / "studies"), rounds)
            text = "\n\n".join(step(site, sizes) for step in _STEPS)
        where = report.machine(machine.describe(folder), disk, machine.synced_write(folder))
        text = report.frame(where, _versions(), rounds, text)
    finally:
        shutil.rmtree(folder)
    print(f"\n{text}")
    if not options.quick:
        table.keep("Ingest", text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks ingest", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="small sets, one round; the results are not kept")
    parser.add_argument("--rounds", type=int, help="rounds instead of three (one with --quick)")
    parser.add_argument("--folder", type=Path, help="folder on the disk to be measured; the system's temporary one")
    return parser.parse_args(arguments)


def _one_association(site: Site, sizes: Sizes) -> str:
    made = [studies.large("large", sizes.large), studies.small("small", sizes.small)]
    legs = [_leg(f"{one.count} slices of {one.side}x{one.side}", site, one) for one in made]
    promises = {receiver.name: receiver.promise for receiver in _EVERY}
    return report.one_association(legs, site.compare(_ONE, legs), promises, _absent(_ONE))


def _default_senders(site: Site, sizes: Sizes) -> str:
    present = [sender for sender in SENDERS if sender.version()]
    legs = [
        Leg(sender.name, sender, (studies.small(f"default-{number}", sizes.default).write(site.folder / "studies"),))
        for number, sender in enumerate(present)
    ]
    missing = [sender.name for sender in SENDERS if not sender.version()]
    return report.default_senders(sizes.default, legs, site.compare(_ONE, legs), _absent(_ONE), missing)


def _four_associations(site: Site, sizes: Sizes) -> str:
    made = [studies.small(f"quarter-{number}", sizes.small // 4) for number in range(4)]
    leg = _leg(f"4 x {sizes.small // 4} slices of 140x140", site, *made)
    return report.four_associations(leg, site.compare(_FOUR, [leg]), _absent(_FOUR))


def _long_study(site: Site, sizes: Sizes) -> str:
    leg = _leg(f"{sizes.long} slices of 512x512", site, studies.large("long", sizes.long))
    return report.long_study(leg, site.compare((), [leg])[Node.name])


_STEPS: tuple[Callable[[Site, Sizes], str], ...] = (_one_association, _default_senders, _four_associations, _long_study)


def _leg(name: str, site: Site, *made: studies.Study) -> Leg:
    return Leg(name, PROMPT_DCMSEND, tuple(one.write(site.folder / "studies") for one in made))


def _absent(peers: Sequence[type[Receiver]]) -> list[str]:
    return [peer.name for peer in peers if not peer.version()]


def _versions() -> list[str]:
    every = (Node.version(), *(peer.version() for peer in _ONE), *(sender.version() for sender in SENDERS))
    return [one for one in dict.fromkeys(every) if one]
