"""The role `write`: findings and impressions to DICOM objects."""

from consumers.destinations import profiled_destinations
from consumers.steps.write import ResultsWriter
from consumers.steps.write_note import NoteWriter
from consumers.steps.write_summary import SummaryWriter
from roles.consume import consume, watch
from roles.parts import sweep_drafts
from roles.process import Context


def write(context: Context) -> None:
    """Findings to DICOM objects."""
    sweep_drafts(context, "write")
    destinations = profiled_destinations(context.settings)
    objects = context.objects
    writers = (
        ResultsWriter(objects, destinations),
        SummaryWriter(objects, destinations),
        NoteWriter(objects, destinations),
    )
    with consume(context, "results", *writers) as writing:
        watch(context, writing)
