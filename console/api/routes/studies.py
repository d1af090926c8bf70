"""`/studies`: where studies are, and why; and what a person decides about one."""

from typing import Annotated

from fastapi import Depends, Header, Path, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from audit.actions import Action
from console import json_views
from console.actions import index_state
from console.actions import studies as asked
from console.api.access import Asking, allowed
from console.api.answers import answer
from console.api.models import ExplanationAnswer, PathAnswer, StudyPage
from console.api.paging import Cursor, Limit, Place
from console.api.routing import subject
from console.api.sight import bound, study_of, without_findings
from domain.ids import StudyId
from domain.json_records import JsonObject
from domain.permissions import Permission
from domain.records import StudyPath
from domain.states import StudyState
from store.queries.studies import StudyFilter, page_of_studies

router = subject("studies")

Reader = Annotated[Asking, Depends(allowed(Permission.STUDIES_READ))]
Rows = Annotated[int, Query(ge=1, le=1000, description="rows of each of the study's tables at most, the newest")]
Named = Annotated[
    str,
    Path(
        pattern=r"^[0-9A-Fa-f.-]{1,64}$",
        description="internal id, or StudyInstanceUID",
        examples=["0f5a3d1c-6c2e-4a56-9f5a-3d1c3d1e7c40"],
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        max_length=256,
        description="the ETag that GET gave of what is changed: where it has another one by now, nothing is done",
    ),
]
_WORD = r"^[^\x00-\x1f]+$"
#: Rows of each table that are told where nobody says how many.
ROWS = 20


def word(longest: int, about: str) -> object:
    """A parameter of at most so many characters, none of them a control character."""
    return Query(max_length=longest, pattern=_WORD, description=about)


@router.get("", response_model=StudyPage, summary="Studies, the newest first")
def studies(
    asking: Reader,
    uid: Annotated[str | None, word(64, "StudyInstanceUID")] = None,
    state: Annotated[list[StudyState] | None, Query(description="in one of these states")] = None,
    model: Annotated[str | None, word(64, "of which this model was asked")] = None,
    destination: Annotated[str | None, word(64, "with results for it")] = None,
    modality: Annotated[str | None, word(16, "with a series of it: CT, MR")] = None,
    sender: Annotated[str | None, word(16, "that this AE title sent")] = None,
    since: Annotated[AwareDatetime | None, Query(description="that received something since then")] = None,
    until: Annotated[AwareDatetime | None, Query(description="that received nothing since then")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """In the order in which they first came, the newest first, so that no study is missed or comes twice."""
    wanted = StudyFilter(tuple(state or ()), (), modality, sender, destination, since, until, uid, model, bound(asking))
    return answer(asking.request, page(asking, wanted, cursor, limit)[0])


@router.get("/{study}/explanation", response_model=ExplanationAnswer, summary="Why did each model run, or not?")
def explanation(asking: Reader, study: Named, rows: Rows = ROWS) -> Response:
    """For every model why it ran on the study, or why not, as `dicom-node explain STUDY --json` tells it."""
    told = asked.explained(asking.database, study_of(asking, study), rows)
    content = json_views.explanation(told.study, told.series, told.decisions)
    return answer(asking.request, without_findings(asking, content))


@router.get("/{study}", response_model=PathAnswer, summary="One study's whole path")
def study(asking: Reader, study: Named, rows: Rows = ROWS) -> Response:
    """Where it is, since when and why, and everything on its way, as `dicom-node status STUDY --json` tells it."""
    path, content = path_of(asking, study_of(asking, study), rows)
    if any(one.findings for one in path.jobs) and asking.may(Permission.RESULTS_READ):
        with asking.ledger.transaction() as transaction:
            transaction.record(Action.RESULTS_READ, path.study.id, form="findings")
    return answer(asking.request, content)


def page(asking: Asking, wanted: StudyFilter, cursor: str | None, limit: int) -> tuple[JsonObject, int]:
    """A page of the studies that are wanted with the cursor of the next one, and how many are on it."""
    after = Place.of(cursor)
    found = page_of_studies(asking.database, limit + 1, wanted, (after.at, after.uuid) if after else None)
    shown = found[:limit]
    entries = json_views.study_entries(shown, asked.places(shown))
    further = Place(shown[-1].study.first_received, str(shown[-1].study.id)).cursor if len(found) > limit else None
    return {"studies": [without_findings(asking, one) for one in entries], "next": further}, len(shown)


def path_of(asking: Asking, study: StudyId, rows: int) -> tuple[StudyPath, JsonObject]:
    """Everything on a study's way, and the same as they may see it."""
    path, place = asked.whole_path(asking.database, study, rows)
    return path, without_findings(asking, json_views.path(path, place, index_state.trouble(asking.settings)))
