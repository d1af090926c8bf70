"""Asks a worklist what was requested of studies that come: each once, while its images arrive.

A worklist that does not answer is left alone for a while, and costs no study more than what `AwaitedRequests` waits.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

from audit.actions import Action
from audit.trail import Ledger
from config import metrics
from config.peers import Source
from config.retries import WORKLISTS
from dicom_node.attributes.files import opened
from dicom_node.procedures import worklist
from dicom_node.procedures.worklist import Order, WorklistItem
from domain.clock import Clock, SystemClock
from domain.errors import Permanent, Retryable
from domain.ids import derived_uid
from store import procedures, retention
from store.index import STUDIES_CHANNEL
from store.objects import ObjectStore
from store.procedures import Request, Unasked

_log = logging.getLogger(__name__)

_TOGETHER = 20  # studies that are looked for at once


class WorklistAsker:
    """What one worklist has of studies. `timeout` (s) is for a question, `descriptions` as the index keeps them."""

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        source: Source,
        our_aet: str,
        timeout: float,
        descriptions: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._source = source
        self._our_aet = our_aet
        self._timeout = timeout
        self._descriptions = descriptions
        self._clock = clock or SystemClock()
        self._failures = 0
        self._not_before = 0.0

    def step(self) -> float | None:
        """Ask about all that came; in how many seconds to look again, None: when something comes.

        Raises Unavailable where the database does not answer.
        """
        left = self._not_before - self._clock.monotonic()
        if left > 0:
            return left
        with self._ledger.database.transaction() as connection:
            found = procedures.unasked(connection, self._source.name, _TOGETHER)
        for one in found:
            if not self._ask(one):
                return self._not_before - self._clock.monotonic()
        return 0.0 if len(found) == _TOGETHER else None

    def _ask(self, study: Unasked) -> bool:
        """Whether the worklist answers."""
        try:
            items = worklist.ask(self._source, self._our_aet, self._order(study), self._timeout)
        except Retryable as error:
            self._failures += 1
            self._not_before = self._clock.monotonic() + (WORKLISTS.delay(self._failures) or 0.0)
            metrics.worklist_questions.labels(self._source.name, "unanswered").inc()
            _log.warning("a worklist does not answer", extra={"source": self._source.name, "error": error.sentence})
            return False
        self._failures = 0
        metrics.worklist_questions.labels(self._source.name, "found" if items else "nothing").inc()
        self._keep(study, items)
        return True

    def _order(self, study: Unasked) -> Order:
        """By what the study is known; of an image that cannot be read by its UID alone."""
        try:
            image = opened(self._objects.path(study.object_key), "an image", worklist.OF_AN_IMAGE)
        except Permanent:
            return Order(study.study_uid, "", "")
        return replace(worklist.order_of(image), study_uid=study.study_uid)

    def _keep(self, study: Unasked, items: Sequence[WorklistItem]) -> None:
        source = self._source.name
        with self._ledger.transaction() as transaction:
            connection = transaction.connection
            retention.keep_files(connection)
            requests = [self._request(study, one) for one in items]
            # That nothing is known is known too, and not asked again.
            nothing = Request(derived_uid("worklist", source, study.study_uid), study.study_uid, source)
            procedures.keep_requests(connection, requests or [nothing], self._clock.now())
            transaction.record(Action.WORKLIST_ASKED, study.id, source=source, items=len(items))
            transaction.wake(STUDIES_CHANNEL)

    def _request(self, study: Unasked, item: WorklistItem) -> Request:
        digest = hashlib.sha256(item.file).hexdigest()
        key = f"requests/{digest[:2]}/{digest}.dcm"
        self._objects.put(key, [item.file])
        said = item.procedure if self._descriptions else item.procedure.without_texts()
        return Request(item.sop_uid, study.study_uid, self._source.name, said, key)
