"""`/health`: whether the API works, for whoever asks."""

from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from console.api.backend import Backend, backend_of
from console.api.routing import subject

router = subject("health")


class HealthAnswer(BaseModel):
    """Whether the API works; what else of the node waits is for who may read figures."""

    status: Literal["up", "waits"]
    version: str = Field(examples=["0.1.0"])
    waits_for: list[str] = Field(description="what it lacks, in a few words", examples=[["PostgreSQL"]])


@router.get("", response_model=HealthAnswer, responses={503: {"model": HealthAnswer}}, summary="Does the API work?")
def health(backend: Annotated[Backend, Depends(backend_of)]) -> Response:
    """For load balancers and whoever looks after the node; needs no log-in."""
    report = backend.health.report()
    # Why a server is away may tell of its address: the log and the role's own door of health say that.
    waits = [one.partition(":")[0] for one in report.waiting_for]
    said = HealthAnswer(status="up" if report.ready else "waits", version=version("dicom-node"), waits_for=waits)
    return JSONResponse(said.model_dump(), 200 if report.ready else 503)
