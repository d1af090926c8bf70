"""Whatever a step raises of one item, the next one is handled, and the culprit is shown with its reason."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from config.peers import Destination
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps.assemble import Assembler
from consumers.steps.deliver import DeliveryTo, Sent
from consumers.steps.infer import Inference
from consumers.steps.probe import PeriodicProbe
from dicom_node.scu.probe import ProbeResult
from domain.completeness import SettlePolicy
from domain.errors import IllegalTransition, IntegrityError, UnusableInput
from domain.retry import RetryPolicy
from models.registry import Registry
from store import studies
from store.deliveries import Delivery
from store.holders import Holder
from store.leases import Lease, LeaseTable
from tests.support.bench import Bench
from tests.support.ingest import send
from tests.support.phantoms import Phantom
from tests.support.working import ARCHIVE, LEASE, PLAIN, SMALL, FakeChild, route, study, worker, write_and_plan

_DEFECT = ValueError("DOE^JANE")
_SAID = "ValueError in the node's own work"
# What a handler of leased work is asked for, what it raises, and what is then said of the row.
POINTS: list[tuple[str, Exception, str]] = [
    ("load", _DEFECT, _SAID),
    ("overtaken", _DEFECT, _SAID),
    ("overtaken", IntegrityError("the mask was changed"), "the mask was changed"),
    ("began", IllegalTransition("no such move"), "IllegalTransition in the node's own work"),
    ("_task", _DEFECT, _SAID),
    ("succeeded", IntegrityError("the mask was changed"), "the mask was changed"),
    ("succeeded", IllegalTransition("no such move"), "IllegalTransition in the node's own work"),
    ("ended", _DEFECT, _SAID),
]


def small(number: int) -> Phantom:
    return Phantom(size=(16, 16), slices=4, study=str(number), series=str(number))


def raising(method: Callable[..., Any], culprits: dict[uuid.UUID, Exception]) -> Callable[..., Any]:
    """`method`, which raises where it is asked about a culprit."""

    def asked(self: object, first: object, *rest: Any) -> Any:
        for ident in (getattr(one, "id", one) for one in (first, *rest)):
            if isinstance(ident, uuid.UUID) and ident in culprits:
                raise culprits[ident]
        return method(self, first, *rest)

    return asked


def test_a_job_that_brings_its_handler_down_at_any_point_ends_and_the_next_one_runs(
    bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(len(POINTS) + 1):
        bench.receive(small(number).datasets())
    route(bench, registry)
    rows = [row for (row,) in bench.ask("SELECT id FROM dicom_node.jobs ORDER BY not_before, id")]
    expected = dict(zip(rows, POINTS, strict=False))
    for name in {name for name, _, _ in POINTS}:
        culprits = {row: error for row, (point, error, _) in expected.items() if point == name}
        monkeypatch.setattr(Inference, name, raising(getattr(Inference, name), culprits))
    ends_badly = [UnusableInput("no use") if point == "ended" else None for point, _, _ in POINTS]
    reaches = [
        error for error, (point, _, _) in zip(ends_badly, POINTS, strict=True) if point in ("succeeded", "ended")
    ]
    loop = worker(bench, FakeChild(registry, list(reaches)))
    for _ in range(len(rows)):
        assert loop.step()
    assert not loop.step()
    found = {row: (state, reason) for row, state, reason in bench.ask("SELECT id, state, reason FROM dicom_node.jobs")}
    assert found == {
        **{row: ("failed", said) for row, (_, _, said) in expected.items()},
        rows[-1]: ("succeeded", "done"),
    }
    told = bench.ask(
        "SELECT j.id, s.state, s.reason FROM dicom_node.jobs j JOIN dicom_node.studies s ON s.id = j.study_id"
    )
    shown = {row: (state, reason.rpartition(": ")[2]) for row, state, reason in told if row in expected}
    assert shown == {row: ("stuck", said) for row, (_, _, said) in expected.items()}
    assert bench.actions().count("inference failed") == bench.actions().count("study stuck") == len(POINTS)
    assert "DOE^JANE" not in str(bench.state())


def test_a_lost_row_that_cannot_be_read_is_set_aside_and_the_next_is_taken_back(
    bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        bench.receive(small(number).datasets())
    route(bench, registry)
    life = bench.life()
    dead = worker(bench, FakeChild(registry), life=life)
    life.prove()
    (first,) = dead._claim()
    assert dead._claim()
    life.close()
    monkeypatch.setattr(Inference, "load", raising(Inference.load, {first.item.id: _DEFECT}))
    assert worker(bench, FakeChild(registry)).step()
    assert sorted(bench.ask("SELECT state, reason FROM dicom_node.jobs")) == [("failed", _SAID), ("succeeded", "done")]


def test_a_delivery_that_cannot_be_read_is_refused_and_its_study_says_why(
    bench: Bench, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    write_and_plan(bench, [ARCHIVE])
    ((row,),) = bench.ask("SELECT id FROM dicom_node.deliveries")
    monkeypatch.setattr(DeliveryTo, "load", raising(DeliveryTo.load, {row: _DEFECT}))
    policy = RetryPolicy(first=2, factor=2, longest=900, total=timedelta(days=7))
    work = DeliveryTo(bench.as_process("deliver"), bench.objects, ARCHIVE, "NODE", policy, 30, bench.clock)
    loop: LeasedLoop[Delivery, Sent] = LeasedLoop(bench.as_process("deliver"), work, Holder("one", bench.life()), LEASE)
    assert loop.step()
    assert not loop.step()
    assert bench.ask("SELECT state, reason FROM dicom_node.deliveries") == [("refused", _SAID)]
    assert study(bench) == ("stuck", _SAID)


def test_a_lease_that_was_lost_meanwhile_sets_nothing_aside(bench: Bench, registry: Registry) -> None:
    bench.receive(SMALL.datasets())
    route(bench, registry)
    loop = worker(bench, FakeChild(registry))
    (claimed,) = loop._claim()
    jobs: LeaseTable[Any, Any] = Inference.rows
    with bench.database.transaction() as connection:
        assert jobs.abandon(connection, Lease(claimed.lease.row, claimed.lease.epoch + 2), "no") is None
        assert jobs.abandon(connection, claimed.lease, "so") is not None
    assert bench.ask("SELECT state, reason FROM dicom_node.jobs") == [("failed", "so")]


def test_a_study_that_cannot_be_completed_is_stuck_and_the_next_one_completes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        send(bench.writer, small(number).datasets())
    bench.index()
    culprit = small(0).datasets()[0].StudyInstanceUID
    complete = studies.complete

    def completing(connection: Any, row: studies.StudyRow, *rest: Any) -> int:
        if row.uid == culprit:
            raise _DEFECT
        return complete(connection, row, *rest)

    monkeypatch.setattr(studies, "complete", completing)
    assembler = Assembler(bench.as_process("assemble"), SettlePolicy(0.0, {}, 0.0), bench.clock)
    assembler.step()
    assert assembler.step() is None
    found = dict(bench.ask("SELECT study_uid = '" + culprit + "', state || ': ' || reason FROM dicom_node.studies"))
    assert found[True] == f"stuck: it cannot be completed: {_SAID}"
    assert found[False].startswith("complete: ")


def test_a_probe_that_brings_its_reader_down_is_an_answer_without_forms(bench: Bench) -> None:
    def ask(*_: object) -> ProbeResult:
        raise _DEFECT

    here = ProfiledDestination(Destination(name="PACS", aet="PACS", host="127.0.0.1", port=104), PLAIN)
    probing = PeriodicProbe(bench.database, here, "NODE", 1.0, 60.0, 60.0, bench.clock, ask)
    assert probing.step()
    assert not probing.step()
    assert bench.ask("SELECT error FROM dicom_node.destinations_seen") == [(_SAID,)]
