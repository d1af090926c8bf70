"""`/audit`: the trail, searched and proven. Every reading is itself an entry."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, AwareDatetime, Field
from starlette.responses import Response

from audit.trail import Entry
from console import json_views
from console.actions import trail as acting
from console.api import examples
from console.api.access import Asking, allowed
from console.api.answers import answer
from console.api.models import Answered, of_records, shown
from console.api.paging import Cursor, Limit, decoded, encoded, no_cursor
from console.api.problems import Kind, ProblemError
from console.api.refusing import told
from console.api.routes.studies import word
from console.api.routing import subject
from domain.errors import IntegrityError
from domain.ids import StudyId
from domain.permissions import Permission
from store.queries.studies import known_study
from store.trail import EntryFilter

router = subject("audit")

Reader = Annotated[Asking, Depends(allowed(Permission.AUDIT_READ))]
_MOST = 2**63 - 1
Number = Annotated[int, Path(ge=1, le=_MOST, description="the entry's number", examples=[4711])]


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such moment in UTC") from None


_Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


def wanted_of(
    study: Annotated[
        str | None, Query(pattern=r"^[0-9A-Fa-f.-]{1,64}$", description="of this study: internal id or UID")
    ] = None,
    action: Annotated[str, word(64, "that say this, or begin so: results withdrawn")] = "",
    by: Annotated[str, word(128, "by this role or host, or with this in the user's name")] = "",
    since: Annotated[_Moment | None, Query(description="from then on")] = None,
    until: Annotated[_Moment | None, Query(description="before then")] = None,
) -> "Wanted":
    """What callers say of the entries that they want."""
    return Wanted(study, action, by, since, until)


class Wanted:
    """Entries as they were asked for, until it is known who asks."""

    def __init__(self, study: str | None, action: str, by: str, since: datetime | None, until: datetime | None) -> None:
        self._study, self._action, self._by, self._since, self._until = study, action, by, since, until

    def of(self, asking: Asking) -> EntryFilter:
        """The same as the node has it; raises ProblemError where there is no such study or action."""
        with told(Kind.INVALID, "action: no entry says or begins so; docs/audit.md has what entries say"):
            acting.known_action(self._action)
        return EntryFilter(self._known(asking), self._action, self._by.strip(), self._since, self._until)

    def _known(self, asking: Asking) -> StudyId | None:
        if self._study is None:
            return None
        if (found := known_study(asking.database, self._study)) is None:
            raise ProblemError(Kind.UNKNOWN, "there is no such study: give its id or its UID")
        return found


Asked = Annotated[Wanted, Depends(wanted_of)]

EntryAnswer = of_records(
    "EntryAnswer", "An entry: who did what, when, with what outcome.", Entry, example=examples.ENTRY
)


class EntryPage(Answered):
    """A page of entries, the newest first."""

    entries: list[EntryAnswer]  # type: ignore[valid-type]
    next: str | None = Field(description="the cursor of the next page; null after the last one")


class ProofAnswer(shown(examples.PROOF)):  # type: ignore[misc]
    """An entry, the checkpoint that covers it, and what leads from one to the other (RFC 6962 2.1.1)."""

    number: int
    entry: str = Field(description="the entry's canonical text; its leaf is SHA-256 of a zero byte and this")
    hash: str = Field(description="its link of the chain, in hexadecimal")
    proof: list[str] = Field(description="hashes from the leaf to the root, in Base64")
    checkpoint: str = Field(description="the signed note (C2SP tlog-checkpoint)")
    cosignatures: list[str] = Field(description="what witnesses signed of it, a line each")


@router.get("/entries", response_model=EntryPage, summary="Entries, the newest first")
def entries(asking: Reader, asked: Asked, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """What is given together is asked together. Of a trail of years, give a time or a study."""
    before = _number(cursor)
    found = acting.page(asking.ledger, asked.of(asking), before, limit + 1)
    shown = found[:limit]
    further = encoded(shown[-1].number) if len(found) > limit else None
    return answer(asking.request, {"entries": json_views.plain(shown), "next": further})


@router.get("/entries/{number}", response_model=EntryAnswer, summary="One entry")
def entry(asking: Reader, number: Number) -> Response:
    """As it can be read; `/proof` has its very text."""
    found = acting.one(asking.ledger, number)
    if found is None:
        raise _none()
    return answer(asking.request, json_views.record(found))


@router.get("/entries/{number}/proof", response_model=ProofAnswer, summary="One entry with its proof")
def proof(asking: Reader, number: Number) -> Response:
    """The path from it to the root of the newest checkpoint. One that is not signed yet is in a second or two."""
    if not acting.is_there(asking.database, number):
        raise _none()
    try:
        return answer(asking.request, json_views.proof(acting.proven(asking.ledger, number)))
    except IntegrityError as error:
        raise ProblemError(Kind.NOT_NOW, error.sentence) from error


def _none() -> ProblemError:
    return ProblemError(Kind.UNKNOWN, "the trail has no such entry here: it is not written yet, or was archived")


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        (said,) = decoded(cursor)
        number = int(said)
    except ValueError as error:
        raise no_cursor() from error
    if not 0 < number <= _MOST:
        raise no_cursor()
    return number
