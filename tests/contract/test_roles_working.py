"""Roles in this process: what one slow thing may hold up, what goes on beside it, and what is told of it meanwhile."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

import roles.work
from audit.trail import Transaction
from config import metrics
from config.peers import Destination
from config.settings import Database, Delivery, Models, OwnProfile, Settings
from consumers.destinations import profiled_destinations
from consumers.leased import LeasedLoop
from consumers.steps.write import ResultsWriter
from dicom_node.scu.probe import probe
from domain.errors import NodeError, Retryable
from domain.events import Event
from domain.profiles import COMPREHENSIVE_3D_SR, EXPLICIT, IMPLICIT, SEGMENTATION, Report, ResultKind
from inference_worker.model_process import Answer, Task
from models.registry import Registry
from roles import tasks
from roles.deliver import deliver
from roles.health import THREAD_LIMIT, Health
from roles.index import index
from roles.process import Context
from roles.work import work
from roles.write import write
from store.objects import Buffer, DirectoryStore
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.packages import write_package
from tests.support.processes import free_port, wait_for
from tests.support.receivers import Receiver
from tests.support.spooled import GOOD
from tests.support.working import SMALL, FakeChild, job, route, worker, write_and_plan

BOTH = (EXPLICIT, IMPLICIT)


def context(bench: Bench, database_url: str, role: str, **sections: object) -> Context:
    plain = OwnProfile(objects=(ResultKind.SEG, ResultKind.SR), reports=(Report.COMPREHENSIVE_3D,))
    settings = Settings(data=bench.root, database=Database(url=database_url), profiles={"plain": plain})
    settings = settings.model_copy(update=sections)
    return Context(settings, bench.objects, threading.Event(), Health(), trail=bench.as_process(role))


@contextmanager
def running(role: Callable[[Context], None], made: Context) -> Iterator[None]:
    """The role in a thread, which is told to stop at the end; its error is raised here."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            role(made)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        made.stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert errors == []


@contextmanager
def black_hole() -> Iterator[int]:
    """The port of a peer that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def states(bench: Bench) -> dict[str, str]:
    return dict(bench.ask("SELECT destination, state FROM dicom_node.deliveries"))


def at(name: str, port: int) -> Destination:
    return Destination(name=name, aet=name, host="127.0.0.1", port=port, profile="plain")


@pytest.fixture
def inferred(bench: Bench, registry: Registry) -> Bench:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    return bench


def test_a_dead_archive_and_a_silent_one_hold_up_nobody_elses_results(inferred: Bench, database_url: str) -> None:
    taken = {SEGMENTATION: BOTH, COMPREHENSIVE_3D_SR: BOTH}
    with black_hole() as silent, Receiver("HEALTHY", taken) as healthy:
        destinations = (at("DEAD", free_port()), at("SILENT", silent), at("HEALTHY", healthy.port))
        made = context(inferred, database_url, "deliver", destinations=destinations, delivery=Delivery(timeout=300))
        profiled = profiled_destinations(made.settings)
        # Known before the results are written: no role is here that would write them anew for a first answer.
        with inferred.database.transaction() as connection:
            profiled[2].note(connection, probe(destinations[2], "NODE", 30))
        write_and_plan(inferred, profiled)
        # The others are due first, and the silent one is at it when the healthy one gets its results.
        inferred.ask(
            "UPDATE dicom_node.deliveries SET not_before = not_before - interval '1 hour'"
            " WHERE destination <> 'HEALTHY' RETURNING 1"
        )
        with running(deliver, made):
            wait_for(lambda: states(inferred)["HEALTHY"] == "stored", 120, "the healthy archive's results")
            assert states(inferred)["SILENT"] == "sending"
            assert states(inferred)["DEAD"] in {"pending", "sending"}
            assert made.health.alive()
            assert len(healthy.received) == 2
    wait_for(lambda: states(inferred)["SILENT"] == "pending", 60, "the silent archive's connection to break")


def test_a_transaction_that_was_given_up_for_anothers_sake_ends_no_sender(
    inferred: Bench, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {SEGMENTATION: BOTH, COMPREHENSIVE_3D_SR: BOTH}
    given_up = [Retryable("PostgreSQL gave a transaction up: deadlock detected")] * 3
    take_back = LeasedLoop._take_back

    def deadlocked(loop: LeasedLoop[Any, Any]) -> bool:
        if given_up and threading.current_thread() is not threading.main_thread():
            raise given_up.pop()
        return take_back(loop)

    monkeypatch.setattr(LeasedLoop, "_take_back", deadlocked)
    with Receiver("HEALTHY", taken) as healthy:
        made, beside = (
            context(inferred, database_url, one, destinations=(at("HEALTHY", healthy.port),))
            for one in ("deliver", "write")
        )
        write_and_plan(inferred, profiled_destinations(made.settings))
        # What the destination is found to take may have the results written anew before they go.
        with running(write, beside), running(deliver, made):
            wait_for(lambda: states(inferred)["HEALTHY"] == "stored", 60, "the results")
    assert not given_up


def test_a_delivery_to_a_destination_that_is_not_configured_is_refused_with_what_to_do(
    inferred: Bench, database_url: str
) -> None:
    gone = context(inferred, database_url, "deliver", destinations=(at("GONE", free_port()),))
    write_and_plan(inferred, profiled_destinations(gone.settings))
    with running(deliver, context(inferred, database_url, "deliver")):
        wait_for(lambda: states(inferred)["GONE"] == "refused", 60, "the delivery to be refused")
    ((reason,),) = inferred.ask("SELECT reason FROM dicom_node.deliveries")
    assert reason == "is no longer configured; configure it, or: dicom-node destinations forget GONE"


class ToldModels(FakeChild):
    """A model process that says what it is told to do."""

    said: list[str]
    then: Callable[[], None]

    def start(self) -> None:
        self.said.append("start")

    def stop(self) -> None:
        """It is not there."""

    def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer:
        self.said.append("run")
        self.then()
        return super().run(task, timeout, upcoming)

    def run_together(self, tasks: object, timeout: float) -> list[Answer | NodeError]:
        raise AssertionError("one at a time")


@pytest.fixture
def models(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> ToldModels:
    child = ToldModels(registry)
    child.said, child.then = [], lambda: None
    monkeypatch.setattr(roles.work, "ModelProcess", lambda settings: child)
    return child


def test_under_backlog_packages_are_looked_at_and_lost_jobs_taken_back_between_any_two_jobs(
    bench: Bench, registry: Registry, models: ToldModels, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles.work, "_LOOKS", 0.0)
    for number in range(4):
        bench.receive(replace(SMALL, study=str(number)).datasets())
    route(bench, registry)
    made = context(bench, database_url, "work", models=Models(folder=bench.root / "models", together=1))
    assert worker(bench, FakeChild(registry), "dead@elsewhere", lease=0.001)._claim()

    def install() -> None:
        if models.said.count("run") == 1:
            another = write_package(bench.root / "other").rename(bench.root / "models" / "another")
            manifest = another / "manifest.toml"
            manifest.write_text(manifest.read_text().replace('name = "body_and_bone"', 'name = "another"', 1))

    models.then = install
    with running(work, made):
        done = "SELECT count(*) FROM dicom_node.jobs WHERE state = 'succeeded'"
        wait_for(lambda: bench.ask(done) == [(4,)], 60, "every job")
    assert models.said == ["start", "run", "start", "run", "run", "run"]
    assert bench.actions().index("inference taken back") < bench.actions().index("inference done")


def test_a_job_of_a_package_that_was_installed_a_moment_ago_has_it_loaded_and_is_not_refused(
    bench: Bench, registry: Registry, models: ToldModels, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path = bench.root
    monkeypatch.setattr(roles.work, "_LOOKS", 3600.0)
    shutil.move(tmp_path / "models", tmp_path / "coming")
    (tmp_path / "models").mkdir()
    made = context(bench, database_url, "work", models=Models(folder=tmp_path / "models"))
    with running(work, made):
        wait_for(lambda: made.health.report().ready, 60, "the worker to have looked at an empty folder")
        assert models.said == []  # without a package there is nothing to start
        shutil.copytree(tmp_path / "coming" / "body_and_bone", tmp_path / "models" / "body_and_bone")
        bench.receive(SMALL.datasets())
        route(bench, registry)
        wait_for(lambda: job(bench)[0] == "succeeded", 60, "the job")
    assert models.said == ["start", "run"]


def test_a_role_whose_consumer_hangs_in_a_handler_is_not_live(
    inferred: Bench, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go, passed = threading.Event(), threading.Event(), [0.0]
    written = ResultsWriter.__call__

    def hang(self: ResultsWriter, transaction: Transaction, event: Event) -> None:
        entered.set()
        assert go.wait(60)
        written(self, transaction, event)

    monkeypatch.setattr(ResultsWriter, "__call__", hang)
    made = replace(context(inferred, database_url, "write"), health=Health(now=lambda: time.monotonic() + passed[0]))
    with running(write, made):
        assert entered.wait(60)
        assert made.health.alive()
        passed[0] = THREAD_LIMIT + 1
        wait_for(lambda: made.health.hanging() == ["results"], 60, "the main loop to go on alone")
        go.set()
        wait_for(made.health.alive, 60, "the consumer to go on")


def test_the_loading_of_models_gives_signs_of_life_however_long_it_takes(
    bench: Bench, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_BEAT", 0.01)
    made = context(bench, database_url, "work")
    beats: list[int] = []
    monkeypatch.setattr(made.health, "pulse", lambda: beats.append(1))
    with tasks.beating(made):
        wait_for(lambda: len(beats) > 3, 30, "signs of life")


class Looks(DirectoryStore):
    """Notes the backlog that is told while an object is stored."""

    told: ClassVar[list[float]] = []

    def put(self, key: str, parts: Iterable[Buffer]) -> None:
        self.told.append(metrics.REGISTRY.get_sample_value("dicom_node_spool_backlog_bytes") or 0)
        super().put(key, parts)


def test_what_came_while_no_index_ran_is_told_before_it_is_filed(bench: Bench, database_url: str) -> None:
    metrics.spool_bytes.set(0)
    send(bench.writer, GOOD.datasets())
    made = replace(context(bench, database_url, "index"), objects=Looks(bench.root / "objects"))
    with running(index, made):
        wait_for(lambda: bench.count("instances") == len(GOOD.datasets()), 60, "images")
    assert Looks.told[0] > 0
