"""How many images an archive says that a study has which it sends itself: the study is complete with the last one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from config.peers import Source
from consumers.steps.ask_counts import CountAsker
from consumers.steps.assemble import Assembler
from dicom_node.scu.store import Verdict, outgoing, send
from dicom_node.spool import Peer
from domain.completeness import SettlePolicy
from tests.support import phantoms
from tests.support.archives import QueryArchive
from tests.support.bench import Bench
from tests.support.ingest import send as bring
from tests.support.processes import free_port
from tests.support.scripted import at
from tests.support.working import SMALL

STUDY = replace(SMALL, study="counted").datasets()
SETTLE = 60
BETWEEN = 2.0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryArchive]:
    with QueryArchive(tmp_path_factory.mktemp("archive")) as server:
        yield server


@pytest.fixture
def source(archive: QueryArchive) -> Source:
    return Source(name="ARCHIVE", aet=archive.aet, host="127.0.0.1", port=archive.port)


def archived(archive: QueryArchive, datasets: list[Dataset], folder: Path) -> None:
    paths = phantoms.write(datasets, folder)
    sent = send([outgoing(path) for path in paths], at(archive.aet, archive.port), "TEST")
    assert {one.verdict for one in sent} == {Verdict.STORED}


def comes(bench: Bench, datasets: list[Dataset], calling: str = "QRSCP", address: str = "127.0.0.1") -> None:
    """Images, and more than a second of silence behind them."""
    bring(bench.writer, datasets, Peer(calling, "NODE", address))
    bench.index()
    bench.as_owner(
        "UPDATE dicom_node.studies SET last_received = last_received - interval '2 s'",
        "UPDATE dicom_node.associations SET closed_at = closed_at - interval '2 s'",
    )


def asker(bench: Bench, *sources: Source) -> CountAsker:
    return CountAsker(bench.as_process("assemble"), sources, "NODE", bench.clock)


def expected(bench: Bench) -> list[tuple[str, int]]:
    found = bench.ask("SELECT source, instances FROM dicom_node.expectations WHERE series_uid = ''")
    return [(source, instances) for source, instances in found]


def study(bench: Bench) -> tuple[str, str]:
    ((state, reason),) = bench.ask("SELECT state, completeness FROM dicom_node.studies")
    return state, reason


def test_a_study_is_complete_with_the_last_image_that_its_archive_counted_and_not_before(
    bench: Bench, archive: QueryArchive, source: Source, tmp_path: Path
) -> None:
    archived(archive, STUDY, tmp_path / "files")
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(SETTLE, {}), bench.clock)
    counting = asker(bench, source)
    comes(bench, STUDY[:3])
    counting.step()
    assert expected(bench) == [], "one answer is no expectation: the archive may still receive the study"
    bench.clock.sleep(BETWEEN)
    counting.step()
    assert expected(bench) == [("ARCHIVE says", 4)]
    assembler.step()
    assert study(bench)[0] == "receiving"
    comes(bench, STUDY[3:])
    assembler.step()
    assert study(bench) == ("complete", "all 4 images came (ARCHIVE says)")
    assert bench.chain_holds()


def test_a_count_that_grows_is_no_expectation_yet(
    bench: Bench, archive: QueryArchive, source: Source, tmp_path: Path
) -> None:
    growing = replace(SMALL, study="growing").datasets()
    counting = asker(bench, source)
    comes(bench, growing[:1])
    for number in (2, 3):
        archived(archive, growing[:number], tmp_path / str(number))
        counting.step()
        bench.clock.sleep(BETWEEN)
    assert expected(bench) == []
    counting.step()
    assert expected(bench) == [("ARCHIVE says", 3)]


def test_an_archive_is_not_asked_about_what_somebody_else_has_sent(bench: Bench, source: Source) -> None:
    comes(bench, STUDY, "SCANNER", "192.0.2.7")
    counting = asker(bench, source)
    for _ in range(3):
        counting.step()
        bench.clock.sleep(BETWEEN)
    assert expected(bench) == []


def test_an_archive_that_is_away_holds_no_study_up_and_is_left_alone(bench: Bench) -> None:
    away = Source(name="AWAY", aet="AWAY", host="127.0.0.1", port=free_port())
    comes(bench, STUDY, "AWAY")
    counting = asker(bench, away)
    counting.step()
    bench.clock.sleep(BETWEEN)
    assert counting._archives.asked() == []
    counting.step()
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(SETTLE, {}), bench.clock)
    assembler.step()
    bench.clock.sleep(SETTLE)
    assembler.step()
    assert study(bench)[0] == "complete"
