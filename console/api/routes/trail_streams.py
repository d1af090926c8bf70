"""`/audit`: the whole trail verified and written out, as streams; each is an entry with who asked for it."""

from typing import Annotated

from fastapi import Depends, Query
from starlette.responses import Response

from audit.export.exporting import recorded
from console.actions.trail import ExportFormat, export_of
from console.api.access import Asking, allowed
from console.api.refusing import told
from console.api.routes.trail import Asked, Reader
from console.api.routing import refusals, subject
from console.api.streams import Stream, in_blocks, in_turn
from console.api.verifying import verification
from domain.permissions import Permission

router = subject("audit")

Exporter = Annotated[Asking, Depends(allowed(Permission.AUDIT_EXPORT))]
_LINES = "application/jsonl"
_CSV = "text/csv"
_TYPES = {ExportFormat.JSON_LINES: _LINES, ExportFormat.CSV: f"{_CSV}; charset=utf-8"}


@router.get(
    "/verification",
    response_class=Response,
    responses={200: {"content": {_LINES: {}}, "description": "progress a line a second, the verdict last"}},
    summary="Is the trail as it was?",
)
def verify(
    asking: Reader,
    seconds: Annotated[int, Query(ge=1, le=3600, description="after which it ends without a verdict")] = 600,
) -> Response:
    """Every entry held against the chain, the tree and all checkpoints, as `dicom-node audit verify` does.

    Lines are `{"checked": N, "of": M}`; the last one has `verdict`, with the keys that the command's `--json` has, or
    `ended` with why there is none. A stream that ends otherwise was cut off, and says nothing.
    """
    return Stream(in_turn(asking.request, verification(asking.ledger, asking.settings, seconds)), _LINES)


@router.get(
    "/export",
    response_class=Response,
    responses={
        200: {"content": {_LINES: {}, _CSV: {}}, "description": "the entries, oldest first"},
        **refusals(409),
    },
    summary="The trail written out",
)
def export(
    asking: Exporter,
    asked: Asked,
    form: Annotated[ExportFormat, Query(alias="format", description="csv proves nothing")] = ExportFormat.JSON_LINES,
) -> Response:
    """All of it, or what is asked for. JSON lines prove themselves to `dicom-node audit verifier`, offline.

    Their last line says that it is the last; of what was sent, whole or not, the trail has count and SHA-256.
    """
    with told():
        made = export_of(asking.settings, asking.database, form, asked.of(asking))
    lines = recorded(asking.ledger, made, asking.principal.name)
    name = {"Content-Disposition": f'attachment; filename="trail.{form.value}"'}
    return Stream(in_turn(asking.request, in_blocks(lines)), _TYPES[form], name)
