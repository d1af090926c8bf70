"""The benchmark from its options to its section in RESULTS.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from benchmarks import machine, table
from benchmarks.segmentation import cases, sides
from benchmarks.segmentation.sides import FORMS, SIDES, WHOLE, Measured, takes
from tests.support.counterparts import ROOT

_TITLES = {"balls": "Ten balls of radius 60 in 512x512x400", "lungs": "Two lungs in a CT of 512x512x133"}
# What a side wrote of each form, round after round.
Record = Mapping[tuple[str, str], Sequence[Measured]]


def run(arguments: Sequence[str]) -> None:
    """Run it: `--rounds N` for other medians than of five."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks segmentation", description=run.__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: five)")
    parser.add_argument("--quick", action="store_true", help="one round; the results are not kept")
    options, _ = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dicom-node-segmentation-") as name:
        folder = Path(name)
        made = {"balls": cases.ten_balls(folder / "balls"), "lungs": cases.two_lungs(folder / "lungs")}
        records: dict[str, Record] = {}
        for title, case in made.items():
            if case:
                records[title] = _measured(title, case.folder, 1 if options.quick else options.rounds)
        text = _section(records, machine.describe(folder))
    print(f"\n{text}")
    if not options.quick:
        table.keep("Segmentation", text)


def _measured(title: str, folder: Path, rounds: int) -> Record:
    """Every side in every form, in turn; each round the other way round."""
    record: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    turns = [(side, name) for name, form in FORMS.items() for side in _present() if takes(side, form)]
    turns.append((WHOLE, "binary"))
    for number in range(rounds):
        print(f"{title}: round {number + 1} of {rounds}", flush=True)
        for side, form in turns if number % 2 == 0 else reversed(turns):
            record[side, form].append(_in_a_process(side, form, folder))
    return record


def _present() -> list[str]:
    return [side for side in SIDES if side != "dcmqi" or sides.program_of_dcmqi()]


def _in_a_process(side: str, form: str, folder: Path) -> Measured:
    out = folder / "out.dcm"
    out.unlink(missing_ok=True)
    os.sync()  # what is still to go to the disk is not on the next one's account
    command = [sys.executable, str(Path(sides.__file__)), side, form, str(folder), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{side} has not written {form}: {done.stderr.strip()[-2000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _section(records: Mapping[str, Record], where: str) -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("highdicom", "dcmqi", "pydicom", "numpy"))
    tables = "\n\n".join(f"### {_TITLES[title]}\n\n{rows(record)}" for title, record in records.items())
    return f"""{where}. {versions}.

From a label volume in memory to a closed file: medians of rounds in which the sides take turns, each time in a fresh
process. The node and highdicom have read the headers of the source's files before and have written the file once; both
are told the same of the segments, the series and the equipment. dcmqi's `itkimage2segimage` is a program: its time
holds its start and the reading of an uncompressed NRRD file and of the source's files. "write()" is the node as a job
runs it, the reading of the source's files in it. Seconds of the processor do not hold what other work on the machine
took. In brackets: how many times the node's time that is. Memory is the most that the process ever held, the volume
(105 MB and 35 MB), Python and its libraries in it.

{tables}
"""


def rows(record: Record) -> str:
    """One table: a row for each form and side."""
    heads = ("form", "by", "seconds", "of the processor", "bytes", "memory")
    lines = [
        _line(form, side, record[side, form], record["node", form])
        for form in FORMS
        for side in (*SIDES, WHOLE)
        if (side, form) in record
    ]
    return table.table(heads, lines)


def _line(form: str, side: str, measured: Sequence[Measured], ours: Sequence[Measured]) -> list[str]:
    clock = _compared([one.seconds for one in measured], [one.seconds for one in ours])
    processor = _compared([one.processor for one in measured], [one.processor for one in ours])
    resident = max(one.resident for one in measured)
    return [form, side, clock, processor, f"{measured[-1].size:,}", table.megabytes(resident)]


def _compared(seconds: Sequence[float], ours: Sequence[float]) -> str:
    """The median, and how many times the node's it is."""
    median = statistics.median(seconds)
    return f"{median:.3f} s" + ("" if seconds == ours else f" ({median / statistics.median(ours):.1f}x)")
