"""What each action means that models, results, deliveries and impressions leave; the others: `audit.meanings`."""

from collections.abc import Mapping

from audit.actions import Action, AuditEvent
from audit.meaning import CHANGED as _CHANGED
from audit.meaning import Meaning

_ACCESSED = AuditEvent.ACCESSED
_ALERT = AuditEvent.SECURITY_ALERT
_BEGIN = AuditEvent.BEGIN_TRANSFERRING
_EXPORT = AuditEvent.EXPORT
_IMPORT = AuditEvent.IMPORT
_QUERY = AuditEvent.QUERY
_TRANSFERRED = AuditEvent.TRANSFERRED

_JOB = "job, model, version, package digest, digest of the input's files, revision, attempt"
_SUMMARY = "which of the study's impressions, attempt"
_DELIVERY = "delivery, job, destination, attempt"

WORK: Mapping[Action, Meaning] = {
    Action.JOB_LEASED: Meaning(_ACCESSED, "a worker takes an inference up", _JOB),
    Action.JOB_LOST: Meaning(_ACCESSED, "a worker did not come back with an inference in time", f"{_JOB}, reason"),
    Action.JOB_RETRIED: Meaning(_ACCESSED, "an inference failed and will be tried again", f"{_JOB}, reason"),
    Action.JOB_CANCELLED: Meaning(_ACCESSED, "an inference is not wanted any more", "job, model, reason"),
    Action.INFERRED: Meaning(
        _ACCESSED,
        "a model has findings",
        (
            f"{_JOB}; weights digest, thresholds, engine, input digest, digests of the mask and of each map, earlier "
            "study, milliseconds of each step"
        ),
    ),
    Action.JOB_NOT_SUITABLE: Meaning(_ACCESSED, "a model will not read such images", f"{_JOB}, reason"),
    Action.JOB_FAILED: Meaning(_ACCESSED, "an inference failed for good", f"{_JOB}, reason, state"),
    Action.WRITTEN: Meaning(
        _ACCESSED,
        "the result objects exist",
        "job, model, version, package digest; kind, SOP instance UID and SHA-256 of each",
    ),
    Action.NOT_WRITTEN: Meaning(
        _ACCESSED, "no result objects are written of what was found", "job, or which of the study's impressions; reason"
    ),
    Action.DELIVERY_PLANNED: Meaning(
        _ACCESSED, "it is decided what goes to a destination", "destination, what was chosen of each kind and why"
    ),
    Action.DELIVERY_STARTED: Meaning(_BEGIN, "objects go to a destination from now on", _DELIVERY),
    Action.DELIVERED: Meaning(
        _TRANSFERRED, "a destination has taken results", f"{_DELIVERY}, status of each object by its UID"
    ),
    Action.DELIVERY_FAILED: Meaning(_ALERT, "a destination did not take what was sent", f"{_DELIVERY}, reason, state"),
    Action.DELIVERY_LOST: Meaning(
        _ALERT, "a process did not come back with a delivery in time", f"{_DELIVERY}, reason"
    ),
    Action.DELIVERY_CANCELLED: Meaning(_ACCESSED, "a delivery is not wanted any more", f"{_DELIVERY}, reason"),
    Action.COMMITMENT_ASKED: Meaning(
        _QUERY, "a peer asked whether instances are kept", "caller, address, Transaction UID, how many instances"
    ),
    Action.COMMITMENT_DECIDED: Meaning(
        _ACCESSED,
        "nothing of what was asked about is on its way any more",
        (
            "caller, Transaction UID, how many are committed, how many are not, and the first hundred of these with "
            "their Failure Reason"
        ),
    ),
    Action.COMMITMENT_REPORTED: Meaning(
        _ACCESSED,
        "a peer took our report, or an archive told us its own",
        (
            "caller, Transaction UID; of ours the status, of an archive's how many are committed, which are not, and "
            "whether we had asked"
        ),
    ),
    Action.DELIVERY_COMMITTED: Meaning(
        _ACCESSED,
        "an archive says that it keeps what was delivered",
        f"{_DELIVERY}, how it was found out: commitment or query",
    ),
    Action.DELIVERY_NOT_COMMITTED: Meaning(
        _ALERT,
        "an archive says that it does not keep what was delivered, or cannot be asked",
        f"{_DELIVERY}, which objects it lacks, and what comes of that",
    ),
    Action.SUPERSEDED: Meaning(
        _ACCESSED, "newer results of the model have arrived at a destination that is told so", "job, destination"
    ),
    Action.WITHDRAWN: Meaning(
        _ACCESSED,
        "results were taken back as wrong",
        f"user, job, reason in their words, destinations that have some of them, UID of each object, {_CHANGED}",
    ),
    Action.NOTE_WRITTEN: Meaning(
        _ACCESSED,
        "a note for one destination exists, which takes results back",
        "note, destination, cause, SOP instance UID and SHA-256, how many objects it takes back",
    ),
    Action.NOTE_DELIVERED: Meaning(
        _TRANSFERRED,
        "a note has arrived; on its way it is a delivery started, cancelled or failed",
        "note, destination, its SOP instance UID with the status",
    ),
    Action.SUMMARY_REQUESTED: Meaning(
        _ACCESSED,
        "a study's impression is asked for, from the end of the last of its models on",
        "which of the study's impressions, revision; user, where a person asked for another",
    ),
    Action.SUMMARY_LEASED: Meaning(_ACCESSED, "a process takes an impression up", _SUMMARY),
    Action.SUMMARY_LOST: Meaning(
        _ACCESSED, "a process did not come back with an impression in time", f"{_SUMMARY}, reason"
    ),
    Action.SUMMARY_RETRIED: Meaning(_ACCESSED, "an impression failed and will be tried again", f"{_SUMMARY}, reason"),
    Action.SUMMARY_CANCELLED: Meaning(_ACCESSED, "an impression is not wanted any more", f"{_SUMMARY}, reason"),
    Action.LANGUAGE_MODEL_ASKED: Meaning(
        _EXPORT,
        "before facts leave for a language model",
        "provider, model, version of the prompt, SHA-256 of what leaves (`dicom-node summary show STUDY --payload`)",
    ),
    Action.LANGUAGE_MODEL_ANSWERED: Meaning(
        _IMPORT,
        "after facts left for a language model",
        "provider, model, what came of it, tokens, whether an answer of a while ago was taken",
    ),
    Action.LITERATURE_ASKED: Meaning(
        _EXPORT,
        "before coded terms leave for a source of literature",
        "the source, SHA-256 of the URL that leaves (`dicom-node summary show STUDY --payload`)",
    ),
    Action.LITERATURE_ANSWERED: Meaning(
        _IMPORT, "after coded terms left for a source of literature", "the source, what came of it"
    ),
    Action.SUMMARISED: Meaning(
        _ACCESSED,
        "an impression is written",
        (
            "which of the study's impressions; who wrote it: template or language model, with provider, model and "
            "version of the prompt, and why a template did though a language model was asked; version of the checks; "
            "SHA-256 of the facts that it was told (`dicom-node summary show STUDY --payload` prints them); how many "
            "facts and sentences"
        ),
    ),
    Action.SUMMARY_FAILED: Meaning(_ACCESSED, "an impression failed for good", f"{_SUMMARY}, reason"),
}
