"""Impressions as leased work: what a study's models found together becomes a few sentences that were checked.

What writes them is not this module's: a template, or a language model that may take long or be away.
"""

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from audit.actions import Action
from audit.trail import Transaction
from config import metrics
from consumers.leased_work import Claimed
from domain.clock import Clock, SystemClock
from domain.errors import NodeError, Permanent, word
from domain.events import Event, SummaryCompleted, SummaryFailed
from domain.ids import JobId, StudyId
from domain.impressions import Facts, FactSource, Impression
from domain.retry import RetryPolicy
from domain.states import SummaryEvent, SummaryState
from store import summaries
from store.database import Connection, Database
from store.leases import Condition, LeaseTable
from store.studied import StudiedStudy, studied
from store.summaries import STUDY_IS_COMPLETE, SUMMARIES, Summary

_log = logging.getLogger(__name__)

# Seconds for one impression, with every try of every provider.
_LONGEST = 3600.0


def payload(facts: Facts) -> bytes:
    """Facts as one text, the same for the same facts: all that a language model may be told of a study."""
    return json.dumps(facts.to_json(), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@dataclass(frozen=True)
class Written:
    """An impression, the facts that it rests on, where each of them comes from, and the runs that it is about."""

    facts: Facts
    sources: tuple[FactSource, ...]
    impression: Impression
    runs: tuple[JobId, ...] = ()
    asked: tuple[str, ...] = ()  # what left for it, byte for byte

    @property
    def digest(self) -> str:
        """SHA-256 of the facts' payload."""
        return hashlib.sha256(payload(self.facts)).hexdigest()


#: Makes facts of findings, and sentences of facts; raises NodeError where it cannot.
Summariser = Callable[[StudyId, StudiedStudy], Written]


class Summarising:
    """The handler of impressions for `consumers.leased`. It locks no study: results and their way wait for nothing."""

    rows: LeaseTable[SummaryState, SummaryEvent] = SUMMARIES
    scope: Sequence[Condition] = ()
    due: Sequence[Condition] = (STUDY_IS_COMPLETE,)

    def __init__(
        self, database: Database, summariser: Summariser, policy: RetryPolicy, clock: Clock | None = None
    ) -> None:
        self.policy = policy
        self._database = database
        self._summariser = summariser
        self._clock = clock or SystemClock()

    def load(self, connection: Connection, row: uuid.UUID) -> Summary:
        """The impression as it stands."""
        return summaries.get(connection, row)

    def together(self, first: Summary) -> tuple[int, Condition]:
        """One at a time."""
        return 1, STUDY_IS_COMPLETE

    def longest(self, rows: int) -> float:
        """A language model may be slow, and each provider has time-outs of its own."""
        return _LONGEST

    def overtaken(self, connection: Connection, item: Summary) -> str:
        """It is about other findings than the study has by now."""
        return summaries.OVERTAKEN if summaries.is_overtaken(connection, item) else ""

    def began(self, transaction: Transaction, item: Summary) -> None:
        """Say so."""
        transaction.record(Action.SUMMARY_LEASED, item.study_id, **_about(item))

    def run(self, claimed: Sequence[Claimed[Summary]], sign: Callable[[], None]) -> Sequence[Written | NodeError]:
        """What is written of each."""
        return [self._written(one.item) for one in claimed]

    def _written(self, item: Summary) -> Written | NodeError:
        with self._database.transaction() as connection:
            found = studied(connection, item.study_id)
        if not found.runs:
            return Permanent("its findings were taken back")
        return replace(self._summariser(item.study_id, found), runs=tuple(one.job for one in found.runs))

    def succeeded(self, transaction: Transaction, item: Summary, result: Written) -> str:
        """Keep it and announce it."""
        now, said = self._clock.now(), result.impression
        state = SUMMARIES.move(
            transaction.connection,
            item.id,
            SummaryEvent.SUCCEED,
            reason="done",
            facts=result.facts.to_json(),
            sources=[asdict(one) | {"job": str(one.job)} for one in result.sources],
            runs=list(map(str, result.runs)),
            impression=said.to_json(),
            asked=list(result.asked),
            finished_at=now,
        )
        data = SummaryCompleted(item.id, item.revision, len(result.facts.facts), len(said.sentences), said.author.value)
        transaction.emit(Event(data, item.study_id, now))
        transaction.record(Action.SUMMARISED, item.study_id, **_about(item), **_by(result))
        return state.value

    def failure(self, error: NodeError) -> SummaryEvent:
        """There is one way to fail."""
        return SummaryEvent.FAIL

    def retried(self, transaction: Transaction, item: Summary, reason: str, said: str) -> None:
        """Say why."""
        transaction.record(Action.SUMMARY_RETRIED, item.study_id, **_about(item), reason=reason)

    def taken_back(self, transaction: Transaction, item: Summary, reason: str) -> None:
        """Say that its holder was lost."""
        transaction.record(Action.SUMMARY_LOST, item.study_id, **_about(item), reason=reason)

    def cancelled(self, transaction: Transaction, item: Summary, reason: str) -> None:
        """Say why."""
        transaction.record(Action.SUMMARY_CANCELLED, item.study_id, summary=str(item.id), reason=reason)

    def ended(self, transaction: Transaction, item: Summary, error: NodeError) -> str:
        """The study goes on without it: its results say all that was found."""
        now, reason = self._clock.now(), error.sentence
        state = SUMMARIES.move(transaction.connection, item.id, SummaryEvent.FAIL, reason=reason, finished_at=now)
        transaction.emit(Event(SummaryFailed(item.id, item.revision, item.attempts), item.study_id, now))
        transaction.record(Action.SUMMARY_FAILED, item.study_id, **_about(item), reason=reason)
        return state.value

    def abandoned(self, transaction: Transaction, row: uuid.UUID, study: StudyId, error: NodeError) -> None:
        """Say why."""
        transaction.record(Action.SUMMARY_FAILED, study, summary=str(row), reason=error.sentence)

    def settled(self, item: Summary, state: str, seconds: float, error: NodeError | None = None) -> None:
        """Count and log it: what failed with a word of why."""
        metrics.summary_seconds.labels(state).observe(seconds)
        extra = {"study": item.study_id, "summary": item.id, "outcome": state}
        if error is None:
            _log.info("impression ended", extra=extra)
        else:
            _log.warning("impression failed", extra={**extra, "reason": word(error)})


def _about(item: Summary) -> dict[str, str | int]:
    return {"summary": str(item.id), "revision": item.revision, "number": item.number, "attempt": item.attempts}


def _by(result: Written) -> dict[str, object]:
    """Who wrote what: the author, by which checks, and the digest of the facts that it was told."""
    said = result.impression
    author = asdict(said.language_model) if said.language_model else {}
    fallback = {"fallback": said.fallback} if said.fallback else {}
    return {
        "author": said.author.value,
        **author,
        **fallback,
        "checker": said.checker,
        "payload": result.digest,
        "facts": len(result.facts.facts),
        "sentences": len(said.sentences),
    }
