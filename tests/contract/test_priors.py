"""Earlier studies: asked for where a model compares, fetched from DCMTK's archive and Orthanc, proven, not analysed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydicom import Dataset

from config.peers import Source
from config.settings import Listener as Listening
from config.settings import Spool
from consumers.steps.fetch_priors import PriorsFetcher
from consumers.steps.request_priors import request_priors
from consumers.steps.route import Router
from dicom_node.listener import Listener
from dicom_node.scu import sources
from dicom_node.scu.fetch_spool import FetchSpool
from dicom_node.scu.store import Verdict, outgoing, send
from dicom_node.spool import Peer
from inference_worker.earlier_names import earlier_name
from models.registry import Registry
from tests.support import phantoms
from tests.support.archives import QueryArchive
from tests.support.bench import Bench
from tests.support.ingest import send as bring
from tests.support.phantoms import Phantom
from tests.support.prior_packages import comparing
from tests.support.processes import free_port
from tests.support.scripted import at
from tests.support.servers import Orthanc
from tests.support.working import SMALL, FakeChild, events, job, worker

NOW, BEFORE = replace(SMALL, study="now"), replace(SMALL, study="before")
TWO_YEARS_BEFORE = replace(SMALL, study="long before")
# Not the archive's own name, and from elsewhere.
SCANNER = Peer("SCANNER", "NODE", "192.0.2.7")


def dated(phantom: Phantom, day: str, **changes: str) -> list[Dataset]:
    made = phantom.datasets()
    for one in made:
        one.StudyDate = day
        for keyword, value in changes.items():
            setattr(one, keyword, value)
    return made


@dataclass
class Site:
    """A node with a listener, and an archive that knows it."""

    bench: Bench
    registry: Registry
    archive: QueryArchive
    folder: Path
    into: FetchSpool
    sources: list[Source] = field(default_factory=list)

    def archived(self, datasets: Sequence[Dataset]) -> None:
        """The archive has these."""
        paths = phantoms.write(datasets, self.folder / datasets[0].StudyInstanceUID)
        sent = send([outgoing(path) for path in paths], at(self.archive.aet, self.archive.port), "TEST")
        assert {one.verdict for one in sent} == {Verdict.STORED}

    def comes(self, datasets: Sequence[Dataset]) -> None:
        """A scanner sends a study; models are chosen for it."""
        bring(self.bench.writer, datasets, SCANNER)
        self.bench.index()
        self.bench.settle()
        self.route()

    def route(self) -> None:
        router = Router(self.registry.packages.values, lambda: None, self.bench.clock, ask_priors=request_priors)
        for event in [*events(self.bench, "study.completed"), *events(self.bench, "study.amended")]:
            with self.bench.as_process("assemble").transaction() as transaction:
                router(transaction, event)

    def fetcher(self, *sources: Source) -> PriorsFetcher:
        return PriorsFetcher(
            self.bench.as_process("assemble"),
            self.bench.objects,
            sources or self.sources,
            "NODE",
            "a1",
            self.registry.packages.values,
            into=self.into,
        )

    def models_run(self) -> FakeChild:
        """Whatever is due."""
        child = FakeChild(self.registry, phantom=NOW)
        worker(self.bench, child).step()
        return child

    def states(self) -> Mapping[str, str]:
        return dict(self.bench.ask("SELECT study_uid, state FROM dicom_node.studies"))

    def remarks(self) -> list[str]:
        return [
            one for (found,) in self.bench.ask("SELECT findings -> 'remarks' FROM dicom_node.jobs") for one in found
        ]


@pytest.fixture
def site(bench: Bench, tmp_path: Path) -> Iterator[Site]:
    listener = Listener(Listening(aet="NODE", port=0), bench.writer)
    listener.start()
    into = FetchSpool(bench.root / "spool", Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0), 1 << 30)
    try:
        with QueryArchive(tmp_path / "archive", movers={"NODE": listener.port}) as archive:
            source = Source(name="ARCHIVE", aet=archive.aet, host="127.0.0.1", port=archive.port, priors=True)
            yield Site(bench, comparing(tmp_path / "models"), archive, tmp_path / "files", into, [source])
    finally:
        into.close()
        listener.stop(grace=0.0)


def uid(phantom: Phantom) -> str:
    return str(phantom.datasets()[0].StudyInstanceUID)


def test_a_model_waits_for_an_earlier_study_which_is_fetched_compared_and_not_analysed(site: Site) -> None:
    site.archived(dated(BEFORE, "20250101"))
    site.archived(dated(TWO_YEARS_BEFORE, "20240101"))
    site.comes(dated(NOW, "20260101"))
    assert site.models_run().tasks == [], "its time is not over"
    assert job(site.bench) == ("requested", "waits for an earlier study of the patient to compare with")
    fetcher = site.fetcher()
    fetcher.step()
    site.bench.index()
    fetcher.step()
    (task,) = site.models_run().tasks
    assert {name: len(files) for name, files in task.files.items()} == {"ct": 4, earlier_name("ct"): 4}
    assert site.states() == {uid(NOW): "complete", uid(BEFORE): "archived"}
    site.route()
    assert site.bench.count("jobs") == 1
    assert len(events(site.bench, "study.completed")) == 1
    assert site.bench.chain_holds()


@pytest.mark.parametrize("kind", ["orthanc", "dicomweb"])
def test_an_earlier_study_comes_from_an_archive_by_http_alone(site: Site, orthanc: Orthanc, kind: str) -> None:
    for made in (dated(BEFORE, "20250101"), dated(replace(BEFORE, study="else", patient_id="OTHER"), "20250601")):
        paths = phantoms.write(made, site.folder / made[0].StudyInstanceUID)
        orthanc.store(*(path.read_bytes() for path in paths))
    url = orthanc.rest if kind == "orthanc" else orthanc.dicomweb
    by_http = {"kind": kind, "name": "archive by HTTP", "url": url, "priors": True}
    site.comes(dated(NOW, "20260101"))
    fetcher = site.fetcher(Source.model_validate(by_http))
    fetcher.step()
    site.bench.index()
    fetcher.step()
    (task,) = site.models_run().tasks
    assert {name: len(files) for name, files in task.files.items()} == {"ct": 4, earlier_name("ct"): 4}
    assert site.states() == {uid(NOW): "complete", uid(BEFORE): "archived"}
    site.route()
    assert site.bench.count("jobs") == 1


def test_an_earlier_study_that_somebody_sends_by_himself_is_a_study_as_others_are(site: Site) -> None:
    before = dated(BEFORE, "20250101")
    site.archived(before)
    site.comes(dated(NOW, "20260101"))
    fetcher = site.fetcher()
    fetcher.step()
    site.bench.index()
    fetcher.step()
    assert site.states()[uid(BEFORE)] == "archived"
    site.comes(before)
    assert site.states()[uid(BEFORE)] == "complete"
    assert site.bench.count("jobs") == 2


def test_the_patient_is_proven_by_the_images_and_not_by_the_archive(site: Site) -> None:
    site.archived(dated(BEFORE, "20250101", PatientName="Somebody^Else"))
    site.comes(dated(NOW, "20260101"))
    fetcher = site.fetcher()
    fetcher.step()
    site.bench.index()
    fetcher.step()
    (task,) = site.models_run().tasks
    assert list(task.files) == ["ct"]
    assert site.remarks() == ["compared with no earlier study: 1 earlier study was sent"]
    assert site.states()[uid(BEFORE)] == "archived"


def test_an_archive_without_an_earlier_study_holds_nothing_up_and_results_say_so(site: Site) -> None:
    site.comes(dated(NOW, "20260101"))
    fetcher = site.fetcher()
    fetcher.step()
    fetcher.step()
    (task,) = site.models_run().tasks
    assert list(task.files) == ["ct"]
    assert site.remarks() == ["compared with no earlier study: no archive has an earlier study to compare with"]


def test_an_archive_that_is_away_costs_the_next_study_not_even_a_question(site: Site) -> None:
    away = Source(name="AWAY", aet="AWAY", host="127.0.0.1", port=free_port(), priors=True)
    fetcher = site.fetcher(away)
    for study in ("1", "2"):
        site.comes(dated(replace(SMALL, study=study), "20260101"))
        fetcher.step()
        fetcher.step()
    asked = site.bench.ask(
        "SELECT entry::jsonb -> 'details' -> 'sources' FROM dicom_node.audit_entries"
        " WHERE entry::jsonb ->> 'action' = 'earlier studies sent for' ORDER BY number"
    )
    assert asked == [(["AWAY"],), ([],)]
    reasons = site.bench.ask("SELECT state, reason FROM dicom_node.prior_requests")
    assert all(state == "answered" and reason.startswith("AWAY: no connection to") for state, reason in reasons)


def test_a_deadline_that_passes_lets_the_model_run_without(site: Site) -> None:
    site.comes(dated(NOW, "20260101"))
    site.bench.pass_time(40)
    site.bench.as_owner("UPDATE dicom_node.prior_requests SET until = until - interval '40 s'")
    (task,) = site.models_run().tasks  # whether anybody asked archives or not
    assert list(task.files) == ["ct"]
    assert site.remarks() == ["compared with no earlier study: none came in time"]
    site.fetcher().step()
    ((state, reason),) = site.bench.ask("SELECT state, reason FROM dicom_node.prior_requests")
    assert (state, reason) == ("answered", "no archive answered in time")


def test_what_a_process_that_was_killed_was_asking_for_its_next_life_asks_for(site: Site) -> None:
    site.archived(dated(BEFORE, "20250101"))
    site.comes(dated(NOW, "20260101"))
    site.bench.as_owner("UPDATE dicom_node.prior_requests SET owner = 'a1'")
    # Half of it came before the end.
    site.bench.as_owner(
        "INSERT INTO dicom_node.fetched_studies SELECT "
        f"'{uid(BEFORE)}', 'ARCHIVE', 'QRSCP', '127.0.0.1', study_id, now(), until FROM dicom_node.prior_requests"
    )
    bring(site.bench.writer, dated(BEFORE, "20250101")[:2], Peer("QRSCP", "NODE", "127.0.0.1"))
    site.bench.index()
    fetcher = site.fetcher()
    fetcher.step()
    site.bench.index()
    fetcher.step()
    (task,) = site.models_run().tasks
    assert {name: len(files) for name, files in task.files.items()} == {"ct": 4, earlier_name("ct"): 4}
    assert site.states()[uid(BEFORE)] == "archived"


def test_a_study_that_is_here_already_is_not_fetched_again(site: Site) -> None:
    site.archived(dated(BEFORE, "20250101"))
    site.comes(dated(BEFORE, "20250101"))
    site.comes(dated(NOW, "20260101"))
    fetcher = site.fetcher()
    for _ in range(4):
        fetcher.step()
    assert site.bench.count("fetched_studies") == 0
    assert site.states()[uid(BEFORE)] == "complete"
    children = [site.models_run() for _ in range(2)]
    assert [earlier_name("ct") in child.tasks[0].files for child in children] == [False, True]


def test_a_defect_in_asking_costs_its_study_the_comparison_and_nobody_anything_else(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> list[object]:
        raise KeyError("a defect")

    monkeypatch.setattr(sources, "studies_of", fails)
    site.comes(dated(NOW, "20260101"))
    fetcher = site.fetcher()
    fetcher.step()
    fetcher.step()
    assert len(site.models_run().tasks) == 1
    said = "they cannot be asked for: KeyError in the node's own work"
    assert site.remarks() == [f"compared with no earlier study: {said}"]
