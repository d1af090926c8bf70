"""How a study and what is done of it stand, row by row: what a person's decision changes, before and after."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, Table, Text, case, cast, literal, select, union_all

from domain.ids import StudyId
from store.tables import deliveries, jobs, rejections, studies, summaries

_Condition = ColumnElement[bool]
# Beside a row's state, what a decision may change of it, in the word that the trail has for it.
_RUN: Mapping[str, _Condition] = {
    "withdrawn": jobs.c.withdrawn_at.is_not(None),
    "asked again": jobs.c.done_anew.is_(True),
    "accepted": jobs.c.accepted.is_(True),
}


@dataclass(frozen=True)
class Standing:
    """The states of a study's rows by their kind and internal id, as they were when this was read."""

    study: StudyId
    states: Mapping[str, str]

    def changed(self, connection: Connection, *only: uuid.UUID) -> dict[str, dict[str, str]]:
        """`before` and `after` of the rows that stand otherwise by now; where any are given, of these `only`."""
        now = standing(connection, self.study).states
        names = sorted(name for name in {*self.states, *now} if self.states.get(name) != now.get(name))
        if only:
            names = [name for name in names if name.endswith(tuple(map(str, only)))]
        return {"before": _of(self.states, names), "after": _of(now, names)}


def standing(connection: Connection, study: StudyId) -> Standing:
    """As it stands in this transaction; to be asked once the study's rows are locked."""
    rows = connection.execute(
        union_all(
            _rows("study", studies, studies.c.id == study, {"two patients": studies.c.two_patients.is_(True)}),
            _rows("run", jobs, jobs.c.study_id == study, _RUN),
            _rows("delivery", deliveries, deliveries.c.study_id == study, _forgotten(deliveries)),
            _rows("note", rejections, rejections.c.study_id == study, _forgotten(rejections)),
            _rows("impression", summaries, summaries.c.study_id == study, _withdrawn(summaries)),
        )
    )
    return Standing(study, {f"{row[0]} {row[1]}": row[2] for row in rows})


def _rows(kind: str, table: Table, which: _Condition, words: Mapping[str, _Condition]) -> Select[str, str, str]:
    state: ColumnElement[str] = table.c.state
    for word, holds in words.items():
        state = state + case((holds, f", {word}"), else_="")
    return select(literal(kind), cast(table.c.id, Text), state).where(which)


def _forgotten(table: Table) -> Mapping[str, _Condition]:
    return {"forgotten": table.c.forgotten.is_(True)}


def _withdrawn(table: Table) -> Mapping[str, _Condition]:
    return {"withdrawn": table.c.withdrawn_at.is_not(None)}


def _of(states: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: states[name] for name in names if name in states}
