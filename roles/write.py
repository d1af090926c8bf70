"""The role `write`: findings to DICOM objects."""

from consumers.destinations import profiled_destinations
from consumers.steps.write import ResultsWriter
from consumers.steps.write_note import NoteWriter
from roles.consume import consume, watch
from roles.parts import sweep_drafts
from roles.process import Context


def write(context: Context) -> None:
    """Findings to DICOM objects."""
    sweep_drafts(context, "write")
    destinations = profiled_destinations(context.settings)
    writers = (ResultsWriter(context.objects, destinations), NoteWriter(context.objects, destinations))
    with consume(context, "results", *writers) as writing:
        watch(context, writing)
