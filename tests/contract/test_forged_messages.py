"""What a peer can do who may write on the topic of events: nothing. The real steps, a real broker, real attacks."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.actions import Action
from config import metrics
from consumers.bus.dead_letters import list_dead_letters
from consumers.bus.kafka import KafkaBus, KafkaPublisher
from consumers.bus.loop import Consumer, Handler
from consumers.bus.relay import Relay
from consumers.steps.plan import DeliveryPlanner
from consumers.steps.retry import retry
from consumers.steps.route import Router
from consumers.steps.write import ResultsWriter
from domain.clock import SystemClock
from domain.events import Event, EventType, InferenceCompleted, ResultsWritten, StudyCompleted
from domain.ids import new_id, new_job_id, new_study_id
from domain.states import StudyEvent
from models.registry import Registry
from roles.rights import rights, user_of
from roles.table import GROUPS
from store import outbox, studies
from store.outbox import OutboxEntry
from store.unit_of_work import EVENTS_TOPIC
from tests.support.bench import Bench
from tests.support.buses import QUICK, in_thread
from tests.support.processes import wait_for
from tests.support.secured_kafka import SecuredKafka
from tests.support.working import ARCHIVE, SMALL, FakeChild, events, job, study, study_id, worker

# kafka-python leaves a socket whose connection was refused to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <(ssl|socket):ResourceWarning")
_GARBAGE = 300


class House:
    """The steps behind a broker, and whoever writes on its topic without being the node."""

    def __init__(self, bench: Bench, registry: Registry, broker: SecuredKafka) -> None:
        self.bench, self._broker = bench, broker
        names = {"topic": f"{new_id()}.events", "dead_letters": f"{new_id()}.dead"}
        # One partition, so that what is behind a message is handled after it.
        self.settings = broker.settings(user_of("relay"), partitions=1, **names)
        broker.grant(rights(self.settings))
        router = Router(registry.packages.values, lambda: None)
        writer, planner = ResultsWriter(bench.objects, [ARCHIVE]), DeliveryPlanner([ARCHIVE])
        self._groups: Mapping[str, Mapping[EventType, Handler]] = {
            "routing": {EventType.STUDY_COMPLETED: router, EventType.STUDY_AMENDED: router},
            "results": {EventType.INFERENCE_COMPLETED: writer, EventType.RESULTS_REQUESTED: writer},
            "delivery": {EventType.RESULTS_WRITTEN: planner},
        }
        self._running = ExitStack()
        self._stop = threading.Event()
        self._run(
            Relay(bench.as_process("relay").database, KafkaPublisher(self.settings), SystemClock(), self._stop).run
        )
        for name in self._groups:
            self._consume(name)

    def _consume(self, group: str) -> None:
        """A consumer of `group` as the user of its role, until the house is closed."""
        proof = self._broker.settings(user_of(GROUPS[group].role))
        bus = KafkaBus(self.settings.model_copy(update={"user": proof.user, "password_file": proof.password_file}))
        ledger = self.bench.as_process(GROUPS[group].role)
        self._run(Consumer(bus, ledger, group, self._groups[group], QUICK, SystemClock(), self._stop).run)

    def _run(self, run: Callable[[], None]) -> None:
        self._running.enter_context(in_thread(run, self._stop))

    def close(self) -> None:
        """Stop everything; raises what ended any of it before."""
        self._stop.set()
        self._running.close()

    def forge(self, *bodies: str) -> None:
        """Write these on the topic of events, past the node."""
        publisher = KafkaPublisher(self.settings)
        publisher.publish([OutboxEntry(0, EVENTS_TOPIC, "forged", body) for body in bodies], timeout=60)
        publisher.close()

    def forged_in_vain(self, *bodies: str, group: str, outcome: str = "unfounded") -> None:
        """Forge, wait until `group` has counted each so, and see that nothing else has come of it."""
        counter = metrics.events_handled.labels(group, outcome)
        before, counted = self.everything(), counter._value.get()
        self.forge(*bodies)
        wait_for(lambda: counter._value.get() == counted + len(bodies), 60, f"{len(bodies)} messages to be {outcome}")
        assert self.everything() == before

    def everything(self) -> list[list[Any]]:
        """All that a message could change: what is announced, remembered, set aside and on the trail too."""
        tables = ("inbox", "dead_letters", "jobs", "decisions", "results", "deliveries", "delivery_objects")
        more = [self.bench.ask(f"SELECT t::text FROM dicom_node.{name} t ORDER BY 1") for name in tables]
        return [*self.bench.state(), *more]

    def wait_for_row(self, sql: str) -> list[Any]:
        """The rows of a query, once there are any."""
        return list(wait_for(lambda: self.bench.ask(sql), 60, sql))


@pytest.fixture
def house(bench: Bench, registry: Registry, kafka: SecuredKafka, caplog: pytest.LogCaptureFixture) -> Iterator[House]:
    # Its log records hold errors that hold sockets, beyond the end of the test.
    caplog.set_level(logging.CRITICAL, logger="kafka")
    made = House(bench, registry, kafka)
    yield made
    made.close()


def _requested(house: House) -> ResultsWritten:
    """A study comes and its model waits to run; what an attacker would say of its results."""
    house.bench.receive(SMALL.datasets())
    ((job_id, model, version),) = house.wait_for_row("SELECT id, model, version FROM dicom_node.jobs")
    return ResultsWritten(job_id, model, version, 2)


def _body(event: Event) -> str:
    return json.dumps(event.envelope())


def _run_to_its_plan(house: House, registry: Registry) -> None:
    assert worker(house.bench, FakeChild(registry)).step()
    assert house.wait_for_row("SELECT destination, state FROM dicom_node.deliveries") == [("PACS", "pending")]
    assert house.bench.count("delivery_objects") == 2


def test_a_forged_word_that_results_are_written_suppresses_none(house: House, registry: Registry) -> None:
    said = _requested(house)
    house.forged_in_vain(_body(Event(said, study_id(house.bench), datetime.now(UTC))), group="delivery")
    _run_to_its_plan(house, registry)


def test_a_forged_word_that_a_model_has_run_stops_no_study(house: House, registry: Registry) -> None:
    said = _requested(house)
    done = InferenceCompleted(said.job, said.model, said.version, 1, 2)
    house.forged_in_vain(_body(Event(done, study_id(house.bench), datetime.now(UTC))), group="results")
    assert study(house.bench)[0] == "complete"
    _run_to_its_plan(house, registry)


def test_a_forged_completion_of_a_study_that_is_not_asks_no_model(house: House) -> None:
    house.bench.receive(SMALL.datasets()[:2])
    house.wait_for_row("SELECT id FROM dicom_node.jobs")
    said = Event(StudyCompleted(2, 1, 4), study_id(house.bench), datetime.now(UTC))
    house.forged_in_vain(_body(said), group="routing")


def test_a_known_id_with_another_content_counts_for_nothing_and_the_true_one_is_handled(
    house: House, registry: Registry
) -> None:
    _requested(house)
    (true,) = events(house.bench, "study.completed")
    changes: Sequence[Mapping[str, object]] = (
        {"data": {**true.data.encode(), "revision": 7}},
        {"subject": str(new_id())},
        {"type": "study.amended"},
        {"time": datetime.now(UTC).isoformat()},
        {"more": "of it"},
    )
    house.forged_in_vain(*(json.dumps({**true.envelope(), **change}) for change in changes), group="routing")
    _run_to_its_plan(house, registry)


def test_a_true_event_of_long_ago_that_comes_again_changes_nothing(house: House, registry: Registry) -> None:
    _requested(house)
    _run_to_its_plan(house, registry)
    for kind, group in (
        ("study.completed", "routing"), ("inference.completed", "results"), ("results.written", "delivery")
    ):  # fmt: skip
        (old,) = events(house.bench, kind)
        house.forged_in_vain(_body(old), group=group, outcome="duplicate")


def test_an_event_whose_row_is_gone_from_the_outbox_counts_for_nothing(house: House, registry: Registry) -> None:
    _requested(house)
    _run_to_its_plan(house, registry)
    (old,) = events(house.bench, "results.written")
    house.bench.as_owner("DELETE FROM dicom_node.outbox", "DELETE FROM dicom_node.inbox")
    house.forged_in_vain(_body(old), group="delivery")


def test_a_flood_of_garbage_takes_no_share_of_any_limit_and_the_next_event_is_handled(
    house: House, registry: Registry
) -> None:
    unreadable = ("rubbish", "{}", "[]", "[" * 5000, '"\\u0000"', '{"id": 7}', '{"id": "no id", "type": "study.gone"}')
    forged = [json.dumps({"id": str(new_id()), "type": "study.completed", "data": {}}) for _ in range(_GARBAGE)]
    bodies = [*unreadable, *forged][:_GARBAGE]
    counted = {group: metrics.events_handled.labels(group, "unfounded")._value.get() for group in house._groups}
    house.forged_in_vain(*bodies, group="routing")
    _requested(house)
    _run_to_its_plan(house, registry)
    assert list_dead_letters(house.bench.database) == []
    for group, before in counted.items():
        assert metrics.events_handled.labels(group, "unfounded")._value.get() >= before + len(unreadable)


def test_an_event_of_the_node_that_contradicts_its_rows_changes_nothing(house: House, registry: Registry) -> None:
    """Announced by the node itself, as a defect or a restored backup may leave it: study, job and state must agree."""
    said = _requested(house)
    elsewhere, moment = new_study_id(), datetime.now(UTC)
    done = InferenceCompleted(said.job, said.model, said.version, 1, 2)
    for group, data in (
        ("results", done),  # the job has not run
        ("results", replace(done, job=new_job_id())),  # there is no such job
        ("results", replace(done, model="another")),
        ("delivery", said),  # nothing is written
        ("delivery", replace(said, version="another")),
        ("routing", StudyCompleted(1, 1, 1)),  # there is no such study
    ):
        counter = metrics.events_handled.labels(group, "unfounded")
        counted = counter._value.get()
        about = elsewhere if group == "routing" else study_id(house.bench)
        with house.bench.ledger.transaction() as transaction:
            transaction.emit(Event(data, about, moment))
            transaction.record(Action.READ)
        before = house.everything()
        wait_for(lambda: counter._value.get() == counted + 1, 60, "the event to be counted")  # noqa: B023
        assert house.everything() == before
    assert job(house.bench)[0] == "requested"
    _run_to_its_plan(house, registry)


def test_an_event_that_the_node_announced_and_cannot_read_is_a_dead_letter(house: House) -> None:
    """As a newer release beside this one announces it; it is the node's own, so nobody may lose it."""
    envelope = {**Event(StudyCompleted(1, 1, 1), new_study_id(), datetime.now(UTC)).envelope(), "type": "study.printed"}
    row = {"event_id": envelope["id"], "key": envelope["subject"], "topic": EVENTS_TOPIC, "envelope": envelope}
    with house.bench.ledger.transaction() as transaction:
        transaction.forward(row)
        transaction.record(Action.READ)
    wait_for(lambda: len(list_dead_letters(house.bench.database)) == 3, 60, "a dead letter of each group")


def test_a_dead_letter_of_what_nobody_announced_is_closed_and_not_made_true(house: House) -> None:
    """An earlier release kept forged messages as dead letters, and stopped their studies."""
    house.bench.receive(SMALL.datasets())
    house.wait_for_row("SELECT id FROM dicom_node.jobs")
    forged = Event(StudyCompleted(1, 9, 9), study_id(house.bench), datetime.now(UTC))
    with house.bench.database.transaction() as connection:
        letter = {"event_id": forged.id, "study_id": forged.study_id, "message": _body(forged)}
        outbox.add_dead_letter(connection, reader="routing", error="forged", attempts=1, **letter)
        studies.apply(connection, forged.study_id, StudyEvent.FAILED, "forged", forged.time)
    retry(house.bench.ledger, forged.study_id, [], datetime.now(UTC))
    assert study(house.bench)[0] == "complete"
    assert [one.replayed_at is not None for one in list_dead_letters(house.bench.database)] == [True]
    assert forged not in events(house.bench, "study.completed")
