"""How long a study waits until it is known to be complete, and by which evidence.

A hundred made sendings run through spool, index, database and assembler in a time of their own, and what rules of
silence alone make of the same sendings is worked out beside it. Then a node as it runs is sent studies by the clock.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import psycopg

from benchmarks import machine, table
from consumers.steps import index
from domain.habits import KNOWN
from tests.support.bench import open_bench
from tests.support.node import Node
from tests.support.phantoms import Phantom
from tests.support.senders import instance, paced
from tests.support.sendings import POLICY, Completed, Sending, by_silence, made, play
from tests.support.servers import Postgres

_SEED = 14
# What others go by, as their documents state it: s without anything of a study.
_RULES = {
    "MONAI Deploy": 5.0,
    "Orthanc, mercure (a series)": 60.0,
    "PACS-AI": 660.0,
    "mercure (a study)": 900.0,
}
_SAID = """{number} sendings of {kinds} kinds, made from a seed, side by side through the real spool, index, database
and assembler, by a clock that goes from step to step; `assembly` as by default. Seconds from a study's last image until
it is complete, the longest of its kind; in brackets how often it was complete, where that is more than once. Each was
complete for the reason that is true. The others' columns are no measurements: they are what their published rules come
to on the same sendings (five seconds of silence; a study or a series that was stable for 60 s; counts that stay the
same for eleven minutes; 900 s for a study). None of these rules tells that images are missing."""
_BY_THE_CLOCK = """A node as `dicom-node up` starts it, without models, is sent {studies} studies of {slices} images of
128x128 one after the other, over an association each. Seconds from the last C-STORE response until the database says
that the study is complete, and how many of them are behind the last that the index committed of it. By counts it is so
while the association is still open."""
_STUDIES, _SLICES = 10, 60
_STATE = """
    SELECT s.state, extract(epoch FROM s.since - greatest(s.last_received, max(a.closed_at)))
    FROM dicom_node.studies s JOIN dicom_node.study_associations sa ON sa.study_id = s.id
    JOIN dicom_node.associations a ON a.id = sa.association_id WHERE s.study_uid = %s GROUP BY s.id
"""
_Row = tuple[str, float]


@dataclass(frozen=True)
class _Waited:
    """Seconds behind the last response, and those of them behind the last that the index committed of the study."""

    whole: float
    decided: float


def run(arguments: Sequence[str]) -> None:
    """Run it; `--quick` keeps nothing, and sends 3 studies of each kind by the clock."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks completeness", description=run.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer studies; the results are not kept")
    quick = parser.parse_args(arguments).quick
    with tempfile.TemporaryDirectory(prefix="dicom-node-completeness-") as name:
        folder = Path(name)
        sendings = made(100, _SEED)
        played = _table(sendings, _play(folder, sendings))
        studies = 3 if quick else _STUDIES
        clocked = _clocked(folder, studies)
        kinds = len({one.kind for one in sendings})
        text = f"{machine.describe(folder)}.\n\n{_SAID.format(number=len(sendings), kinds=kinds)}\n\n{played}"
        text += f"\n\n{_BY_THE_CLOCK.format(studies=studies, slices=_SLICES)}\n\n{clocked}"
    print(f"\n{text}")
    if not quick:
        table.keep("Completeness", text)


def _play(folder: Path, sendings: Sequence[Sending]) -> Mapping[str, list[Completed]]:
    gathers, index._GATHER = index._GATHER, 0.0  # nobody sends by this machine's clock
    try:
        with Postgres() as server, open_bench(folder, server.url(dbname=server.fresh_schema())) as bench:
            return play(bench, sendings)
    finally:
        index._GATHER = gathers


def _table(sendings: Sequence[Sending], found: Mapping[str, list[Completed]]) -> str:
    rows = []
    for kind in dict.fromkeys(one.kind for one in sendings):
        alike = [one for one in sendings if one.kind == kind]
        studies = [(one.arrivals(uid), [done.at for done in found[uid]]) for one in alike for uid in one.studies]
        wrong = [one for one in alike for uid in one.studies if one.why not in found[uid][-1].reason]
        assert not wrong, f"{kind}: another reason than the true one"
        others = [[(came, list(by_silence(came, quiet))) for came, _ in studies] for quiet in _RULES.values()]
        rows.append([kind, str(len(studies)), *(_cell(ends) for ends in (studies, *others))])
    return table.table(["sendings", "studies", "this node", *_RULES], rows)


def _cell(ends: Sequence[tuple[Sequence[float], Sequence[float]]]) -> str:
    """The longest wait behind a last image, and how often one was complete at the most."""
    waited = max(max(0.0, complete[-1] - came[-1]) for came, complete in ends)
    times = max(len(complete) for _, complete in ends)
    return f"{waited:.1f}" + (f" ({times} times)" if times > 1 else "")


def _clocked(folder: Path, studies: int) -> str:
    with Node(folder / "node") as node:
        url = node.superuser_url.replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            counted = [_wait(node, connection, f"counted {number}", counts=True) for number in range(studies)]
            # The studies that were counted have made the sender known: it is made a stranger again.
            connection.execute("UPDATE dicom_node.callers SET studies = 0")
            unknown = [_wait(node, connection, f"unknown {number}") for number in range(KNOWN)]
            known = [_wait(node, connection, f"known {number}") for number in range(studies)]
    rows = {
        "its images state their number": counted,
        f"known sender, no number ({POLICY.grace:g} s of grace in it)": known,
        f"unknown sender, no number ({POLICY.default:g} s of silence in it)": unknown,
    }
    cells = [[name, *_seconds(waits)] for name, waits in rows.items()]
    return table.table(["study", "median", "longest", "behind the index, median", "longest"], cells)


def _seconds(waits: Sequence[_Waited]) -> Iterator[str]:
    for each in ([one.whole for one in waits], [one.decided for one in waits]):
        yield from (table.seconds(median(each)), table.seconds(max(each)))


def _wait(node: Node, connection: "psycopg.Connection[_Row]", name: str, counts: bool = False) -> _Waited:
    """From the last response of the sender until the study is complete."""
    datasets = replace(Phantom(slices=_SLICES), study=name).datasets()
    for one in datasets if counts else []:
        one.NumberOfStudyRelatedInstances = len(datasets)
    uid = datasets[0].StudyInstanceUID
    line = paced(node, [instance(one) for one in datasets])
    for number, _ in enumerate(line, 1):
        if number == len(datasets):
            last = time.monotonic()
            if counts:
                return _complete(connection, uid, last)  # the line is still open
    return _complete(connection, uid, last)


def _complete(connection: "psycopg.Connection[_Row]", uid: str, last: float) -> _Waited:
    while time.monotonic() < last + 120:
        row = connection.execute(_STATE, (uid,)).fetchone()
        if row and row[0] == "complete":
            return _Waited(time.monotonic() - last, float(row[1]))
        time.sleep(0.002)
    raise TimeoutError("the study did not complete")
