"""What the trail costs and yields: entries appended beside plain INSERTs, verified, exported, proven, found.

PostgreSQL keeps its data in memory and syncs nothing, so that what is compared is work and not the disk: on a disk both
sides wait for the same sync of each commit, and the ratio is nearer to one.
"""

import argparse
import base64
import io
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from sqlalchemy import text

from audit import trail_verifier
from audit.actions import Action
from audit.canonical import canonical
from audit.checkpoints import Sealer
from audit.export.exporting import Asked, json_lines_export
from audit.export.sealing import sealed
from audit.keys import KeyFolder
from audit.proving import verify_database
from audit.trail import Ledger, newest_entries
from audit.tree import inclusion_proof
from benchmarks import machine, table
from domain.clock import SystemClock
from domain.ids import StudyId
from store.database import Database
from store.grants import AUDITOR, WHOEVER, role_of
from store.trail import EntryFilter
from tests.support.servers import Postgres

_DETAILS = {"caller": "CT1", "address": "192.0.2.7", "instances": [f"1.2.826.0.1.{number}" for number in range(4)]}
_OF_A_STUDY = 20  # entries
_PLAIN = "CREATE TABLE public.plain (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry text NOT NULL)"
_LARGE = 80_000_000
_SAID = """{rounds} rounds in turn, medians; PostgreSQL with its data in memory and without syncs. Beside the trail the
same text is inserted into a table with a number and nothing else. Then the trail is made {entries} entries long,
{each} of each study, and sealed."""


@dataclass(frozen=True)
class _Trail:
    """One database, as those who write, seal and read it have it."""

    writer: Ledger
    sealer: Sealer
    reader: Database
    keys: KeyFolder


def run(arguments: Sequence[str]) -> None:
    """Run it; `--entries N` how long the trail is made, `--rounds N`, `--quick` for a look that is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks audit", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="few entries, one round; the results are not kept")
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    rounds, entries = (1, 4000) if options.quick else (options.rounds, options.entries)
    with tempfile.TemporaryDirectory(prefix="dicom-node-audit-") as name, Postgres() as server:
        folder, trail = Path(name), _trail(server, Path(name))
        parts = [_appended(trail.writer, rounds), _grown(trail, entries), _proof_sizes()]
        said = _SAID.format(rounds=rounds, entries=entries, each=_OF_A_STUDY)
        shown = "\n\n".join([f"{machine.describe(folder)}.", said, *parts])
    print(f"\n{shown}")
    if not options.quick:
        table.keep("Audit", shown)


def _trail(server: Postgres, folder: Path) -> _Trail:
    name = server.fresh_schema()
    url = server.url(dbname=name)
    with server.connect(name) as connection:
        connection.execute(_PLAIN)
        connection.execute("GRANT INSERT ON public.plain TO PUBLIC")
    keys = KeyFolder(folder / "seal")
    sealer = Sealer(Ledger(Database(url, role=role_of("seal")), "seal"), keys, SystemClock(), "benchmark")
    return _Trail(Ledger(Database(url, role=WHOEVER), "index"), sealer, Database(url, role=role_of(AUDITOR)), keys)


def _appended(writer: Ledger, rounds: int) -> str:
    """Entries a second, one and a hundred in a transaction."""
    took: dict[tuple[int, str], list[float]] = {}
    for _ in range(rounds + 1):
        for together, count in ((1, 300), (100, 5000)):
            for name, append in (("plain INSERTs", _insert), ("the trail", _record)):
                begun = time.perf_counter()
                for _turn in range(count // together):
                    append(writer, together)
                took.setdefault((together, name), []).append(count / (time.perf_counter() - begun))
    rows = []
    for together in (1, 100):
        plain, trail = (median(took[together, name][1:]) for name in ("plain INSERTs", "the trail"))
        rows.append((f"{together} in a transaction", f"{plain:,.0f}", f"{trail:,.0f}", f"{trail / plain:.2f}"))
    return table.table(("entries a second", "plain INSERTs", "the trail", "ratio"), rows)


def _insert(writer: Ledger, together: int) -> None:
    entry = canonical({"number": 1, "at": "2026-01-01T00:00:00.000000+00:00", "details": _DETAILS})
    with writer.database.transaction() as connection:
        connection.execute(text("INSERT INTO public.plain (entry) VALUES (:entry)"), [{"entry": entry}] * together)


def _record(writer: Ledger, together: int) -> None:
    with writer.transaction() as transaction:
        for _ in range(together):
            transaction.record(Action.RECEIVED, StudyId(uuid.uuid4()), **_DETAILS)


def _grown(trail: _Trail, entries: int) -> str:
    """What reading and proving a long trail takes."""
    some = _fill(trail.writer, entries)
    while trail.sealer.seal():
        pass
    keys = [one.verifier for one in trail.keys.known()]
    export = io.BytesIO()
    took = [
        ("verified in the database, entries a second", _rate(lambda: _verified(trail))),
        ("exported with proof, entries a second", _rate(lambda: _exported(trail, export, Asked()))),
        ("verified in an export by the one file, entries a second", _rate(lambda: _judged(export, str(keys[0])))),
    ]
    rows = [(name, f"{rate:,.0f}") for name, rate in took]
    of_study = Asked("entries of one study", EntryFilter(study=some))
    found = _seconds(lambda: newest_entries(trail.reader, 200, of_study.wanted))
    out = _seconds(lambda: _exported(trail, io.BytesIO(), of_study))
    rows += [(f"the {_OF_A_STUDY} entries of one study found", _milliseconds(found))]
    rows += [("exported, each with its proof", _milliseconds(out))]
    return table.table((f"a trail of {entries} entries and those before", ""), rows)


def _fill(writer: Ledger, entries: int) -> StudyId:
    """The id of one of the studies."""
    studies = [StudyId(uuid.uuid4()) for _ in range(max(entries // _OF_A_STUDY, 1))]
    for begin in range(0, entries, 2000):
        with writer.transaction() as transaction:
            for number in range(begin, min(begin + 2000, entries)):
                transaction.record(Action.RECEIVED, studies[number % len(studies)], **_DETAILS)
    return studies[len(studies) // 2]


def _verified(trail: _Trail) -> int:
    verdict = verify_database(trail.reader, [one.verifier for one in trail.keys.known()])
    assert verdict.intact, verdict
    return verdict.chain.checked


def _exported(trail: _Trail, file: io.BytesIO, asked: Asked) -> int:
    keys = [one.verifier for one in trail.keys.known()]
    made = json_lines_export(trail.reader, asked, sealed(trail.reader, keys), SystemClock().now())
    file.seek(0)
    file.writelines(made)
    return made.count


def _judged(export: io.BytesIO, key: str) -> int:
    export.seek(0)
    verdict = trail_verifier.Export(export, [trail_verifier.Key.parse(key)]).judge()
    assert not verdict.code, verdict
    return verdict.entries


def _rate(act: Callable[[], int]) -> float:
    begun = time.perf_counter()
    return act() / (time.perf_counter() - begun)


def _seconds(act: Callable[[], object]) -> float:
    """The median of five, after one that warms up."""
    took = []
    for _ in range(6):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return median(took[1:])


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _proof_sizes() -> str:
    """Computed: a proof is as long as its entry's path, whatever its hashes are."""
    rows = []
    for size in (1, 1000, 1_000_000, _LARGE):
        step = max(size // 1000, 1)
        paths = [inclusion_proof(at, size, lambda _level, _index: bytes(32)) for at in range(0, size, step)]
        lengths = [len(path) for path in paths]
        line = max(len(json.dumps([base64.b64encode(one).decode() for one in path])) for path in paths)
        rows.append((f"{size:,}", f"{mean(lengths):.1f}", f"{max(lengths)}", f"{32 * max(lengths):,} B", f"{line:,} B"))
    return table.table(("entries", "hashes, mean", "at most", "bytes of them", "in an export"), rows)
