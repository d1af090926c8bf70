"""The role `write`: findings to DICOM objects."""

from consumers.destinations import profiled_destinations
from consumers.steps.write import ResultsWriter
from domain.events import EventType
from roles.consume import consume, watch
from roles.process import Context


def write(context: Context) -> None:
    """Findings to DICOM objects."""
    writer = ResultsWriter(context.objects, profiled_destinations(context.settings))
    handlers = {EventType.INFERENCE_COMPLETED: writer, EventType.RESULTS_REQUESTED: writer}
    with consume(context, "results", handlers) as writing:
        watch(context, writing)
