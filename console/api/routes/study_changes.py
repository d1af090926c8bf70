"""`/studies/...`: what a person decides about a study. Each says why, is done once for a key, and is on the trail."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from console import json_views
from console.actions import recovery as deciding
from console.api.access import Asking, allowed
from console.api.answers import refuse_changed
from console.api.models import Answered, of_records
from console.api.once import Key, done_once
from console.api.problems import Kind, ProblemError
from console.api.routes.studies import ROWS, IfMatch, Named, path_of
from console.api.routing import subject
from console.api.sight import study_of
from consumers.steps.cancel import Cancelled
from consumers.steps.retry import Retried
from dicom_node.outside import LONGEST_REASON, words
from domain.errors import ConfigurationError
from domain.ids import StudyId
from domain.json_records import JsonObject
from domain.permissions import Permission

router = subject("studies")

Operator = Annotated[Asking, Depends(allowed(Permission.STUDIES_CHANGE))]


def _said(text: str) -> str:
    if not (said := words(text, LONGEST_REASON)):
        raise ValueError("say why in words")
    return said


Reason = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_REASON, description="why; it is kept, and names no patient"),
    AfterValidator(_said),
]


class Why(BaseModel):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason = Field(examples=["a test of the scanner"])


class Again(Why):
    """Which model is to run again, and why."""

    model: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$", examples=["ct_lung"])


RetriedAnswer = of_records("RetriedAnswer", "What was set going again, and which models keep the study stuck.", Retried)
CancelledAnswer = of_records("CancelledAnswer", "What was ended, and whether the study is stuck no more.", Cancelled)


class AgainAnswer(Answered):
    """The model that runs again when the study is complete anew; so many earlier runs count no more then."""

    model: str = Field(examples=["ct_lung"])
    runs: int = Field(examples=[1])


class HeldAnswer(Answered):
    """The study that is held, and how many of its images are there."""

    study: str
    images: int


class ReleasedAnswer(Answered):
    """The study that is held no longer."""

    study: str


@router.post("/{study}/retry", response_model=RetriedAnswer, summary="Try it again")
def retry(asking: Operator, study: Named, key: Key = None, if_match: IfMatch = None) -> Response:
    """Its events that were set aside, its models, and what was refused or waits to be sent."""

    def do(found: StudyId) -> JsonObject:
        return json_views.record(deciding.retry(asking.ledger, asking.settings, found))

    return _changed(asking, study, key, do)


@router.post("/{study}/cancel", response_model=CancelledAnswer, summary="End what is not yet done of it")
def cancel(asking: Operator, study: Named, why: Why, key: Key = None, if_match: IfMatch = None) -> Response:
    """No model runs on it any more, and nothing further of it goes out; what has arrived stays. `retry` undoes it."""

    def do(found: StudyId) -> JsonObject:
        return json_views.record(
            deciding.cancel(asking.ledger, asking.settings, found, why.reason, asking.principal.name)
        )

    return _changed(asking, study, key, do, why)


@router.post("/{study}/process", response_model=AgainAnswer, summary="Process it again with a model")
def process(asking: Operator, study: Named, again: Again, key: Key = None, if_match: IfMatch = None) -> Response:
    """On the images that the model has had: its new result supersedes the earlier one."""

    def do(found: StudyId) -> JsonObject:
        who = asking.principal.name
        try:
            runs = deciding.reprocess(asking.ledger, asking.settings, found, again.model, again.reason, who)
        except ConfigurationError as error:
            raise ProblemError(Kind.NOT_NOW, "the node has no such model: /api/v1/models lists them") from error
        return {"model": again.model, "runs": runs}

    return _changed(asking, study, key, do, again)


@router.put("/{study}/hold", response_model=HeldAnswer, summary="Keep it: nothing of it is removed")
def hold(asking: Operator, study: Named, why: Why, key: Key = None, if_match: IfMatch = None) -> Response:
    """For a teaching file, a trial, a complaint; a hold that is there is said anew."""

    def do(found: StudyId) -> JsonObject:
        return {"study": str(found), "images": deciding.hold(asking.ledger, found, why.reason, asking.principal.name)}

    return _changed(asking, study, key, do, why)


@router.delete("/{study}/hold", response_model=ReleasedAnswer, summary="End a hold")
def release(asking: Operator, study: Named, key: Key = None, if_match: IfMatch = None) -> Response:
    """What is done and delivered of the study may be removed again."""

    def do(found: StudyId) -> JsonObject:
        deciding.release(asking.ledger, found, asking.principal.name)
        return {"study": str(found)}

    return _changed(asking, study, key, do)


def _changed(
    asking: Asking, study: str, key: str | None, do: Callable[[StudyId], JsonObject], body: BaseModel | None = None
) -> Response:
    """Does it for the study that is named, unless that has changed since the caller saw it (If-Match)."""
    found = study_of(asking, study)

    def once() -> JsonObject:
        if "if-match" in asking.request.headers:
            refuse_changed(asking.request, path_of(asking, found, ROWS)[1])
        return do(found)

    return done_once(asking, key, once, body)
