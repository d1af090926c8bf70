"""`/settings`: what the node goes by, and where each of it was given; secrets are masked."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from console import json_views
from console.actions.settings import Effective, in_effect
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer
from console.api.models import Answered, of_records
from console.api.routing import subject
from domain.permissions import Permission

router = subject("settings")

Reader = Annotated[Asking, Depends(allowed(Permission.SETTINGS_READ))]

SettingAnswer = of_records(
    "SettingAnswer", "A setting in effect, and where it was given.", Effective, example=examples.SETTING
)


class SettingsAnswer(Answered):
    """Every setting, in the order of docs/reference.md."""

    settings: list[SettingAnswer]  # type: ignore[valid-type]


@router.get("", response_model=SettingsAnswer, summary="The settings in effect")
def settings(asking: Reader) -> Response:
    """Those of the role `serve`. `origin` is a file, a variable, the command line, `default`, or `the node`.

    The node itself makes some, such as the address of a database of its own, and takes others over when it is told to
    reload.
    """
    return answer(asking.request, {"settings": json_views.plain(list(in_effect(asking.settings)))})
