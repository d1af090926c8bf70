"""`/figures`: numbers of the node's work, for a page."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from console import json_views
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer
from console.api.models import of_records
from console.api.routing import subject
from console.api.sight import bound
from domain.permissions import Permission
from store.queries.figures import NodeFigures, figures

router = subject("figures")

Reader = Annotated[Asking, Depends(allowed(Permission.FIGURES_READ))]
FiguresAnswer = of_records("FiguresAnswer", "How the node's work stands.", NodeFigures, example=examples.FIGURES)


@router.get("", response_model=FiguresAnswer, summary="How much, and how it stands")
def numbers(
    asking: Reader,
    since: Annotated[
        AwareDatetime | None, Query(description="from when on what has ended counts; without it from midnight here")
    ] = None,
) -> Response:
    """Studies by state, what came, runs, results and deliveries of the day, dead letters and refusals."""
    found = figures(asking.database, since or _midnight(), bound(asking))
    return answer(asking.request, json_views.record(found))


def _midnight() -> datetime:
    return datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
