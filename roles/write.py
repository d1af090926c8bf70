"""The role `write`: findings to DICOM objects."""

from consumers.destinations import profiled_destinations
from consumers.steps.write import ResultsWriter
from roles.consume import consume, watch
from roles.process import Context


def write(context: Context) -> None:
    """Findings to DICOM objects."""
    writer = ResultsWriter(context.objects, profiled_destinations(context.settings))
    with consume(context, "results", writer) as writing:
        watch(context, writing)
