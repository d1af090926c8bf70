"""The node's handlers from routing to the plan of a delivery, one call each, with a model process of our own making."""

import threading
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np

from audit.trail import Ledger
from config.peers import Destination
from config.rules import Rule
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps.infer import Inference, Inferred
from consumers.steps.plan import DeliveryPlanner
from consumers.steps.request_summary import WhenEnded, no_request
from consumers.steps.route import Router
from consumers.steps.write import ResultsWriter
from domain.errors import NodeError
from domain.events import Event
from domain.findings import Findings, Mask, SourceFrame
from domain.ids import StudyId
from domain.profiles import Profile, Report, ResultKind
from domain.retry import RetryPolicy
from inference_worker.model_process import Answer, Task, mask_file
from models.provenance import Provenance, provenance
from models.registry import Package, Registry
from store.holders import Holder, Life
from store.jobs import Job
from tests.support.bench import Bench
from tests.support.findings import LUNGS
from tests.support.phantoms import Phantom

PLAIN = Profile("plain", (ResultKind.SEG, ResultKind.SR), reports=(Report.COMPREHENSIVE_3D,))
ARCHIVE = ProfiledDestination(Destination(name="PACS", aet="PACS", host="127.0.0.1", port=104), PLAIN)
SMALL = Phantom(size=(16, 16), slices=4)
# Seconds; longer than any test, which moves the rows' own times.
LEASE = 600.0
POLICY = RetryPolicy(first=1, factor=4, longest=60, attempts=3)


@dataclass
class FakeChild:
    """Answers as told: an error is raised, anything else becomes a mask with one voxel of each segment."""

    registry: Registry
    answers: list[Exception | None] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    upcoming: list[Task | None] = field(default_factory=list)
    together: list[int] = field(default_factory=list)
    during: Any = None
    phantom: Phantom = SMALL

    def run(self, task: Task, timeout: float, upcoming: Task | None = None) -> Answer:
        self.tasks.append(task)
        self.upcoming.append(upcoming)
        if self.during:
            self.during()
        answer = self.answers.pop(0) if self.answers else None
        if answer:
            raise answer
        mask = np.zeros((4, 16, 16), np.uint8)
        mask[1, 2, 3], mask[2, 4:9, 4:9] = 1, 2
        mask_file(task.scratch).write_bytes(zlib.compress(mask.tobytes(), 1))
        model = self.registry.get(task.package).identity
        frames = tuple(SourceFrame(one.SOPInstanceUID) for one in self.phantom.datasets())
        kept = Mask("", sha256(mask.tobytes()).hexdigest(), (4, 16, 16))
        return Answer(Findings(model, "in", frames, kept, LUNGS), {"infer": 0.1})

    def made_by(self, digest: str) -> Provenance:
        """As a worker says it of the packages that it has."""
        known = (provenance(one) for one in self.registry.packages.values() if one.digest == digest)
        return next(known, Provenance())

    def run_together(self, tasks: Sequence[Task], timeout: float) -> list[Answer | NodeError]:
        self.together.append(len(tasks))
        return [_outcome(self.run, task, timeout) for task in tasks]


def _outcome(run: Callable[..., Answer], *arguments: object) -> Answer | NodeError:
    try:
        return run(*arguments)
    except NodeError as error:
        return error


def events(bench: Bench, kind: str) -> list[Event]:
    """What was announced of this type, in order."""
    found = bench.ask(f"SELECT envelope FROM dicom_node.outbox WHERE envelope ->> 'type' = '{kind}' ORDER BY seq")
    return [Event.from_envelope(row[0]) for row in found]


def study(bench: Bench) -> tuple[str, str]:
    """State and reason of the one study."""
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.studies")
    return state, reason


def study_id(bench: Bench) -> StudyId:
    """The one study."""
    ((found,),) = bench.ask("SELECT id FROM dicom_node.studies")
    return StudyId(uuid.UUID(str(found)))


def job(bench: Bench) -> tuple[str, str]:
    """State and reason of the one job."""
    ((state, reason),) = bench.ask("SELECT state, reason FROM dicom_node.jobs")
    return state, reason


def changed(package: Package, version: str = "") -> Package:
    """The package with another card, under its own version or a new one."""
    identity = package.manifest.identity
    manifest = replace(package.manifest, identity=replace(identity, version=version or identity.version))
    return replace(package, manifest=manifest, digests={**package.digests, "card.md": "0" * 64})


def route(bench: Bench, registry: Registry, rules: Sequence[Rule] | None = None) -> None:
    """Ask the models for every study that is complete."""
    router = Router(registry.packages.values, lambda: rules, bench.clock)
    for event in [*events(bench, "study.completed"), *events(bench, "study.amended")]:
        with bench.as_process("assemble").transaction() as transaction:
            router(transaction, event)


def worker(
    bench: Bench,
    child: FakeChild,
    name: str = "w1",
    together: int = 1,
    life: Life | None = None,
    lease: float = LEASE,
    alive: Callable[[], None] = lambda: None,
    ledger: Ledger | None = None,
    when_ended: WhenEnded = no_request,
    stop: threading.Event | None = None,
) -> LeasedLoop[Job, Inferred]:
    """A worker whose model process is `child`, in a life of its own; it commits to `ledger`, by default its role's."""
    inference = Inference(
        bench.as_process("work").database,
        bench.objects,
        child,
        POLICY,
        10,
        bench.root / "work",
        bench.clock,
        alongside=lambda model: together,
        when_ended=when_ended,
        made_by=child.made_by,
    )
    holder = Holder(name, life or bench.life())
    return LeasedLoop(ledger or bench.as_process("work"), inference, holder, lease, alive, stop)


def write_and_plan(
    bench: Bench, destinations: Sequence[ProfiledDestination], handled: set[uuid.UUID] | None = None
) -> None:
    """The results of every inference that is done, and the deliveries of all that is written.

    Events whose ids are in `handled` are left alone, and those that were not are added to it.
    """
    done = set() if handled is None else handled
    for kind, role, handler in (
        ("inference.completed", "write", ResultsWriter(bench.objects, destinations, bench.clock)),
        ("results.requested", "write", ResultsWriter(bench.objects, destinations, bench.clock)),
        ("results.written", "deliver", DeliveryPlanner(destinations, bench.clock)),
    ):
        for event in (one for one in events(bench, kind) if one.id not in done):
            done.add(event.id)
            with bench.as_process(role).transaction() as transaction:
                handler(transaction, event)
