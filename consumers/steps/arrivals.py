"""What is known of the studies that are not complete, and what that comes to. Reads only.

Rows say what came and what is expected; since when nothing has happened is measured here, by a clock that never steps.
Only of what happened before this process began does the database's clock say how long ago it was.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from domain.clock import Clock
from domain.completeness import SeriesArrival, SettlePolicy, StudyFacts, Verdict, decide, wants_geometry
from domain.contiguity import Placed, gap
from domain.expectations import Expectation
from domain.habits import KNOWN
from domain.ids import StudyId
from store import arrivals, expectations
from store.arrivals import ArrivedSeries
from store.database import Connection
from store.studies import OpenStudy

V = TypeVar("V")


@dataclass(frozen=True)
class _Unchanged:
    """What something looked like at moment `since` of the clock that never steps, and has looked like ever since."""

    mark: object
    since: float


class Silences:
    """How long things have looked as they do."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[object, _Unchanged] = {}

    def of(self, key: object, mark: object, before: float = 0.0) -> float:
        """For how many seconds `key` has had this `mark`; `before` are those in which nobody looked."""
        now = self._clock.monotonic()
        seen = self._seen.get(key)
        if seen is None or seen.mark != mark:
            seen = self._seen[key] = _Unchanged(mark, now - (before if seen is None else 0.0))
        return now - seen.since

    def keep(self, keys: Collection[object]) -> None:
        """Forget all others."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in keys}


class _Asked(Generic[V]):
    """What was asked of studies, which is asked anew of those to which something has happened since."""

    def __init__(self, ask: Callable[[Connection, Collection[StudyId]], Mapping[StudyId, V]]) -> None:
        self._ask = ask
        self._kept: dict[StudyId, tuple[object, V]] = {}

    def of(self, connection: Connection, found: Sequence[OpenStudy]) -> Mapping[StudyId, V]:
        """The answer for each of these studies."""
        marks = {study.id: study.last_event for study in found}
        stale = [one for one, mark in marks.items() if one not in self._kept or self._kept[one][0] != mark]
        if stale:
            self._kept |= {one: (marks[one], answer) for one, answer in self._ask(connection, stale).items()}
        return {one: self._kept[one][1] for one in marks}

    def keep(self, ids: Collection[StudyId]) -> None:
        """Forget all others."""
        self._kept = {study: kept for study, kept in self._kept.items() if study in ids}


class Arrivals:
    """The facts of studies that are not complete."""

    def __init__(self, policy: SettlePolicy, clock: Clock) -> None:
        self._policy = policy
        self._silences = Silences(clock)
        self._series = _Asked(_series_of)
        self._gaps = _Asked(_gaps_of)
        self._first_look = True

    def look(self, connection: Connection, found: Sequence[OpenStudy]) -> Mapping[StudyId, Verdict]:
        """What is to be said of all studies that are not complete."""
        said = self.verdicts(connection, found)
        ids = {study.id for study in found}
        self._silences.keep(ids)
        self._series.keep(ids)
        self._gaps.keep(ids)
        self._first_look = False
        return said

    def verdicts(self, connection: Connection, found: Sequence[OpenStudy]) -> Mapping[StudyId, Verdict]:
        """What is to be said of each of these studies."""
        facts = self.facts(connection, found)
        closer = [study for study in found if wants_geometry(facts[study.id], self._policy)]
        seen = self._gaps.of(connection, closer)
        return {one: decide(replace(known, gap=seen.get(one)), self._policy) for one, known in facts.items()}

    def facts(self, connection: Connection, found: Sequence[OpenStudy]) -> Mapping[StudyId, StudyFacts]:
        """What is known of each of these studies without a look at every instance; series only of what is expected."""
        waited_for = [study for study in found if study.expected]
        series = self._series.of(connection, waited_for)
        said = expectations.of_studies(connection, [study.uid for study in waited_for]) if waited_for else {}
        listed = [uid for uid, by_series in said.items() if any(map(_names_all, by_series.values()))]
        named = expectations.named(connection, listed) if listed else {}
        return {
            one.id: self._facts(one, series.get(one.id, ()), said.get(one.uid, {}), named.get(one.uid, {}))
            for one in found
        }

    def _facts(
        self,
        study: OpenStudy,
        came: Sequence[ArrivedSeries],
        said: Mapping[str, Sequence[Expectation]],
        named: Mapping[str, int],
    ) -> StudyFacts:
        return StudyFacts(
            silence=self._silences.of(study.id, study.last_event, study.silent if self._first_look else 0.0),
            held=study.held,
            modalities=study.modalities,
            synced=study.synced,
            came=sum(one.came for one in came),
            series=_series(came, said, named),
            expected=tuple(said.get("", ())),
            released=study.released,
            opening=study.opening,
            in_progress=study.in_progress,
            known=study.seen >= KNOWN,
            pause=study.pause,
        )


def _names_all(expected: Sequence[Expectation]) -> bool:
    return any(one.named_all() for one in expected)


def _series_of(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, Sequence[ArrivedSeries]]:
    counted = arrivals.series_of(connection, ids)
    return {one: counted.get(one, ()) for one in ids}


def _gaps_of(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, str]:
    """What seems to be missing of each study."""
    came, places = _series_of(connection, ids), arrivals.places_of(connection, ids)
    return {one: _gap(sum(series.came for series in came[one]), places.get(one, {}).values()) for one in ids}


def _gap(came: int, series: Collection[Sequence[Placed]]) -> str:
    if came > sum(map(len, series)):
        return "images of it cannot be read"
    return next(filter(None, map(gap, series)), "")


def _series(
    came: Sequence[ArrivedSeries], said: Mapping[str, Sequence[Expectation]], named: Mapping[str, int]
) -> tuple[SeriesArrival, ...]:
    """The series that came, and those that are only expected."""
    here = [(one.uid, one.came) for one in came]
    others = [(uid, 0) for uid in sorted(said.keys() - {uid for uid, _ in here} - {""})]
    every = (*here, *others)
    return tuple(SeriesArrival(number, tuple(said.get(uid, ())), named.get(uid, 0)) for uid, number in every)
