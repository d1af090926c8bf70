"""Whether archives keep what was delivered, as leased work: asked by storage commitment, else looked for by a query.

A delivery is committed when its archive says that it keeps every object. Objects that it lacks are sent again, a few
times; then a person is told. An archive that can say neither leaves the delivery stored, and that is said.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from audit.actions import Action
from audit.trail import Transaction
from config import metrics
from config.peers import Commit
from consumers.destinations import ProfiledDestination
from consumers.leased_work import Claimed, why_ended
from consumers.steps import stuck
from consumers.steps.commitment import told_of
from dicom_node.commitment import CommitmentRequest as Question
from dicom_node.commitment import Reference
from dicom_node.dimse import Status
from dicom_node.scu.commitment import CommitmentAnswer, TakesNoCommitment, ask
from dicom_node.scu.find import TakesNoQuery
from dicom_node.scu.kinds import holds
from dicom_node.scu.store import Outgoing
from domain.clock import Clock, SystemClock
from domain.commitment import FailureReason, RequestEvent, RequestState
from domain.errors import NodeError, Permanent, Retryable
from domain.ids import StudyId, derived_uid
from domain.json_records import JsonObject
from domain.retry import RetryPolicy
from domain.states import DeliveryEvent, DeliveryState
from domain.statuses import SUCCESS, described
from store import commitment_requests, deliveries, destinations
from store.commitment_requests import REQUESTS, CommitmentRequest
from store.database import Connection, Database
from store.deliveries import DELIVERIES
from store.leases import NOW, Condition, LeaseTable
from store.objects import ObjectStore
from store.pauses import REQUESTS_GO_ON
from store.results import Result
from store.studies import note_progress

_LONGEST = 3600.0  # s
# s in which an archive that reports on the association of the question does so.
SHORTLY = 5.0
# Times that what an archive lacks is sent again.
MOST_ROUNDS = 3
# Questions that an archive did not take, after which it is looked into as well.
_IN_VAIN = 3
# Failure Reasons of what may be otherwise when it is asked anew; nothing that is sent again changes them.
_PASS = {FailureReason.DUPLICATE_TRANSACTION, FailureReason.RESOURCE_LIMITATION}
# Those that the same object will get again.
_LASTING = {FailureReason.CLASS_INSTANCE_CONFLICT, FailureReason.CLASS_NOT_SUPPORTED}
# PS3.7 annex C: statuses of a question that this archive never takes.
_NEVER = {0x0112, 0x0118, 0x0119, 0x0122, 0x0123, 0x0124, 0x0211}


@dataclass(frozen=True)
class Kept:
    """The archive keeps all of it; `by` commitment or query."""

    by: str


@dataclass(frozen=True)
class Lacks:
    """The archive does not keep these, by their UIDs with a Failure Reason each."""

    by: str
    failed: Mapping[str, int]


@dataclass(frozen=True)
class Waits:
    """The archive has taken the question and will report."""


@dataclass(frozen=True)
class CannotSay:
    """The archive takes neither storage commitment nor a query."""

    reason: str


ArchiveAnswer = Kept | Lacks | Waits | CannotSay


class _Requests:
    """What becomes of a request, whoever is asked. `report_after` (s) is for a report that an archive owes."""

    rows: LeaseTable[RequestState, RequestEvent] = REQUESTS
    due: Sequence[Condition] = (REQUESTS_GO_ON,)

    def __init__(self, policy: RetryPolicy, commit: Commit, report_after: float, clock: Clock | None) -> None:
        self.policy = policy
        self._commit = commit
        self._report_after = report_after
        self._clock = clock or SystemClock()

    def load(self, connection: Connection, row: uuid.UUID) -> CommitmentRequest:
        """The request as it stands."""
        return commitment_requests.get(connection, row)

    def together(self, first: CommitmentRequest) -> tuple[int, Condition]:
        """One at a time."""
        return 1, REQUESTS.bound_for(first.destination)

    def longest(self, rows: int) -> float:
        """As a delivery."""
        return _LONGEST

    def overtaken(self, connection: Connection, item: CommitmentRequest) -> str:
        """What is not stored any more is not asked about."""
        if self._commit == "off":
            return "storage commitment is off for its destination"
        return "" if item.delivered is DeliveryState.STORED else f"the delivery is {item.delivered}"

    def began(self, transaction: Transaction, item: CommitmentRequest) -> None:
        """Know the Transaction UID before anybody else does, so that no report comes for one that is unknown."""
        if item.report is None:
            commitment_requests.begin(transaction.connection, item.id, transaction_uid(item))

    def succeeded(self, transaction: Transaction, item: CommitmentRequest, result: ArchiveAnswer) -> str:
        """What the archive said is so from now on."""
        match result:
            case Kept():
                return self._kept(transaction, item, result)
            case Lacks():
                return self._lacks(transaction, item, result)
            case Waits():
                return self._waits(transaction, item)
            case CannotSay():
                return self._ended(transaction, item, result.reason, calls=self._commit == "required")

    def _kept(self, transaction: Transaction, item: CommitmentRequest, kept: Kept) -> str:
        connection = transaction.connection
        reason = f"{item.destination} keeps it, by {kept.by}"
        DELIVERIES.move(connection, item.delivery_id, DeliveryEvent.COMMIT, reason=reason)
        state = REQUESTS.move(connection, item.id, RequestEvent.COMMIT, reason=reason, checked=kept.by)
        transaction.record(Action.DELIVERY_COMMITTED, item.study_id, **about(item), by=kept.by)
        return state.value

    def _lacks(self, transaction: Transaction, item: CommitmentRequest, lacks: Lacks) -> str:
        connection, rounds = transaction.connection, item.rounds + 1
        reason = f"{item.destination} does not keep {len(lacks.failed)} of the objects that it stored"
        if rounds > MOST_ROUNDS or _LASTING.intersection(lacks.failed.values()):
            return self._ended(transaction, item, reason, calls=True, lacks=lacks)
        reason = f"{reason}; they are sent again"
        commitment_requests.send_again(connection, item, lacks.failed, reason)
        state = REQUESTS.move(
            connection, item.id, RequestEvent.RESEND, reason=reason, rounds=rounds, report=None, checked=lacks.by
        )
        note_progress(connection, item.study_id, reason, self._clock.now())
        failed = told_of(lacks.failed)
        transaction.record(Action.DELIVERY_NOT_COMMITTED, item.study_id, **about(item), reason=reason, failed=failed)
        transaction.wake(commitment_requests.CHANNEL)
        return state.value

    def _waits(self, transaction: Transaction, item: CommitmentRequest) -> str:
        """A report may have come on another association meanwhile."""
        delay = 0.0 if item.report is not None else self._report_after
        state = REQUESTS.move(
            transaction.connection,
            item.id,
            RequestEvent.WAIT,
            reason="the archive was asked, and is to report",
            delay=delay,
            asked_at=NOW,
        )
        return state.value

    def _ended(
        self,
        transaction: Transaction,
        item: CommitmentRequest,
        reason: str,
        *,
        calls: bool,
        lacks: Lacks | None = None,
    ) -> str:
        """The delivery stays stored; the study is stuck where that `calls` a person."""
        connection, now = transaction.connection, self._clock.now()
        state = REQUESTS.move(connection, item.id, RequestEvent.GIVE_UP, reason=reason)
        deliveries.say(connection, item.delivery_id, reason)
        failed = told_of(lacks.failed) if lacks else []
        transaction.record(Action.DELIVERY_NOT_COMMITTED, item.study_id, **about(item), reason=reason, failed=failed)
        if calls:
            note_progress(connection, item.study_id, reason, now)
            stuck.stop(transaction, item.study_id, stuck.Cause.DELIVERY, f"{item.destination}: {reason}", now)
        return state.value

    def failure(self, error: NodeError) -> RequestEvent:
        """What may pass is asked again."""
        return RequestEvent.FAIL if isinstance(error, Retryable) else RequestEvent.GIVE_UP

    def retried(self, transaction: Transaction, item: CommitmentRequest, reason: str, said: str) -> None:
        """The next question is another, to which no report has come."""
        commitment_requests.ask_anew(transaction.connection, item.id)

    def taken_back(self, transaction: Transaction, item: CommitmentRequest, reason: str) -> None:
        """The next question is another."""

    def cancelled(self, transaction: Transaction, item: CommitmentRequest, reason: str) -> None:
        """The delivery itself says what became of it."""

    def ended(self, transaction: Transaction, item: CommitmentRequest, error: NodeError) -> str:
        """Nobody said whether it is kept, for as long as it was asked."""
        return self._ended(transaction, item, why_ended(item, error), calls=self._commit == "required")

    def abandoned(self, transaction: Transaction, row: uuid.UUID, study: StudyId, error: NodeError) -> None:
        """The delivery stays stored."""
        said = {"request": str(row), "reason": str(error)}
        transaction.record(Action.DELIVERY_NOT_COMMITTED, study, **said)

    def settled(self, item: CommitmentRequest, state: str, seconds: float, error: NodeError | None = None) -> None:
        """Count what came of it."""
        metrics.commitment_requests.labels(item.destination, state).inc()


class RequestTo(_Requests):
    """The handler of what is asked of one destination. `timeout` (s) is for each of its answers.

    `shortly` (s) is for a report on the association of the question.
    """

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        destination: ProfiledDestination,
        our_aet: str,
        policy: RetryPolicy,
        timeout: float,
        report_after: float,
        clock: Clock | None = None,
        shortly: float = SHORTLY,
    ) -> None:
        super().__init__(policy, destination.destination.commit, report_after, clock)
        self.scope: Sequence[Condition] = (REQUESTS.bound_for(destination.name),)
        self._database = database
        self._objects = objects
        self._destination = destination
        self._our_aet = our_aet
        self._timeout = timeout
        self._shortly = shortly

    def run(
        self, claimed: Sequence[Claimed[CommitmentRequest]], sign: Callable[[], None]
    ) -> Sequence[ArchiveAnswer | NodeError]:
        """Find out."""
        return [self._said(one.item) for one in claimed]

    def _said(self, item: CommitmentRequest) -> ArchiveAnswer | NodeError:
        with self._database.transaction() as connection:
            objects = commitment_requests.objects(connection, item)
        if item.report is not None:
            return judged(item.report, objects)
        try:
            if item.is_asked:  # and the report did not come
                said = self._looked_for(objects)
                if isinstance(said, Kept):
                    return said
            return self._asked(item, objects)
        except Retryable as error:
            return Retryable(str(error))

    def _asked(self, item: CommitmentRequest, objects: Sequence[Result]) -> ArchiveAnswer | NodeError:
        peer = self._destination.destination
        if peer.kind != "dicom" or self._takes_none():
            return self._looked_for(objects)
        references = tuple(Reference(one.sop_class, one.sop_uid) for one in objects)
        question = Question(transaction_uid(item), references)
        try:
            taken = ask(peer, self._our_aet, question, self._timeout, self._shortly)
        except TakesNoCommitment:
            taken = CommitmentAnswer(Status.SOP_CLASS_NOT_SUPPORTED)
        commits = taken.status not in _NEVER
        self._note(commits=commits)
        if not commits:
            return self._looked_for(objects)
        if taken.status != SUCCESS:
            return self._not_taken(item, taken.status, objects)
        return _reported(taken, {*item.transactions, question.transaction}, objects)

    def _not_taken(self, item: CommitmentRequest, status: int, objects: Sequence[Result]) -> ArchiveAnswer | NodeError:
        if item.attempts >= _IN_VAIN and isinstance(said := self._looked_for(objects), Kept):
            return said
        return Retryable(f"the destination did not take the question: {described(status)}")

    def _looked_for(self, objects: Sequence[Result]) -> ArchiveAnswer:
        sent = [self._sent(one) for one in objects]
        try:
            found = holds(sent, self._destination.destination, self._our_aet, self._timeout)
        except TakesNoQuery as error:
            return CannotSay(f"stored, and whether it is kept cannot be asked: no storage commitment, and {error}")
        missing = int(FailureReason.NO_SUCH_INSTANCE)
        lacking = {one.sop_instance: missing for one in sent if found.get(one.sop_instance, "not told of")}
        return Lacks("query", lacking) if lacking else Kept("query")

    def _sent(self, one: Result) -> Outgoing:
        return Outgoing(self._objects.path(one.object_key), one.sop_class, one.sop_uid, one.transfer_syntax)

    def _takes_none(self) -> bool:
        """Whether it did not agree to storage commitment when it was last probed or asked."""
        peer = self._destination
        with self._database.transaction() as connection:
            seen = destinations.seen_at(connection, peer.name, peer.destination.address)
        return seen is not None and seen.commits is False

    def _note(self, *, commits: bool) -> None:
        with self._database.transaction() as connection:
            destinations.note_commits(connection, self._destination.name, commits)


class RequestToNobody(_Requests):
    """The handler of what was to be asked of destinations that are not among those that are configured."""

    def __init__(self, known: Sequence[str], policy: RetryPolicy, clock: Clock | None = None) -> None:
        super().__init__(policy, "auto", 0.0, clock)
        self.scope: Sequence[Condition] = (REQUESTS.bound_elsewhere(known),)

    def run(
        self, claimed: Sequence[Claimed[CommitmentRequest]], sign: Callable[[], None]
    ) -> Sequence[ArchiveAnswer | NodeError]:
        """There is nobody to ask."""
        return [Permanent(f"{one.item.destination} is no longer configured") for one in claimed]


def transaction_uid(item: CommitmentRequest) -> str:
    """Of this attempt's question: derived, so that it stands in the row before it goes out."""
    return derived_uid("commitment", str(item.id), str(item.rounds), str(item.attempts))


def _reported(taken: CommitmentAnswer, known: Collection[str], objects: Sequence[Result]) -> ArchiveAnswer | NodeError:
    """What was reported on the association of the question, of that or an earlier one."""
    for report in taken.reports:
        if report.transaction in known:
            failed = {one.sop_instance: reason for one, reason in report.failed}
            return judged({"committed": [one.sop_instance for one in report.committed], "failed": failed}, objects)
    return Waits()


def judged(report: JsonObject, objects: Sequence[Result]) -> ArchiveAnswer | NodeError:
    """What a report means for these objects; one that it does not name is not kept."""
    said, committed = report.get("failed"), report.get("committed")
    failed = (
        {uid: reason for uid, reason in said.items() if isinstance(reason, int)} if isinstance(said, Mapping) else {}
    )
    kept: Collection[object] = committed if isinstance(committed, list) else ()
    lacking = {
        one.sop_uid: failed.get(one.sop_uid, int(FailureReason.NO_SUCH_INSTANCE))
        for one in objects
        if one.sop_uid in failed or one.sop_uid not in kept
    }
    if not lacking:
        return Kept("commitment")
    if all(reason in _PASS for reason in lacking.values()):
        return Retryable(f"the destination could not say now: {described(next(iter(lacking.values())))}")
    return Lacks("commitment", lacking)


def about(item: CommitmentRequest) -> dict[str, str]:
    """What the trail says of a request."""
    return {"delivery": str(item.delivery_id), "destination": item.destination}
