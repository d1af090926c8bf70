"""The figures that every role serves, in one place so that dashboards and roles agree on their names.

Labels are AE titles, destinations, models and outcomes, never anything about a patient.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

instances = Counter("dicom_node_instances", "Instances received", ["caller", "outcome"], registry=REGISTRY)
instance_bytes = Counter(
    "dicom_node_instance_bytes", "Bytes of data sets received", ["caller", "outcome"], registry=REGISTRY
)
instance_seconds = Histogram(
    "dicom_node_instance_seconds",
    "Seconds from an instance's command set to its response",
    ["caller", "outcome"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30),
    registry=REGISTRY,
)
associations = Counter("dicom_node_associations", "Associations by how they ended", ["outcome"], registry=REGISTRY)
associations_open = Gauge("dicom_node_associations_open", "Associations that are open now", registry=REGISTRY)
echoes = Counter("dicom_node_echoes", "C-ECHO requests answered", ["caller"], registry=REGISTRY)
indexed = Counter("dicom_node_indexed", "Instances indexed, by outcome", ["outcome"], registry=REGISTRY)
spool_bytes = Gauge("dicom_node_spool_backlog_bytes", "Bytes in the spool that are not indexed yet", registry=REGISTRY)
spool_damaged = Counter(
    "dicom_node_spool_damaged", "Records of the spool that are damaged or missing", registry=REGISTRY
)
disk_free = Gauge("dicom_node_disk_free_bytes", "Bytes free where a folder lies", ["folder"], registry=REGISTRY)
studies = Gauge("dicom_node_studies", "Studies by state", ["state"], registry=REGISTRY)
queue_depth = Gauge("dicom_node_queue_depth", "Work that waits", ["queue"], registry=REGISTRY)
queue_age = Gauge("dicom_node_queue_age_seconds", "Age of the oldest work that waits", ["queue"], registry=REGISTRY)
inference_seconds = Histogram(
    "dicom_node_inference_seconds",
    "Seconds of one inference, reading and postprocessing included",
    ["model", "outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600),
    registry=REGISTRY,
)
deliveries = Counter("dicom_node_deliveries", "Attempts to deliver", ["destination", "outcome"], registry=REGISTRY)
audit_entries = Counter("dicom_node_audit_entries", "Entries appended to the trail", ["action"], registry=REGISTRY)
removed = Counter("dicom_node_removed", "Objects and rows that retention removed", ["what", "cause"], registry=REGISTRY)
events_handled = Counter("dicom_node_events", "Events handled", ["group", "outcome"], registry=REGISTRY)

Exposition = Callable[[], bytes]


def exposition() -> bytes:
    """All figures in the text format of Prometheus."""
    return generate_latest(REGISTRY)
