"""What is known of the studies that are not complete, and what that comes to. Reads only.

Rows say what came and what is expected; since when nothing has happened is measured here, by a clock that never steps.
Only of what happened before this process began does the database's clock say how long ago it was.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.clock import Clock
from domain.completeness import SeriesArrival, SettlePolicy, StudyFacts, Verdict, decide, wants_geometry
from domain.contiguity import gap
from domain.expectations import Expectation
from domain.habits import KNOWN
from domain.ids import StudyId
from store import arrivals, expectations
from store.arrivals import ArrivedSeries
from store.database import Connection
from store.studies import OpenStudy

_NOTHING_OF_IT = SeriesArrival("", "", 0)


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


class Arrivals:
    """The facts of studies that are not complete. `begin` is for the studies that there are at a look at all."""

    def __init__(self, policy: SettlePolicy, clock: Clock) -> None:
        self._policy = policy
        self._silences = Silences(clock)
        self._series: dict[StudyId, tuple[object, Sequence[ArrivedSeries]]] = {}
        self._first_look = True

    def look(self, connection: Connection, found: Sequence[OpenStudy]) -> Mapping[StudyId, Verdict]:
        """What is to be said of all studies that are not complete."""
        said = self.verdicts(connection, found)
        ids = {study.id for study in found}
        self._silences.keep(ids)
        self._series = {study: seen for study, seen in self._series.items() if study in ids}
        self._first_look = False
        return said

    def verdicts(self, connection: Connection, found: Sequence[OpenStudy]) -> Mapping[StudyId, Verdict]:
        """What is to be said of each of these studies."""
        facts = self.facts(connection, found)
        closer = [study for study in found if wants_geometry(facts[study.id], self._policy)]
        if closer:
            facts = {**facts, **self._laid_out(connection, closer, facts)}
        return {study: decide(known, self._policy) for study, known in facts.items()}

    def facts(self, connection: Connection, found: Sequence[OpenStudy]) -> Mapping[StudyId, StudyFacts]:
        """What is known of each of these studies without a look at every instance; series only of what is expected."""
        waited_for = [study for study in found if study.expected]
        series = self._series_of(connection, waited_for)
        said = expectations.of_studies(connection, [study.uid for study in waited_for]) if waited_for else {}
        return {one.id: self._facts(one, series.get(one.id, ()), said.get(one.uid, {})) for one in found}

    def _facts(
        self, study: OpenStudy, came: Sequence[ArrivedSeries], said: Mapping[str, Sequence[Expectation]]
    ) -> StudyFacts:
        return StudyFacts(
            silence=self._silences.of(study.id, study.last_event, study.silent if self._first_look else 0.0),
            held=study.held,
            modalities=study.modalities,
            synced=study.synced,
            came=sum(one.came for one in came),
            series=series_arrivals(came, said),
            expected=tuple(said.get("", ())),
            released=study.released,
            opening=study.opening,
            known=study.seen >= KNOWN,
            pause=study.pause,
        )

    def _series_of(
        self, connection: Connection, found: Sequence[OpenStudy]
    ) -> Mapping[StudyId, Sequence[ArrivedSeries]]:
        """Counted anew where anything came since."""
        marks = {study.id: study.last_event for study in found}
        stale = [one for one, mark in marks.items() if one not in self._series or self._series[one][0] != mark]
        if stale:
            counted = arrivals.series_of(connection, stale)
            self._series |= {one: (marks[one], counted.get(one, ())) for one in stale}
        return {one: self._series[one][1] for one in marks}

    def _laid_out(
        self, connection: Connection, found: Sequence[OpenStudy], facts: Mapping[StudyId, StudyFacts]
    ) -> Mapping[StudyId, StudyFacts]:
        """With the geometry of each series."""
        ids = [study.id for study in found]
        came, places = self._series_of(connection, found), arrivals.places_of(connection, ids)
        gaps = {str(series): gap(images) for series, images in places.items()}
        return {one: _with_geometry(facts[one], came[one], gaps) for one in ids}


def series_arrivals(
    came: Sequence[ArrivedSeries], said: Mapping[str, Sequence[Expectation]]
) -> tuple[SeriesArrival, ...]:
    """The series that came, and those that are only expected."""
    here = tuple(
        SeriesArrival(
            str(one.id), one.modality, one.came, tuple(said.get(one.uid, ())), None, one.on_its_way, one.synced
        )
        for one in came
    )
    others = said.keys() - {one.uid for one in came} - {""}
    return (*here, *(replace(_NOTHING_OF_IT, expected=tuple(said[uid])) for uid in sorted(others)))


def _with_geometry(facts: StudyFacts, came: Sequence[ArrivedSeries], gaps: Mapping[str, str]) -> StudyFacts:
    series = facts.series or series_arrivals(came, {})
    known = tuple(replace(one, geometry=gaps.get(one.series_id, "images came that cannot be read")) for one in series)
    return replace(facts, series=known)
