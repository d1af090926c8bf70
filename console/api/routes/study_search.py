"""`/studies/search`: studies by numbers of a patient, which stand in no address, log or answer."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from audit.actions import Action
from console.actions import studies as asked
from console.api.answers import answer
from console.api.models import StudyPage
from console.api.paging import MOST
from console.api.problems import Kind, ProblemError
from console.api.routes.studies import Reader, page
from console.api.routing import subject
from console.api.sight import bound
from domain.errors import ConfigurationError
from domain.states import StudyState
from store.queries.studies import StudyFilter

router = subject("studies")

_Number = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]


class Wanted(BaseModel):
    """The studies that are looked for; at least one number of the patient's is among it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"accession": "A4711"}]})

    patient_id: _Number | None = Field(None, description="Patient ID (0010,0020)")
    accession: _Number | None = Field(None, description="Accession Number (0008,0050)")
    state: list[StudyState] = Field([], max_length=8, description="in one of these states")
    since: AwareDatetime | None = Field(None, description="that received something since then")
    until: AwareDatetime | None = Field(None, description="that received nothing since then")
    cursor: str | None = Field(None, max_length=256, description="`next` of the page before")
    limit: int = Field(50, ge=1, le=MOST, description="studies of a page at most")

    @model_validator(mode="after")
    def _has_a_number(self) -> "Wanted":
        if not self.patient_id and not self.accession:
            raise ValueError("give patient_id or accession; without either GET /studies lists studies")
        return self


@router.post("/search", response_model=StudyPage, summary="Studies by a patient's numbers")
def search(asking: Reader, wanted: Wanted) -> Response:
    """By Patient ID or Accession Number, which the node knows as keyed digests alone: it compares them, and tells none.

    The answer names nobody. That somebody looked is on the trail, and by which number is not.
    """
    marks = _marks(asking, wanted)
    by = StudyFilter(tuple(wanted.state), marks, since=wanted.since, until=wanted.until, seen_by=bound(asking))
    found, count = page(asking, by, wanted.cursor, wanted.limit)
    with asking.ledger.transaction() as transaction:
        named = [name for name in ("patient_id", "accession") if getattr(wanted, name)]
        transaction.record(Action.PATIENT_SEARCHED, by=named, found=count)
    return answer(asking.request, found)


def _marks(asking: Reader, wanted: Wanted) -> tuple[str, ...]:
    try:
        return asked.marks(asking.database, asking.settings, wanted.accession or "", wanted.patient_id or "")
    except ConfigurationError as error:
        said = "patients are known by digests alone, and the key of these is not here: dicom-node doctor says why"
        raise ProblemError(Kind.UNAVAILABLE, said) from error
