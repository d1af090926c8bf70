"""How long results take after the last image of a study of two series, with and without early starts.

A chest CT comes first, which the shipped model of nodules reads; then a larger series that no model wants, on a slow
line. Two nodes, one after the other: nothing but `assembly.early` differs.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from benchmarks import machine, table
from dicom_node.scu.store import Outgoing
from tests.support import counterparts
from tests.support.node import Node
from tests.support.senders import instance, paced

_OTHER = generate_uid()
_PAUSE = 0.1  # s between two images of the second series
_LARGER = 3  # times the first series
_SETTLE = "5"  # s
_SAID = """{first} CT images of one series, as fast as they go, then {second} of a series that no model wants, one each
{pause:g} s; `assembly.settle` is {settle} s. Seconds from the last C-STORE response until the study is complete, until
the findings of nodules count, and until their results are written."""
_COUNTS = """
SELECT (SELECT count(*) FROM dicom_node.studies WHERE state = 'complete'),
       (SELECT count(*) FROM dicom_node.jobs WHERE state = 'succeeded'), (SELECT count(*) FROM dicom_node.results)
"""


@dataclass(frozen=True)
class _Measured:
    complete: float
    found: float
    written: float
    runs: int


def run(arguments: Sequence[str]) -> None:
    """Run it; `--quick` sends a second series no larger than the first and keeps nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks early", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter second series; the results are not kept")
    quick = parser.parse_args(arguments).quick
    files = sorted(counterparts.data("ct_chest_lidc0001").glob("*.dcm"))
    datasets = [dcmread(one) for one in files]
    others = [one for _ in range(1 if quick else _LARGER) for one in _others(datasets)]
    series = [[instance(one) for one in each] for each in (datasets, others)]
    with tempfile.TemporaryDirectory(prefix="dicom-node-early-") as name:
        folder = Path(name)
        shutil.copytree(counterparts.ROOT / "models" / "ct_nodules", folder / "models" / "ct_nodules")
        found = {early: _measure(folder, early, *series) for early in (False, True)}
        said = _SAID.format(first=len(datasets), second=len(others), pause=_PAUSE, settle=_SETTLE)
        text = f"{machine.describe(folder)}.\n\n{said}\n\n{_table(found)}"
    print(f"\n{text}")
    if not quick:
        table.keep("Early starts", text)


def _others(datasets: Sequence[Dataset]) -> Iterator[Dataset]:
    """The same pictures in another series, of a modality that no model here reads."""
    for one in datasets:
        other = Dataset()
        other.update(one)
        other.Modality, other.SeriesInstanceUID, other.SOPInstanceUID = "MR", _OTHER, generate_uid()
        other.SeriesNumber = 99
        yield other


def _measure(folder: Path, early: bool, first: Sequence[Outgoing], second: Sequence[Outgoing]) -> _Measured:
    env = {"DICOM_NODE_ASSEMBLY__SETTLE": _SETTLE, "DICOM_NODE_ASSEMBLY__EARLY": str(early).lower()}
    with Node(folder / f"early-{early}", models=folder / "models", env=env) as node:
        line = paced(node, [*first, *second])
        for number, _ in enumerate(line, 1):
            if len(first) <= number < len(first) + len(second):
                time.sleep(_PAUSE)
        last = time.monotonic()
        with psycopg.connect(node.superuser_url.replace("+psycopg", ""), autocommit=True) as connection:
            complete, found, written = (_until(connection, column) - last for column in range(3))
            begun = connection.execute("SELECT sum(attempts), bool_and(started_early <> '') FROM dicom_node.jobs")
            runs, was_early = begun.fetchone() or (0, False)
        if was_early is not early:
            raise RuntimeError("what was to be measured did not happen")
        return _Measured(complete, found, written, int(runs))


def _until(connection: "psycopg.Connection[tuple[int, ...]]", column: int) -> float:
    """When the study is complete (0), its findings count (1), or its results are there (2)."""
    ends = time.monotonic() + 600
    while time.monotonic() < ends:
        row = connection.execute(_COUNTS).fetchone()
        if row and row[column]:
            return time.monotonic()
        time.sleep(0.05)
    raise TimeoutError("the results did not come")


def _table(found: dict[bool, _Measured]) -> str:
    rows = [
        [
            "with early starts" if early else "without",
            *map(table.seconds, (one.complete, one.found, one.written)),
            str(one.runs),
        ]
        for early, one in found.items()
    ]
    return table.table(["", "complete", "findings", "results written", "runs of the model"], rows)
