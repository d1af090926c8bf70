"""`/results`: what models found, as objects, pictures and text. Whoever reads one is on the trail."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Path
from starlette.responses import FileResponse, Response

from audit.actions import Action
from console import json_views
from console.api.access import Asking, allowed
from console.api.answers import answer, has_it
from console.api.models import ResultAnswer, ResultPage
from console.api.paging import Cursor, Limit, Place
from console.api.problems import Kind, ProblemError
from console.api.routes.studies import Named, word
from console.api.routing import refusals, subject
from console.api.sight import bound, study_of
from domain.errors import Permanent
from domain.permissions import Permission
from domain.profiles import ResultKind
from store.queries.results import ResultDetail, ResultFilter, known_result, page_of_results

router = subject("results")
of_studies = subject("studies")

Reader = Annotated[Asking, Depends(allowed(Permission.RESULTS_READ))]
Uid = Annotated[
    str,
    Path(
        pattern=r"^[0-9.]{1,64}$",
        description="SOP Instance UID of the result",
        examples=["2.25.329800735698586629295641978511506172918"],
    ),
]
_DICOM = "application/dicom"
_LARGEST = 256 << 20  # bytes of an object of which a picture or a text is made
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."


@router.get("", response_model=ResultPage, summary="Results, the newest first")
def results(
    asking: Reader,
    kind: ResultKind | None = None,
    model: Annotated[str | None, word(64, "of this model")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Of all studies that you may see. What is in a result its own addresses below tell."""
    return _page(asking, ResultFilter(None, kind, model, bound(asking)), cursor, limit)


@of_studies.get("/{study}/results", response_model=ResultPage, summary="The results of a study")
def results_of(asking: Reader, study: Named, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Those of every revision, the newest first."""
    return _page(asking, ResultFilter(study_of(asking, study)), cursor, limit)


@router.get("/{uid}", response_model=ResultAnswer, summary="What a result is")
def result(asking: Reader, uid: Uid) -> Response:
    """Its kind, of which run of which model, whether it was withdrawn, its size and digest."""
    found = _known(asking, uid)
    _record(asking, found, "metadata")
    return answer(asking.request, json_views.record(found))


@router.get(
    "/{uid}/object",
    response_class=FileResponse,
    responses={200: {"content": {_DICOM: {}}, "description": "a Part 10 file (PS3.10)"}, **refusals(409)},
    summary="The object",
)
def result_object(asking: Reader, uid: Uid) -> Response:
    """The DICOM object as a Part 10 file, byte for byte as it is stored; its ETag is of its SHA-256."""
    found = _known(asking, uid)
    tag = f'"{found.digest}"'
    if has_it(asking.request, tag):
        return Response(status_code=304, headers={"ETag": tag})
    _there(asking, found)
    _record(asking, found, "object")
    path = asking.backend.objects.path(found.object_key)
    return FileResponse(path, headers={"ETag": tag}, media_type=_DICOM, filename=f"{found.sop_uid}.dcm")


@router.get(
    "/{uid}/picture",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "a picture"}, **refusals(409)},
    summary="The result as a picture",
)
def picture(asking: Reader, uid: Uid) -> Response:
    """A PNG of a page (SC), or of the plane of a segmentation (SEG) in which most is segmented; others have none."""

    def made(found: ResultDetail, part10: bytes) -> bytes:
        from sr_writer.shown import PICTURED, picture_of  # noqa: PLC0415 - a node that shows none need not have it

        if found.sop_class not in PICTURED:
            raise ProblemError(Kind.NOT_NOW, f"there is no picture of {found.kind}: SC and SEG have one")
        return picture_of(part10, found.sop_class)

    return _rendered(asking, uid, "picture", "image/png", made)


@router.get(
    "/{uid}/text",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "the report in words"}, **refusals(409)},
    summary="The result as text",
)
def text(asking: Reader, uid: Uid) -> Response:
    """A report (SR) as lines of text; others have none."""

    def made(found: ResultDetail, part10: bytes) -> bytes:
        from sr_writer.reading import report_text  # noqa: PLC0415 - as above

        if not found.sop_class.startswith(_REPORTS):
            raise ProblemError(Kind.NOT_NOW, f"there is no text of {found.kind}: reports (SR) have one")
        return report_text(part10).encode()

    return _rendered(asking, uid, "text", "text/plain; charset=utf-8", made)


def _page(asking: Asking, wanted: ResultFilter, cursor: str | None, limit: int) -> Response:
    after = Place.of(cursor)
    found = page_of_results(asking.database, limit + 1, wanted, (after.at, after.id) if after else None)
    shown = found[:limit]
    further = Place(shown[-1].written_at, shown[-1].sop_uid).cursor if len(found) > limit else None
    return answer(asking.request, {"results": json_views.plain(shown), "next": further})


def _known(asking: Asking, uid: str) -> ResultDetail:
    found = known_result(asking.database, uid, bound(asking))
    if found is None:
        raise ProblemError(Kind.UNKNOWN, "there is no such result, or none that you may see")
    return found


def _there(asking: Asking, found: ResultDetail) -> None:
    if found.removed_at is not None or not asking.backend.objects.exists(found.object_key):
        raise ProblemError(Kind.NOT_NOW, "its file is here no longer: archives that it was delivered to have it")


def _rendered(
    asking: Asking, uid: str, form: str, media_type: str, made: Callable[[ResultDetail, bytes], bytes]
) -> Response:
    found = _known(asking, uid)
    _there(asking, found)
    if found.size > _LARGEST:
        raise ProblemError(Kind.NOT_NOW, f"it is too large to be shown: its object is at /results/{uid}/object")
    try:
        body = made(found, asking.backend.objects.get(found.object_key))
    except ImportError as error:
        said = "this node cannot show results: the extra `results` is not installed"
        raise ProblemError(Kind.UNAVAILABLE, said) from error
    except Permanent as error:
        raise ProblemError(Kind.NOT_NOW, f"it cannot be shown: {error.sentence}") from error
    _record(asking, found, form)
    return answer(asking.request, body, media_type)


def _record(asking: Asking, found: ResultDetail, form: str) -> None:
    with asking.ledger.transaction() as transaction:
        transaction.record(Action.RESULTS_READ, found.study_id, form=form, result=found.sop_uid)
