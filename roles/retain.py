"""The role `retain`: what is old, or what the disk has no room for, goes."""

import logging
import time
from datetime import UTC, datetime

from config import metrics
from consumers.steps.divide_trail import divide_trail
from consumers.steps.remove import plan, remove, remove_rows, sweep
from domain.retention import Policy, Removal
from domain.stopping import loop_until
from roles.disk_use import objects_space
from roles.process import Context
from roles.retention import groups, policy
from roles.tasks import Throttled, run_loop
from store.database import GivenUp

_log = logging.getLogger(__name__)
_LOOK = 0.5  # s between two looks at what is free
_BY_AGE = 600.0  # s between two looks at what is of age
_MONTH = 60.0  # s between two looks at whether the month has turned
_TOGETHER = 50  # studies that are chosen at once: what is free is measured anew after each such turn
_SAID_EVERY = 3600.0  # s between two warnings that the disk stays short


def retain(context: Context) -> None:
    """What is old, or what the disk has no room for, goes."""
    Retention(context).run()


class Retention:
    """Removes, a turn at a time, what `roles.retention.policy` says."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._policy: Policy = policy(context.settings)
        self._groups = groups(context.settings)
        self._by_age = Throttled(_BY_AGE, self._remove_what_is_of_age)
        self._divide = Throttled(_MONTH, self._divide_trail)
        self._told = Throttled(_SAID_EVERY, self._say_that_it_stays_short)

    def run(self) -> None:
        """Until the role is told to stop."""
        run_loop(self._context, self._turn)

    def _turn(self) -> None:
        # What an earlier life had not removed yet, above all.
        sweep(self._context.database, self._context.objects)
        self._divide()
        self._by_age()
        self._make_room()
        self._context.stop.wait(_LOOK)

    def _divide_trail(self) -> None:
        """Whoever reads the trail for long holds this up, and nothing else waits for it: the next look is soon."""
        try:
            begun = divide_trail(self._context.ledger)
        except GivenUp as error:
            _log.info("the trail's next part is not begun yet: %s", error)
        else:
            if begun:
                _log.info("the month has turned: a part of the trail was begun", extra={"first": begun})

    def _remove_what_is_of_age(self) -> None:
        for _ in loop_until(self._context.stop):
            if not self._remove(0):
                break
        done = remove_rows(self._context.ledger, self._policy, self._groups, datetime.now(UTC))
        for what, count in done.items():
            metrics.removed.labels(what.value, "age").inc(count)
        if done:
            _log.info("rows were removed for their age", extra={what.value: count for what, count in done.items()})
        sweep(self._context.database, self._context.objects)

    def _make_room(self) -> None:
        """From below `keep_free` up to `until_free`, not a study more than that takes."""
        begun, removed = time.monotonic(), 0
        lacking = self._policy.lacking(self._free())
        for _ in loop_until(self._context.stop) if lacking else ():
            if not (some := self._remove(lacking)):
                self._told()
                break
            removed += some
            lacking = self._policy.until_free - self._free()
            if lacking <= 0:
                break
        if removed:
            extra = {"objects": removed, "seconds": round(time.monotonic() - begun, 1)}
            _log.info("the disk was short: the oldest of what is done and delivered was removed", extra=extra)

    def _free(self) -> int:
        return objects_space(self._context.settings)

    def _say_that_it_stays_short(self) -> None:
        why = "dicom-node retention plan says why, unless a backup is made"
        _log.warning("the disk is below retention.keep_free, and nothing may go: %s", why)

    def _remove(self, lacking: int) -> int:
        """One turn's removals, and their files; how many objects."""
        chosen = plan(
            self._context.database, self._policy, self._groups, datetime.now(UTC), lacking, _TOGETHER
        ).removals
        count = sum(self._one(one) for one in chosen)
        sweep(self._context.database, self._context.objects)
        return count

    def _one(self, removal: Removal) -> int:
        count = remove(self._context.ledger, removal, self._groups)
        metrics.removed.labels(removal.candidate.what.value, removal.cause.value).inc(count)
        self._context.health.pulse()
        return count
