"""The role `write`: findings to DICOM objects."""

from console.events import consume, watch
from console.process import Context
from consumers.results import ResultsWriter
from domain.events import EventType


def write(context: Context) -> None:
    """Findings to DICOM objects."""
    with consume(context, "results", {EventType.INFERENCE_COMPLETED: ResultsWriter(context.objects)}) as writing:
        watch(context, writing)
