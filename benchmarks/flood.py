"""What a flood of one sender costs, and how long another sender's study waits behind it.

Thousands of studies of one image are indexed and due; then another sender's study comes. Beside the node stands the
same node without turns: whatever is due is announced at once, and models are chosen in the order of the log.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import event

from benchmarks import machine, table
from config.retries import EVENTS
from consumers.bus.loop import Consumer
from consumers.bus.postgres import PostgresBus
from consumers.steps.assemble import AHEAD, ROUTING, Assembler
from consumers.steps.route import Router
from dicom_node.spool import Peer
from domain.clock import SystemClock
from domain.completeness import SettlePolicy
from domain.events import EventType
from models.registry import Registry
from tests.support.bench import Bench, open_bench
from tests.support.ingest import send
from tests.support.packages import write_package
from tests.support.phantoms import Phantom
from tests.support.servers import Postgres

_FLOOD, _QUIET = Peer("FLOOD", "NODE", "127.0.0.1"), Peer("QUIET", "NODE", "127.0.0.2")
_ONE = Phantom(slices=1, size=(16, 16))
_SIDES = {"node": AHEAD, "first come, first served": None}
_PAUSE = 0.02  # s between two turns of the role
_SAID = """{studies} studies of one image by one sender, indexed and due, when a study of another sender comes; no model
wants any of them. Seconds until models were chosen for the other's study and for all; statements of the database for
each study from due to chosen, with those that only look whether something is due."""


@dataclass(frozen=True)
class _Measured:
    waited: float
    before: int
    whole: float
    statements: float


def run(arguments: Sequence[str]) -> None:
    """Run it; `--studies N` for another flood than of 2,000, `--quick` for one of 200 that is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks flood", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="200 studies; the results are not kept")
    parser.add_argument("--studies", type=int, default=2000, help="studies of the flood")
    options = parser.parse_args(arguments)
    studies = 200 if options.quick else options.studies
    with tempfile.TemporaryDirectory(prefix="dicom-node-flood-") as name, Postgres() as server:
        folder = Path(name)
        write_package(folder / "models")
        found = {side: _measure(server, folder, studies, ahead) for side, ahead in _SIDES.items()}
        text = f"{machine.describe(folder)}.\n\n{_SAID.format(studies=f'{studies:,}')}\n\n{_table(found)}"
    print(f"\n{text}")
    if not options.quick:
        table.keep("Flood", text)


def _measure(server: Postgres, folder: Path, studies: int, ahead: int | None) -> _Measured:
    root = Path(tempfile.mkdtemp(dir=folder))
    with open_bench(root, server.url(dbname=server.fresh_schema())) as bench:
        _bring(bench, _FLOOD, [f"flood {number}" for number in range(studies)])
        ledger = bench.as_process("assemble")
        assembler = Assembler(ledger, SettlePolicy(0, {}), SystemClock(), ahead)
        statements = _count(ledger.database._engine)
        begun = time.monotonic()
        assembler.step()
        _bring(bench, _QUIET, ["quiet"])
        came = time.monotonic()
        with _choosing(bench, folder):
            before = _until(bench, assembler, _chosen_for("QUIET"), 1)[0]
            waited = time.monotonic() - came
            _until(bench, assembler, "SELECT count(*) FROM dicom_node.decisions", studies + 1)
        return _Measured(waited, before, time.monotonic() - begun, statements[0] / (studies + 1))


def _bring(bench: Bench, peer: Peer, names: Sequence[str]) -> None:
    send(bench.writer, [replace(_ONE, study=name).datasets()[0] for name in names], peer)
    bench.index()


def _count(engine: Any) -> list[int]:
    counted = [0]

    def one_more(*_: object) -> None:
        counted[0] += 1

    event.listen(engine, "before_cursor_execute", one_more)
    return counted


@contextmanager
def _choosing(bench: Bench, folder: Path) -> Iterator[None]:
    """Models are chosen in a thread, as in the role."""
    ledger, stop = bench.as_process("assemble"), threading.Event()
    registry = Registry.load(folder / "models")
    router = Router(registry.packages.values, lambda: None)
    handlers = {EventType.STUDY_COMPLETED: router, EventType.STUDY_AMENDED: router}
    consumer = Consumer(PostgresBus(ledger.database), ledger, ROUTING, handlers, EVENTS, SystemClock(), stop)
    thread = threading.Thread(target=consumer.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _until(bench: Bench, assembler: Assembler, query: str, wanted: int) -> tuple[int, int]:
    """Turn after turn until the query counts so many; how many models had been chosen for by then, and that count."""
    while True:
        assembler.step()
        ((found,),) = bench.ask(query)
        if found >= wanted:
            ((chosen,),) = bench.ask("SELECT count(*) FROM dicom_node.decisions")
            return chosen - 1, found
        time.sleep(_PAUSE)


def _chosen_for(sender: str) -> str:
    return (
        "SELECT count(*) FROM dicom_node.decisions d JOIN dicom_node.study_associations USING (study_id) "
        f"JOIN dicom_node.associations a ON a.id = association_id WHERE a.calling_ae = '{sender}'"
    )


def _table(found: dict[str, _Measured]) -> str:
    ours = found["node"]
    rows = [
        (
            side,
            f"{table.seconds(one.waited)} ({one.waited / ours.waited:.1f}x)",
            f"{one.before:,}",
            f"{table.seconds(one.whole)} ({one.whole / ours.whole:.1f}x)",
            f"{one.statements:.1f}",
        )
        for side, one in found.items()
    ]
    return table.table(("", "the other's study", "of the flood before it", "all", "statements a study"), rows)
