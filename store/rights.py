"""What each process may do in the database, and no more: the one place, for grants, Compose, documents and tests.

Nobody but the owner is in the table with more on the trail than to read it, most with its last link alone, and to
append by the owner's function (migration 0016). No number that the database gives is anybody's to give or to change,
and no sequence anybody's to set. A change here comes with a migration, be it an empty one: `upgrade` then grants it.
"""

from collections.abc import Iterator, Mapping, Sequence

from store.arrival_tables import callers, expectations
from store.checkpoint_tables import audit_checkpoints, audit_cosignatures, audit_publications, audit_tiles
from store.commitment_tables import commitment_requests, commitments
from store.grants import AUDITOR, OPERATOR, READER
from store.once_tables import answered_once
from store.people_tables import api_keys, login_failures, user_sessions, users
from store.prior_tables import fetched_studies, prior_requests
from store.procedure_tables import procedure_steps, requested_procedures
from store.receiver_tables import trail_receivers
from store.right import Part, Verb
from store.right import add as _add
from store.right import change as _change
from store.right import every as _all
from store.right import read as _read
from store.right import read_all as _read_all
from store.right import read_but as _read_but
from store.right import remove as _remove
from store.settings_table import role_settings
from store.tables import (
    associations,
    audit_entries,
    conflicts,
    dead_letters,
    decisions,
    deliveries,
    delivery_objects,
    destinations_seen,
    holds,
    identity_key,
    inbox,
    instances,
    jobs,
    literature,
    metadata,
    model_packages,
    offsets,
    outbox,
    paused,
    quarantine,
    rejections,
    removals,
    results,
    series,
    studies,
    study_associations,
    summaries,
)
from store.trail_tables import audit_archives, audit_parts

_LINK = _read(audit_entries, "number", "hash")
# A role that records its start says what of its settings has changed since its last one.
_RECORDED = (
    _LINK,
    _read(role_settings),
    _add(role_settings),
    _change(role_settings, "settings", "at"),
)
# A leased row that its holder claims, renews and ends, and one that somebody else moves.
_MOVED = ("state", "reason", "since", "not_before", "owner", "lease_until", "turn")
_LEASED = (*_MOVED, "attempts", "lease_epoch", "served")
_SENT = (*_LEASED, "first_attempt")
_TRIED_ANEW = (*_MOVED, "attempts", "first_attempt")
_STUCK = _change(studies, "state", "reason", "since")
# An image's file and place, and nothing of what it says of a patient.
_FILES = _read(instances, "sop_uid", "series_id", "object_key", "revision")
_PACKAGES = (_read(model_packages), _add(model_packages))
_SEEN = (_read(destinations_seen), _add(destinations_seen), _change(destinations_seen, *_all(destinations_seen)))
# A group of consumers: the log, its place in it, its marks, its dead letters; with a study that one of them stops.
_CONSUMES = (
    *_read_all(outbox, offsets, inbox),
    _add(outbox),
    _add(offsets),
    _change(offsets, "seq"),
    _add(inbox),
    _read(dead_letters, "id", "reader", "study_id", "at", "replayed_at"),
    _add(dead_letters, "reader", "message", "event_id", "study_id", "error", "attempts", "at"),
    _STUCK,
)
# A rejection note that is to be sent, as whoever takes results back leaves it.
_ASKS_FOR_A_NOTE = _add(
    rejections,
    *("id", "delivery_id", "study_id", "destination", "cause", "state", "reason", "since"),
    *("not_before", "requested_at", "sender", "turn"),
)
_PLANS = _add(
    deliveries,
    *("id", "job_id", "summary_id", "study_id", "destination"),
    *("state", "reason", "since", "not_before", "sender", "turn"),
)
# An impression that is asked for when a model ends: made, opened again, or cancelled where it is about other findings.
_ASKS_FOR_AN_IMPRESSION = (
    _read(summaries),
    _add(
        summaries,
        *("id", "study_id", "revision", "number", "findings_set", "state", "reason", "since", "requested_at"),
        *("not_before", "sender", "turn"),
    ),
    _change(summaries, *_MOVED, "attempts", "revision", "requested_at", "finished_at"),
)
# What was said is to come of a study; a key is never changed.
_EXPECTS = (
    _read(expectations),
    _add(expectations),
    _change(expectations, "instances", "series", "sop_uids", "varies", "at"),
)
_CONFLICT = tuple(name for name in _all(conflicts) if name not in ("id", "sop_uid"))
# What was requested, as whoever hears of it leaves it; a file that another replaces goes.
_REQUESTED = (
    _read(requested_procedures),
    _add(requested_procedures),
    _change(requested_procedures, "source", "codes", "description", "reason", "object_key"),
    _add(removals),
)
_OF_NO_READER = (audit_entries, outbox, inbox, offsets, answered_once)
# Digests of secrets are for whoever compares them, and for nobody who looks.
_SECRETS = {"users": ("password", "invitation"), "user_sessions": ("secret", "spent", "csrf"), "api_keys": ("digest",)}
_SHOWN_OF_PEOPLE = tuple(_read_but(table, *_SECRETS[table.name]) for table in (users, user_sessions, api_keys))
_OF_PEOPLE = (users, user_sessions, api_keys, login_failures)
_NOT_SHOWN = (audit_entries, answered_once, *_OF_PEOPLE)
# Who keeps users and keys.
_KEEPS_PEOPLE = (
    _add(users),
    _change(users, *(name for name in _all(users) if name not in ("id", "source", "subject", "made_at"))),
    _change(user_sessions, "ended_at", "ended_for"),
    _add(api_keys),
    _change(api_keys, "revoked_at"),
    _remove(login_failures),
)
#: Whoever answers people and programs at the door, and proves who they are.
LETS_IN = (
    *_read_all(*_OF_PEOPLE),
    *_KEEPS_PEOPLE,
    _add(user_sessions),
    _change(user_sessions, "secret", "spent", "used_at"),
    _remove(user_sessions),
    _change(api_keys, "used_on"),
    _add(login_failures),
    _change(login_failures, "failures", "since", "locked_until"),
)

INDEX = Part(
    (
        *_RECORDED,
        *_read_all(studies, study_associations, conflicts, identity_key),
        _add(studies),
        _change(studies, *("state", "reason", "since", "last_received", "unsynced", "named", "two_patients")),
        _read(associations, "id", "closed_at"),
        _add(associations),
        _read(callers),
        _add(callers),
        _change(
            callers, *(name for name in _all(callers) if name not in ("calling_ae", "address", "studies", "pause"))
        ),
        _remove(callers),
        _change(associations, "closed_at", "outcome"),
        _read(series, "id", "study_id", "series_uid"),
        _add(series),
        _read(instances, "sop_uid", "study_id", "sop_class", "digest", "identity"),
        *_EXPECTS,
        _add(instances),
        # What others ask us to commit to, and what archives report of what we asked them.
        _read(commitments),
        _add(commitments),
        _change(commitments, *_TRIED_ANEW, *("reasons", "association_id", "address", "spool", "wait_until")),
        _read(commitment_requests, "id", "study_id", "transactions", "state"),
        _change(commitment_requests, "report", "not_before"),
        _add(study_associations),
        _change(study_associations, "last_sequence"),
        _add(conflicts),
        _change(conflicts, *(name for name in _CONFLICT if name != "digest")),
        _read(quarantine, "sop_uid", "digest", "set_aside"),
        _add(quarantine),
        _read(inbox),
        _add(inbox),
        _add(identity_key, "check_value"),
        *_REQUESTED,
        _read(procedure_steps),
        _add(procedure_steps),
        _change(procedure_steps, "study_uids", "state", "performed", "object_key", "ended_at"),
        _remove(expectations),
    ),
    reads_as=("index",),
)

ASSEMBLE = Part(
    (
        *_RECORDED,
        *_CONSUMES,
        *_PACKAGES,
        *_read_all(studies, series, study_associations, conflicts, decisions, jobs, deliveries, rejections),
        _read(associations, "id", "calling_ae", "address", "opened_at", "closed_at", "outcome"),
        _read(callers, "calling_ae", "address", "studies", "pause"),
        _change(callers, "studies", "pause"),
        _read(quarantine, "study_id", "series_uid", "sop_uid"),
        *_EXPECTS,
        _read_but(instances, "identity"),
        _change(studies, "revision", "turn", "completeness", "lacks"),
        _add(decisions),
        _change(decisions, *(name for name in _all(decisions) if name not in ("study_id", "revision", "model"))),
        _add(
            jobs,
            *("id", "study_id", "series_id", "revision", "model", "version", "model_digest", "inputs", "images"),
            *("input_set", "state", "reason", "since", "requested_at", "not_before", "sender", "turn"),
            *("early", "started_early"),
        ),
        _change(
            jobs,
            *(*_MOVED, "attempts", "revision", "accepted", "requested_at", "finished_at", "early", "started_early"),
        ),
        _change(deliveries, *_TRIED_ANEW, "rewritten", "forgotten"),
        *_ASKS_FOR_AN_IMPRESSION,
        *_REQUESTED,
        _read(procedure_steps, "study_uids", "state"),
        *_read_all(prior_requests, fetched_studies),
        _add(prior_requests),
        _change(prior_requests, *(name for name in _all(prior_requests) if name != "study_id")),
        _add(fetched_studies),
        _change(fetched_studies, *(name for name in _all(fetched_studies) if name != "study_uid")),
    ),
    reads_as=("routing",),
    compares=True,
)

WORK = Part(
    (
        *_RECORDED,
        *_PACKAGES,
        _change(model_packages, "words"),
        _read(jobs),
        _change(jobs, *_LEASED, "findings", "finished_at"),
        _read(decisions, "study_id", "revision"),
        _read(paused),
        _FILES,
        # Whether an early job's images are still those that it was asked for.
        _read(instances, "study_id", "digest"),
        # Whether all that came of a series could be read.
        _read(series, "id", "series_uid"),
        # Which images its model compares with: chosen by those who may know whose they are.
        _read(prior_requests),
        _read(quarantine, "study_id", "series_uid", "sop_uid", "set_aside"),
        _read(studies, "id", "study_uid", "state", "revision", "two_patients", "lacks"),
        _STUCK,
        _add(outbox),
        *_ASKS_FOR_AN_IMPRESSION,
    )
)

# Of an image it reads the body part and the age, and of whom studies are nothing but which are earlier ones of the same
# patient. It locks no study: nothing waits for what it does.
SUMMARISE = Part(
    (
        *_RECORDED,
        _read(jobs),
        _read(summaries),
        _change(summaries, *_LEASED, "facts", "sources", "runs", "impression", "asked", "finished_at"),
        _read(literature),
        _add(literature),
        _change(literature, "articles", "found_at"),
        _read(decisions, "study_id", "revision"),
        _read(series, "id", "modality"),
        _read(instances, "study_id", "series_id", "body_part", "age"),
        _read(studies, "id", "state", "revision", "two_patients"),
        _read(model_packages),
        _add(outbox),
    ),
    compares=True,
)

WRITE = Part(
    (
        *_RECORDED,
        *_CONSUMES,
        *_read_all(jobs, summaries, results, deliveries, delivery_objects, rejections, destinations_seen),
        _change(jobs, "result_number", "follows"),
        _change(summaries, "follows"),
        _add(results),
        _change(results, "removed_at"),
        _change(rejections, "sop_uid", "transfer_syntax", "object_key", "reason"),
        _FILES,
        _read(studies, "id", "study_uid", "state", "revision", "images_removed"),
        _read(requested_procedures, "sop_uid", "study_uid", "source", "object_key", "at"),
    ),
    reads_as=("results",),
)

DELIVER = Part(
    (
        *_RECORDED,
        *_CONSUMES,
        *_SEEN,
        *_read_all(jobs, summaries, results, deliveries, delivery_objects, rejections, paused),
        _PLANS,
        _change(deliveries, *_SENT, "choices", "planned_at", "rewritten"),
        _add(delivery_objects, "delivery_id", "sop_uid"),
        _change(delivery_objects, "stored", "status", "at", "dropped"),
        _ASKS_FOR_A_NOTE,
        _change(rejections, *_SENT),
        _read(commitments),
        _change(commitments, *_SENT),
        _read(associations, "id", "closed_at"),
        _read(commitment_requests),
        _add(
            commitment_requests,
            *("id", "delivery_id", "study_id", "destination", "state", "reason", "since"),
            *("not_before", "requested_at", "sender", "turn"),
        ),
        _change(commitment_requests, *_SENT, *("transactions", "rounds", "report", "checked", "asked_at")),
        _read(studies, "id", "state", "revision", "two_patients"),
        _read(conflicts, "study_id", "sent_study_id", "kind", "ended", "adopted_at"),
    ),
    reads_as=("delivery",),
)

RELAY = Part((*_RECORDED, _read(outbox), _read(offsets), _add(offsets), _change(offsets, "seq")), reads_as=("relay",))

# It reads no more of an image than what tells where its file is, and of a run's findings which files are its own.
RETAIN = Part(
    (
        *_RECORDED,
        *_read_all(outbox, offsets, inbox, holds, removals, study_associations, deliveries, audit_parts),
        _read(studies, "id", "study_uid", "state", "unsynced", "last_received", "images_removed", "images_removed_at"),
        _change(studies, "images_removed", "images_removed_at"),
        _read(instances, "sop_uid", "study_id", "object_key", "size"),
        _remove(instances),
        _read(conflicts, "sop_uid", "study_id", "sent_study_id", "object_key", "ended", "adopted_at"),
        _remove(conflicts),
        _read(quarantine, "sop_uid", "study_id", "object_key", "received_at"),
        _remove(quarantine),
        _read(jobs, "id", "study_id", "model", "revision", "state", "findings", "withdrawn_at", "maps_removed_at"),
        _change(jobs, "maps_removed_at"),
        _read(results, "sop_uid", "study_id", "object_key", "size", "removed_at"),
        _change(results, "removed_at"),
        _read(summaries, "study_id", "state"),
        _change(summaries, "facts", "sources", "runs", "impression", "asked"),
        _read(rejections, "study_id", "state", "sop_uid", "object_key"),
        _read(commitment_requests, "study_id", "state"),
        _read(commitments, "state", "since"),
        _remove(commitments),
        _read(expectations, "at"),
        _remove(expectations),
        _read(associations, "id", "closed_at"),
        _remove(associations),
        _remove(study_associations),
        _read(dead_letters, "study_id", "event_id", "replayed_at"),
        _remove(dead_letters),
        _read(procedure_steps, "sop_uid", "study_uids", "object_key", "begun_at"),
        _remove(procedure_steps),
        _read(requested_procedures, "sop_uid", "study_uid", "object_key", "at"),
        _remove(requested_procedures),
        _remove(outbox),
        _remove(inbox),
        _add(removals),
        _remove(removals),
    ),
    reads_as=None,
    divides=True,
)

# It reads the whole trail, and adds to what is proven by it.
SEAL = Part(
    (
        *_RECORDED[1:],
        *_read_all(audit_entries, audit_parts, audit_tiles, audit_checkpoints, audit_cosignatures, audit_publications),
        *map(_add, (audit_tiles, audit_checkpoints, audit_cosignatures, audit_publications)),
        _change(audit_publications, *(name for name in _all(audit_publications) if name != "witness")),
    )
)

OPERATES = Part(
    (
        _LINK,
        *(_read(table) for table in metadata.tables.values() if table not in _NOT_SHOWN),
        *_SHOWN_OF_PEOPLE,
        *_KEEPS_PEOPLE,
        _add(outbox),
        _remove(inbox),
        _change(dead_letters, "replayed_at"),
        _change(
            studies,
            *("state", "reason", "since", "last_received", "unsynced", "named", "same_patient", "two_patients"),
        ),
        _add(series),
        _change(series, "series_description", "study_description"),
        _change(requested_procedures, "description", "reason"),
        _add(instances),
        _change(instances, *(name for name in _all(instances) if name != "sop_uid")),
        _remove(instances),
        _change(conflicts, *_CONFLICT),
        _add(quarantine),
        _remove(identity_key),
        _add(holds),
        _change(holds, "since", "reason", "held_by"),
        _remove(holds),
        _change(jobs, *_MOVED, "attempts", "accepted", "finished_at"),
        _change(jobs, "withdrawn_at", "withdrawn_for", "withdrawn_by", "done_anew"),
        *_ASKS_FOR_AN_IMPRESSION[1:],
        _change(summaries, "withdrawn_at"),
        _add(paused),
        _remove(paused),
        _PLANS,
        _change(deliveries, *_TRIED_ANEW, "rewritten", "forgotten"),
        _change(delivery_objects, "at"),
        _ASKS_FOR_A_NOTE,
        _change(rejections, *_TRIED_ANEW, "forgotten"),
        *_SEEN,
    ),
    reads_as=None,
    traces=True,
)

LOOKS = Part(
    # Who looks at results leaves an entry.
    (
        _LINK,
        *(_read(table) for table in metadata.tables.values() if table not in (*_OF_NO_READER, *_OF_PEOPLE)),
        *_SHOWN_OF_PEOPLE,
    ),
    traces=True,
)

AUDITS = Part(
    (
        _read(trail_receivers),
        *_read_all(audit_entries, audit_parts, audit_archives, audit_tiles, audit_checkpoints, audit_cosignatures),
        _read(audit_publications),
        _read(studies, "id", "study_uid"),
    )
)

# It reads the trail as an auditor does, and writes nothing but how far each receiver is.
FORWARD = Part(
    (
        *_RECORDED,
        *_read_all(audit_entries, audit_parts, trail_receivers),
        _read(studies, "id", "study_uid"),
        _add(trail_receivers, "name", "number", "at"),
        _change(trail_receivers, "number", "at", "refused", "last_refused", "away_since", "reason"),
    )
)

# For people who come by the API: what commands may do that a person gives, and that once where they ask twice.
SERVE = Part(
    (
        *_RECORDED[1:],
        *OPERATES.rights,
        *AUDITS.rights,
        *LETS_IN,
        _read(answered_once),
        _add(answered_once),
        _change(answered_once, "status", "answer"),
        _remove(answered_once),
    ),
    reads_as=None,
    traces=True,
)

#: By the name of the process, or of the kind of command. `listen` has no database.
PARTS: Mapping[str, Part] = {
    "index": INDEX,
    "assemble": ASSEMBLE,
    "work": WORK,
    "summarise": SUMMARISE,
    "write": WRITE,
    "deliver": DELIVER,
    "relay": RELAY,
    "retain": RETAIN,
    "forward": FORWARD,
    "seal": SEAL,
    "serve": SERVE,
    OPERATOR: OPERATES,
    READER: LOOKS,
    AUDITOR: AUDITS,
}
#: Who may also do what another may.
ALSO: Mapping[str, Sequence[str]] = {OPERATOR: (READER,)}


def columns(process: str) -> Iterator[tuple[Verb, str, str]]:
    """Everything that a process may do, a column at a time: what, and the table's name and the column's."""
    for right in PARTS[process].rights:
        for column in right.columns:
            yield right.verb, right.table.name, column
