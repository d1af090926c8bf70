"""The figures that every role serves, in one place so that dashboards and roles agree on their names.

Labels are AE titles, destinations, models and outcomes, never anything about a patient. What a process does not know is
not served as 0 by it: a figure without labels has a role that knows it (`OF_ROLE`).
"""

from collections.abc import Callable, Container, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

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
source_instances = Counter(
    "dicom_node_source_instances",
    "Instances that were new at a source, by outcome",
    ["source", "outcome"],
    registry=REGISTRY,
)
source_behind = Gauge(
    "dicom_node_source_changes_behind", "Changes of a source that are not taken yet", ["source"], registry=REGISTRY
)
audit_messages = Counter(
    "dicom_node_audit_messages",
    "Entries of the trail sent to a receiver, doubles as well, and refused by it",
    ["receiver", "outcome"],
    registry=REGISTRY,
)
audit_receiver_behind = Gauge(
    "dicom_node_audit_receiver_behind",
    "Entries of the trail that a receiver has not confirmed",
    ["receiver"],
    registry=REGISTRY,
)
audit_receiver_reachable = Gauge(
    "dicom_node_audit_receiver_reachable",
    "1 where a receiver took the last that it was sent",
    ["receiver"],
    registry=REGISTRY,
)
source_reachable = Gauge(
    "dicom_node_source_reachable",
    "1 where the last that was asked of a source was answered",
    ["source"],
    registry=REGISTRY,
)
messages = Counter(
    "dicom_node_messages",
    "Requests of other services than storage and verification answered, by whether they were taken",
    ["caller", "operation", "outcome"],
    registry=REGISTRY,
)
indexed = Counter("dicom_node_indexed", "Instances indexed, by outcome", ["outcome"], registry=REGISTRY)
spool_bytes = Gauge("dicom_node_spool_backlog_bytes", "Bytes in the spool that are not indexed yet", registry=REGISTRY)
spool_damaged = Counter(
    "dicom_node_spool_damaged", "Records of the spool that are damaged or missing", registry=REGISTRY
)
studies = Gauge("dicom_node_studies", "Studies by state", ["state"], registry=REGISTRY)
queue_depth = Gauge(
    "dicom_node_queue_depth", "Work that is not done, what is at work included", ["queue"], registry=REGISTRY
)
queue_age = Gauge(
    "dicom_node_queue_age_seconds",
    "Seconds since the oldest work that is not done was asked for, whatever was tried since",
    ["queue"],
    registry=REGISTRY,
)
inference_seconds = Histogram(
    "dicom_node_inference_seconds",
    "Seconds of one inference, reading and postprocessing included",
    ["model", "outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600),
    registry=REGISTRY,
)
early_jobs = Counter(
    "dicom_node_early_jobs",
    "Inferences started before their study was complete: asked for, wanted by the complete study, or in vain",
    ["outcome"],
    registry=REGISTRY,
)
language_model_calls = Counter(
    "dicom_node_language_model_calls_total",
    "Questions to language models by what came of them; cached: answered without asking again",
    ["provider", "outcome"],
    registry=REGISTRY,
)
language_model_resting = Gauge(
    "dicom_node_language_model_resting",
    "Whether a language model is left alone after errors (1), and impressions go on without it",
    ["provider"],
    registry=REGISTRY,
)
language_model_tokens = Counter(
    "dicom_node_language_model_tokens_total",
    "Tokens as providers count them",
    ["provider", "direction"],
    registry=REGISTRY,
)
literature_queries = Counter(
    "dicom_node_literature_queries_total",
    "Questions to sources of literature by what came of them",
    ["source", "outcome"],
    registry=REGISTRY,
)
worklist_questions = Counter(
    "dicom_node_worklist_questions_total",
    "Questions to worklists about studies by what came of them",
    ["source", "outcome"],
    registry=REGISTRY,
)
summary_refusals = Counter(
    "dicom_node_summary_refusals_total",
    "Answers of language models that no reader saw, by what was wrong with their words",
    ["flaw"],
    registry=REGISTRY,
)
summary_seconds = Histogram(
    "dicom_node_summary_seconds",
    "Seconds of writing one impression, with every try of it",
    ["outcome"],
    buckets=(0.01, 0.05, 0.25, 1, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
commitment_requests = Counter(
    "dicom_node_commitment_requests",
    "Looks at whether archives keep what they were sent",
    ["destination", "outcome"],
    registry=REGISTRY,
)
commitment_reports = Counter(
    "dicom_node_commitment_reports",
    "Attempts to report storage commitment to those who asked, on associations of ours",
    ["outcome"],
    registry=REGISTRY,
)
deliveries = Counter(
    "dicom_node_deliveries",
    "Attempts to deliver the results of a model or a rejection note",
    ["destination", "outcome"],
    registry=REGISTRY,
)
delivery_objects = Counter(
    "dicom_node_delivery_objects", "Objects sent, by what became of each", ["destination", "outcome"], registry=REGISTRY
)
delivery_depth = Gauge(
    "dicom_node_delivery_depth", "Deliveries that have not arrived", ["destination"], registry=REGISTRY
)
delivery_age = Gauge(
    "dicom_node_delivery_age_seconds",
    "Seconds since the oldest delivery that has not arrived was planned",
    ["destination"],
    registry=REGISTRY,
)
destination_reachable = Gauge(
    "dicom_node_destination_reachable",
    "1 while a destination takes associations, 0 while it does not",
    ["destination"],
    registry=REGISTRY,
)
audit_entries = Counter("dicom_node_audit_entries", "Entries appended to the trail", ["action"], registry=REGISTRY)
audit_signed = Gauge(
    "dicom_node_audit_signed_entries", "Entries of the trail that the newest checkpoint covers", registry=REGISTRY
)
audit_unsigned = Gauge(
    "dicom_node_audit_unsigned_entries", "Entries of the trail that no checkpoint covers yet", registry=REGISTRY
)
audit_refused = Gauge(
    "dicom_node_audit_signing_refused",
    "1 while nothing is signed, because the trail is not what was signed before or the keys cannot be used",
    registry=REGISTRY,
)
witness_up = Gauge(
    "dicom_node_audit_witness_up",
    "1 while an outside place takes checkpoints, 0 while not",
    ["witness"],
    registry=REGISTRY,
)
witness_behind = Gauge(
    "dicom_node_audit_witness_behind_entries",
    "Entries that the newest checkpoint covers and the one that an outside place has does not",
    ["witness"],
    registry=REGISTRY,
)
witness_at = Gauge(
    "dicom_node_audit_witness_timestamp_seconds",
    "When an outside place took a checkpoint last, in seconds since 1970",
    ["witness"],
    registry=REGISTRY,
)
removed = Counter("dicom_node_removed", "Objects and rows that retention removed", ["what", "cause"], registry=REGISTRY)
events_handled = Counter("dicom_node_events", "Events handled", ["group", "outcome"], registry=REGISTRY)
disk_free = Gauge(
    "dicom_node_disk_free_bytes", "Bytes that are free on the disk of a folder", ["folder"], registry=REGISTRY
)
certificate_expiry = Gauge(
    "dicom_node_certificate_expiry_timestamp_seconds",
    "When the first of a setting's certificates expires, in seconds since 1970",
    ["setting"],
    registry=REGISTRY,
)
role_ready = Gauge(
    "dicom_node_role_ready", "1 while a role can work, 0 while it waits for something", ["role"], registry=REGISTRY
)
build = Gauge("dicom_node_build_info", "1, with the version that runs", ["version"], registry=REGISTRY)

# Who knows a figure that has no labels; any other process would serve a 0 that looks like knowledge.
OF_ROLE: Mapping[str, Container[str]] = {
    "dicom_node_associations_open": ("listen", "web"),
    "dicom_node_spool_backlog_bytes": ("index",),
    "dicom_node_spool_damaged": ("index",),
    "dicom_node_audit_signed_entries": ("seal",),
    "dicom_node_audit_unsigned_entries": ("seal",),
    "dicom_node_audit_signing_refused": ("seal",),
}

Exposition = Callable[[], bytes]


def read_values(text: str, name: str) -> Mapping[str, float]:
    """Of an exposition, the values of the metric `name` that has one label, by that label."""
    found = (family for family in text_string_to_metric_families(text) if family.name == name)
    return {next(iter(one.labels.values())): one.value for family in found for one in family.samples}


class _Of:
    """The figures that the process `name` (`work`, `work-1`) knows."""

    def __init__(self, name: str) -> None:
        self._role = name.partition("-")[0]

    def collect(self) -> Iterator[Metric]:
        """Families with at least one series."""
        for family in REGISTRY.collect():
            if family.samples and self._role in OF_ROLE.get(family.name, (self._role,)):
                yield family


def exposition(name: str) -> bytes:
    """What the process `name` knows, in the text format of Prometheus."""
    return generate_latest(_Of(name))
