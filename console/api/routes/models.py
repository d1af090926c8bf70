"""`/models`: the model packages of the node, and what each is for."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends
from starlette.responses import Response

from console import json_views
from console.actions.packages import BrokenPackage, ModelDetail, Models, all_models, one_model
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer
from console.api.models import of_records
from console.api.names import Name
from console.api.problems import Kind, ProblemError
from console.api.routing import refusals, subject
from domain.errors import ConfigurationError
from domain.permissions import Permission

router = subject("models")

Reader = Annotated[Asking, Depends(allowed(Permission.MODELS_READ))]
T = TypeVar("T")

ModelsAnswer = of_records(
    "ModelsAnswer", "The packages, and those whose manifest is wrong.", Models, example=examples.MODELS
)
ModelAnswer = of_records(
    "ModelAnswer", "A package: what it reads, how it is run, what it says.", ModelDetail, example=examples.MODEL
)


@router.get("", response_model=ModelsAnswer, summary="The models")
def models(asking: Reader) -> Response:
    """Every package with its version, who vouches for it, and whether its model is paused."""
    found = _read(lambda: all_models(asking.database, asking.settings))
    return answer(asking.request, json_views.record(found))


@router.get("/{name}", response_model=ModelAnswer, responses=refusals(409), summary="One model, with its card")
def model(asking: Reader, name: Name) -> Response:
    """What it is for, what it reads, how it is run, what it says, and its card."""
    found = _read(lambda: one_model(asking.database, asking.settings, name))
    if found is None:
        raise ProblemError(Kind.UNKNOWN, "there is no such model: /api/v1/models lists them")
    if isinstance(found, BrokenPackage):
        raise ProblemError(Kind.NOT_NOW, f"its manifest is wrong: {'; '.join(found.faults)}")
    return answer(asking.request, json_views.record(found))


def _read(look: Callable[[], T]) -> T:
    try:
        return look()
    except ConfigurationError as error:
        said = "the node's model packages, or the keys that they are signed with, cannot be read: dicom-node doctor"
        raise ProblemError(Kind.UNAVAILABLE, said) from error
