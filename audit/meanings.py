"""What each action means: when it is recorded, with which details, and as which message it goes out.

`docs/audit.md` is made of it (`python -m tests.support.made_pages`). One action has one meaning, and no two the same.
"""

from collections.abc import Mapping

from audit.actions import Action, AuditEvent
from audit.meaning import CHANGED as _CHANGED
from audit.meaning import Meaning
from audit.work_meanings import WORK

_ACTIVITY = AuditEvent.ACTIVITY
_ACCESSED = AuditEvent.ACCESSED
_ALERT = AuditEvent.SECURITY_ALERT
_DELETED = AuditEvent.DELETED
_EXPORT = AuditEvent.EXPORT
_IMPORT = AuditEvent.IMPORT
_QUERY = AuditEvent.QUERY
_TRANSFERRED = AuditEvent.TRANSFERRED

_FROM = "user, address"
#: What many entries of a minute share.
_CLOCK = "`clock`: how far the host's clock may be off, as its kernel says (adjtimex(2)), or why that is unknown"
_COUNT = "`count`: how many this entry stands for"

MEANINGS: Mapping[Action, Meaning] = {
    Action.STARTED: Meaning(
        _ACTIVITY,
        "a role begins",
        f"version, process, {_CLOCK}; `trail_may_be_altered`: by what, where the setting of that name lets it start",
    ),
    Action.STOPPED: Meaning(_ACTIVITY, "a role ends", "process, reason"),
    Action.CLOCK: Meaning(_ACTIVITY, "once a day while a role runs", _CLOCK),
    Action.SCHEMA_UPGRADED: Meaning(
        _ALERT,
        "a release has changed the database's schema",
        "the revision before and after, version; user by a command",
    ),
    Action.RIGHTS_GRANTED: Meaning(
        _ALERT, "a person gave the database's roles their rights as they are to be, and took what was more", "user"
    ),
    Action.CONFIGURED: Meaning(
        _ALERT,
        "a role has read its settings, at its start or on a reload",
        (
            "SHA-256 of the settings, passwords left out; `changes`: each setting that differs from those of its last "
            "start or reload, at its first start from the defaults, with both values, secrets masked"
        ),
    ),
    Action.RECEIVED: Meaning(
        _TRANSFERRED,
        "a batch is indexed",
        "caller, address, study UID, each SOP instance UID with the SHA-256 of its file",
    ),
    Action.CONFLICT: Meaning(
        _ALERT,
        "other bytes came under a known UID",
        "both digests, and what they are: other bytes, another patient's or another study's",
    ),
    Action.ADOPTED: Meaning(
        _ACCESSED,
        (
            "a person let the other bytes be the instance's, those of a correction all at once, other bytes of a "
            "study where that was said"
        ),
        f"user, both digests of each instance, both studies, {_CHANGED}",
    ),
    Action.CONFLICT_SET_ASIDE: Meaning(
        _ACCESSED,
        "a person said that they are no correction, and a study that waited goes on without them",
        f"user, {_CHANGED}, each instance with its digest",
    ),
    Action.PATIENT_KEPT: Meaning(
        _ACCESSED,
        "a person kept the other images of a study that named two",
        f"user, {_CHANGED}, each instance with its digest",
    ),
    Action.PATIENT_ACCEPTED: Meaning(
        _ACCESSED,
        "a person found two spellings to be one patient's",
        f"user, the attributes in which they differ, {_CHANGED}",
    ),
    Action.KEY_FORGOTTEN: Meaning(_ALERT, "the key was lost; of earlier images it is unknown whom they name", "user"),
    Action.CAUGHT_UP: Meaning(
        _ACCESSED, "what an earlier release indexed was read again for the digests by which studies are found"
    ),
    Action.QUARANTINED: Meaning(
        _ALERT, "an instance cannot be read or filed, or its record is damaged", "digest, reason, caller, address"
    ),
    Action.REFUSED: Meaning(
        _ALERT,
        "the door said no; the first of a caller for a reason at once, the rest once a minute together",
        f"caller, address, reason, {_COUNT}",
    ),
    Action.INSTANCE_REFUSED: Meaning(
        _ALERT,
        (
            "an instance got another status than success; the first of an association for a reason at once with its "
            "UID, the rest once a minute and at its end together"
        ),
        f"caller, address, status, reason, {_COUNT}",
    ),
    Action.SECURED: Meaning(
        AuditEvent.AUTHENTICATION,
        "a caller came by TLS, the first time on a day by this certificate and as this user",
        (
            "caller, address, `tls`: version, cipher suite, the certificate's SHA-256 fingerprint; `user`, where it "
            "had to say who it is"
        ),
    ),
    Action.PROCEDURE_STEP: Meaning(
        _ACCESSED,
        "a modality began, changed or ended a procedure step, once for each of its studies that is known",
        "the step's UID, its state, how many instances it lists, caller",
    ),
    Action.AVAILABILITY: Meaning(
        _ACCESSED,
        "an archive told what it has of a study",
        "the notification's UID, how many instances are online, caller",
    ),
    Action.WORKLIST_ASKED: Meaning(
        _QUERY,
        "a worklist answered what was requested of a study; Study Instance UID, else Accession Number went out",
        "source, how many items it has",
    ),
    Action.ASSOCIATION_ENDED: Meaning(
        _ALERT,
        (
            "a peer broke off, or we did; each that had stored an instance, of the others the first of a caller for a "
            "reason at once, the rest once a minute together"
        ),
        f"caller, address, how, reason, {_COUNT}",
    ),
    Action.STUDY_COMPLETED: Meaning(
        _ACCESSED, "it is complete for the first time", "study UID, revision, series, instances, reason"
    ),
    Action.INSTANCES_LATE: Meaning(
        _IMPORT, "further instances of a complete study came", "the state that it was in, its revision"
    ),
    Action.STUDY_AMENDED: Meaning(
        _ACCESSED, "a study that was complete is complete again", "study UID, revision, series, instances, reason"
    ),
    Action.STUDY_STUCK: Meaning(_ACCESSED, "a study cannot go on, whatever the cause", "cause, reason"),
    Action.STUDY_RELEASED: Meaning(_ACCESSED, "a study that was stuck goes on again", "reason"),
    Action.COUNTED: Meaning(
        _QUERY,
        "the archive that sends a study said twice the same number of its images",
        "source, instances, series",
    ),
    Action.PRIORS_ASKED: Meaning(
        _ACCESSED,
        "a model was chosen that compares with an earlier study",
        "models, for how many seconds they wait at the most",
    ),
    Action.PRIORS_SENT: Meaning(
        _QUERY,
        "archives were asked for the patient's earlier studies, and told to send them",
        "sources that were asked, how many studies and images they say to have sent, why not more",
    ),
    Action.PRIORS_ANSWERED: Meaning(
        _ACCESSED,
        "the wait for earlier studies is over",
        "the earlier study of each model, by its internal id; why there is none",
    ),
    Action.STUDY_FETCHED: Meaning(
        _IMPORT,
        "all of an earlier study that an archive was told to send has come; no model is chosen for it",
        "study UID, revision",
    ),
    Action.MODEL_ADDED: Meaning(
        _ALERT,
        "a release of a model is known to the node for the first time",
        "model, version, package digest, weights digest",
    ),
    Action.ROUTED: Meaning(_ACCESSED, "routing has decided", "revision, models, how many deliveries are tried again"),
    Action.STARTED_EARLY: Meaning(
        _ACCESSED,
        "a model is asked on a series that is whole while others of the study arrive (`assembly.early`)",
        "job, model, version, why",
    ),
    Action.EARLY_WANTED: Meaning(
        _ACCESSED,
        "the complete study wants the very input on which a model was started early",
        "job, model, version, revision, the state that it was in",
    ),
    **WORK,
    Action.DEAD_LETTER: Meaning(_ALERT, "an event could not be handled, and is a dead letter", "reader, event, error"),
    Action.REPLAYED: Meaning(_ACCESSED, "a person had a dead letter handled again", "user, letter, reader, event"),
    Action.RETRIED: Meaning(
        _ACCESSED,
        "a person had what failed of a study tried again",
        f"user, how many events, jobs and deliveries, {_CHANGED}",
    ),
    Action.CANCELLED: Meaning(
        _ACCESSED,
        "a person ended what was not yet done of a study",
        f"user, reason, revision, how many runs and deliveries, {_CHANGED}",
    ),
    Action.REPROCESSED: Meaning(
        _ACCESSED,
        "a person wants another result of the same images, which supersedes the earlier",
        f"user, reason, model, how many earlier runs, {_CHANGED}",
    ),
    Action.PAUSED: Meaning(
        _ALERT, "a person held back a destination or a model", "user, kind, name, reason, before and after"
    ),
    Action.RESUMED: Meaning(
        _ALERT,
        "a person let a destination or a model go on",
        "user, kind, name, before (by whom, why, since when) and after",
    ),
    Action.HOST_FORGOTTEN: Meaning(
        _ALERT, "a person let a study go on that the spool of a lost host held back", "user, spool"
    ),
    Action.DESTINATION_PROBED: Meaning(
        _ACTIVITY,
        "a person had a destination asked what it takes, in an association that sends nothing",
        "user, request where it was by the API, destination, whether it answered",
    ),
    Action.DESTINATION_FORGOTTEN: Meaning(
        _ALERT,
        "a person said that a destination is none any more",
        "user, destination, how many deliveries and notes are cancelled",
    ),
    Action.ACCEPTED: Meaning(
        _ACCESSED,
        "a person let a study go on without what a model failed on",
        f"user, reason, models, revision, {_CHANGED}",
    ),
    Action.DESCRIPTIONS_CLEARED: Meaning(
        _ALERT,
        "a person took the descriptions that the database had out of it, some studies at a time",
        "user, how many studies, series and instances",
    ),
    Action.LOGGED_IN: Meaning(
        AuditEvent.AUTHENTICATION,
        "somebody proved who they are at the people's door",
        f"{_FROM}, by what (password or the provider's issuer), log-in, kind (browser or program), roles",
    ),
    Action.LOGIN_REFUSED: Meaning(
        AuditEvent.AUTHENTICATION,
        "a log-in failed; the name that was typed stands there only where it is a user's",
        f"{_FROM}, reason",
    ),
    Action.LOGGED_OUT: Meaning(AuditEvent.AUTHENTICATION, "somebody logged out", f"{_FROM}, log-in"),
    Action.LOGIN_ENDED: Meaning(
        AuditEvent.AUTHENTICATION,
        "a log-in was ended because a refresh token came twice",
        f"{_FROM}, log-in, reason",
    ),
    Action.ACCESS_REFUSED: Meaning(
        _ALERT,
        "a token, a cookie or a key was shown that proves nobody; of an address a few each minute, the rest counted",
        f"address, reason, `user` and log-in where they are known, {_COUNT}",
    ),
    Action.LOCKED_OUT: Meaning(_ALERT, "too many log-ins failed, and no more are tried for a while", f"{_FROM}, until"),
    Action.USER_ADDED: Meaning(
        _ALERT, "a user was made", "user (who did it), name, source, roles, destinations and departments"
    ),
    Action.USER_CHANGED: Meaning(
        _ALERT,
        "a user's name, roles or bounds changed, or they were disabled or enabled",
        "user (who did it; of a provider its issuer), name, before, after",
    ),
    Action.USER_INVITED: Meaning(
        _ALERT, "a one-time token was made by which a user sets a password", "user (who did it), name, until"
    ),
    Action.PASSWORD_SET: Meaning(
        _ALERT, "a user set a password by a one-time token, and what log-ins they had ended", f"{_FROM}, how many ended"
    ),
    Action.KEY_MADE: Meaning(
        _ALERT, "a program's key was made", "user (who did it), key, scopes, destinations and departments, until"
    ),
    Action.KEY_USED: Meaning(
        AuditEvent.AUTHENTICATION, "a program's key was used, the first time on a day", "key, address"
    ),
    Action.KEY_REVOKED: Meaning(_ALERT, "a program's key was revoked", "user (who did it), key"),
    Action.SIGNING_KEY_MADE: Meaning(
        _ALERT, "a key was made that access tokens are signed with; the one before it proves what it signed", "key id"
    ),
    Action.HELD: Meaning(
        _ACCESSED, "a person said that nothing of the study is removed", "user, reason, the hold before and after"
    ),
    Action.HOLD_RELEASED: Meaning(_ACCESSED, "a person ended a hold", "user, the hold before and after"),
    Action.REMOVED: Meaning(
        _DELETED,
        ("images, masks and maps, or files of results of a study went; or rows that the node keeps for itself"),
        "what, cause (age or disk), how many, bytes",
    ),
    Action.EXPORT_BEGUN: Meaning(
        _EXPORT,
        "a person asked for a study as files; before the first of them is written",
        "user, deidentified (yes or no), version of the policy, how many objects there are",
    ),
    Action.EXPORTED: Meaning(
        _EXPORT,
        "a study was written as files, or as many of them as were written before something ended it",
        "user, deidentified, version of the policy, how many objects were written and left out, SHA-256 of the report, "
        "whether it was cut short (yes or no)",
    ),
    Action.BACKUP_BEGUN: Meaning(
        _EXPORT,
        "somebody has all that the node keeps copied into a folder; before anything is",
        "user, whether the identity key goes along",
    ),
    Action.RESTORED: Meaning(
        _IMPORT,
        "the node was put back as a backup has it; what was recorded after that backup is in this trail no more",
        "user, when the backup was made and by which version, number and hash of its last entry",
    ),
    Action.READ: Meaning(
        AuditEvent.LOG_USED,
        "somebody read or verified the trail",
        (
            "user by the kernel (`alice (uid 1000)`; after `sudo` also who logged in, where the system keeps that), or "
            "as the API knows them, with address and request; what"
        ),
    ),
    Action.RECEIVER_AWAY: Meaning(
        _ALERT, "a receiver of the trail's entries has taken none for a minute", "receiver, reason"
    ),
    Action.RECEIVER_BACK: Meaning(
        _ALERT,
        "a receiver that was away takes the trail's entries again",
        "receiver, the last entry that it has confirmed",
    ),
    Action.RECEIVER_TESTED: Meaning(
        _ALERT, "a person had this very entry sent to a receiver to see whether it takes any", "user, receiver"
    ),
    Action.MESSAGE_REFUSED: Meaning(
        _ALERT,
        "a receiver said that it will never take an entry; the first of several in a row",
        "receiver, the entry's number, reason",
    ),
    Action.TRAIL_KEY: Meaning(
        _ALERT,
        "a key signs the trail's checkpoints from here on",
        "`key`: its verifier key; `before`: the id of the key that it takes over from; `lost`: that one is lost; user",
    ),
    Action.NOT_SEALED: Meaning(
        _ALERT, "the trail is not what was signed before, or its keys are not to be used; nothing is signed", "reason"
    ),
    Action.WITNESS_AWAY: Meaning(_ALERT, "an outside place takes no checkpoints any more", "place, kind, reason"),
    Action.WITNESS_BACK: Meaning(
        _ACTIVITY, "an outside place takes checkpoints again", "place, kind, since when it took none"
    ),
    Action.CONTRADICTED: Meaning(
        _ALERT, "an outside place has a checkpoint that this trail does not come to", "place, kind, reason"
    ),
    Action.TRAIL_EXPORTED: Meaning(
        _EXPORT,
        "entries of the trail were written out; that somebody set about it is an entry before that",
        "user, format, what was asked for, first and last number, how many entries, SHA-256 of all bytes",
    ),
    Action.PART_BEGUN: Meaning(
        _ACTIVITY,
        "the month has turned: what was recorded until then is a part of its own",
        "first: the number of the part's first entry, which is this one",
    ),
    Action.PART_ARCHIVED: Meaning(
        _EXPORT,
        "a part of the trail was written into a file, proven there, and taken out of the database",
        "user, first and last entry, file, its SHA-256",
    ),
    Action.PART_PUT_BACK: Meaning(
        _IMPORT, "such a file was proven, and its entries are in the database again", "as when it was archived"
    ),
    Action.REQUEST_REFUSED: Meaning(
        _ALERT,
        "somebody who is logged in asked the API for what their role does not permit",
        "user, address, request (the id that the answer and the log have), the permission that it needs, what was "
        "asked: method and route",
    ),
    Action.RESULTS_READ: Meaning(
        _ACCESSED,
        "somebody read what models found, or a result, by the API or a command",
        (
            "user, address, request, form (findings, impression, facts, metadata, object, picture or text), the "
            "result's UID where it was one"
        ),
    ),
    Action.PATIENT_SEARCHED: Meaning(
        _QUERY,
        "somebody looked for studies by a Patient ID or an Accession Number, by the API or a command",
        "user, address, request, by which of them (never the number), how many were found",
    ),
}

#: What an action was called by earlier releases, whose entries keep that name.
FORMER: Mapping[str, Action] = {
    "event set aside": Action.DEAD_LETTER,
    "early inference wanted": Action.EARLY_WANTED,
    "earlier studies waited for": Action.PRIORS_ANSWERED,
}


def named_today(name: str) -> Action | None:
    """The action of an entry that any release wrote; None for what no release calls so."""
    try:
        return FORMER.get(name) or Action(name)
    except ValueError:
        return None
