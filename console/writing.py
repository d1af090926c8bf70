"""The role `write`: findings to DICOM objects."""

from console.events import consume, watch
from console.process import Context
from consumers.recipients import recipients
from consumers.results import ResultsWriter
from domain.events import EventType


def write(context: Context) -> None:
    """Findings to DICOM objects."""
    writer = ResultsWriter(context.objects, recipients(context.settings))
    with consume(context, "results", {EventType.INFERENCE_COMPLETED: writer}) as writing:
        watch(context, writing)
