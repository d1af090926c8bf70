"""`/problems`: what each kind of problem means, at the address that a problem gives as its type."""

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from console.api.answers import answer
from console.api.problems import SAID, Kind
from console.api.routing import subject

router = subject("problems")


class KindAnswer(BaseModel):
    """A kind of problem, and what to do about it."""

    kind: Kind
    status: int = Field(examples=[404])
    title: str = Field(examples=["Not there"])
    remedy: str = Field(examples=["There is no such thing here, or none that you may see."])


@router.get("/{kind}", response_model=KindAnswer, summary="What does a problem mean?")
def explained(request: Request, kind: Kind) -> Response:
    """The kind, as each problem's `type` points here; needs no log-in."""
    said = SAID[kind]
    return answer(request, {"kind": kind.value, "status": said.status, "title": said.title, "remedy": said.remedy})
