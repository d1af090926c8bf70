"""What a compliance officer asks of a study or of a day, answered by its entries alone.

Pure: entries in, answers out. What is answered under no question is counted by its name, so that nothing is left out.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from audit.actions import Action
from audit.meanings import named_today
from audit.trail import NO_ENTRY, Entry


class Question(StrEnum):
    """What is asked, beside who sent what and which model read it."""

    DECIDED = "who decided what"
    WRONG = "what was refused, or failed"
    CHANGED = "what was changed in settings, models, users, keys or the trail's parts"
    SENT = "what went out, or was removed"
    ASKED = "who else was asked"
    LOOKED = "who looked at results or at the trail"


#: The entries that answer a question; what the node does in its ordinary course answers none, and is counted.
ANSWERS: Mapping[Question, frozenset[Action]] = {
    Question.DECIDED: frozenset(
        {
            Action.ACCEPTED,
            Action.ADOPTED,
            Action.CANCELLED,
            Action.CONFLICT_SET_ASIDE,
            Action.DESCRIPTIONS_CLEARED,
            Action.DESTINATION_FORGOTTEN,
            Action.HELD,
            Action.HOLD_RELEASED,
            Action.HOST_FORGOTTEN,
            Action.KEY_FORGOTTEN,
            Action.PATIENT_ACCEPTED,
            Action.PATIENT_KEPT,
            Action.PAUSED,
            Action.REPLAYED,
            Action.REPROCESSED,
            Action.RESUMED,
            Action.RETRIED,
            Action.WITHDRAWN,
        }
    ),
    Question.WRONG: frozenset(
        {
            Action.ASSOCIATION_ENDED,
            Action.CONFLICT,
            Action.CONTRADICTED,
            Action.DEAD_LETTER,
            Action.DELIVERY_FAILED,
            Action.DELIVERY_LOST,
            Action.ACCESS_REFUSED,
            Action.DELIVERY_NOT_COMMITTED,
            Action.LOCKED_OUT,
            Action.LOGIN_REFUSED,
            Action.REQUEST_REFUSED,
            Action.INSTANCE_REFUSED,
            Action.JOB_FAILED,
            Action.JOB_LOST,
            Action.JOB_NOT_SUITABLE,
            Action.JOB_RETRIED,
            Action.MESSAGE_REFUSED,
            Action.NOT_SEALED,
            Action.NOT_WRITTEN,
            Action.QUARANTINED,
            Action.RECEIVER_AWAY,
            Action.REFUSED,
            Action.STUDY_STUCK,
            Action.SUMMARY_FAILED,
            Action.SUMMARY_LOST,
            Action.SUMMARY_RETRIED,
            Action.WITNESS_AWAY,
        }
    ),
    Question.CHANGED: frozenset(
        {
            Action.CONFIGURED,
            Action.KEY_MADE,
            Action.KEY_REVOKED,
            Action.MODEL_ADDED,
            Action.RESTORED,
            Action.RIGHTS_GRANTED,
            Action.SCHEMA_UPGRADED,
            Action.PART_ARCHIVED,
            Action.PART_PUT_BACK,
            Action.PASSWORD_SET,
            Action.SIGNING_KEY_MADE,
            Action.TRAIL_KEY,
            Action.USER_ADDED,
            Action.USER_CHANGED,
            Action.USER_INVITED,
        }
    ),
    Question.SENT: frozenset(
        {
            Action.BACKUP_BEGUN,
            Action.DELIVERED,
            Action.EXPORTED,
            Action.EXPORT_BEGUN,
            Action.LANGUAGE_MODEL_ASKED,
            Action.LITERATURE_ASKED,
            Action.NOTE_DELIVERED,
            Action.REMOVED,
        }
    ),
    Question.ASKED: frozenset({Action.COUNTED, Action.DESTINATION_PROBED, Action.PRIORS_SENT, Action.WORKLIST_ASKED}),
    Question.LOOKED: frozenset({Action.PATIENT_SEARCHED, Action.READ, Action.RESULTS_READ, Action.TRAIL_EXPORTED}),
}
# The details of a run, in the order of a Reading's fields.
_READ = ("job", "model", "version", "model_digest", "weights_digest", "input_digest", "engine", "mask")
_QUESTION = {action: question for question, actions in ANSWERS.items() for action in actions}


@dataclass(frozen=True)
class Line:
    """One entry as an answer: `who` is the user, the caller, or the role of the process."""

    number: int
    at: str
    who: str
    action: str
    details: Mapping[str, object]


@dataclass
class Sender:
    """Who sent, as it said who it is, and how many instances came; what it proved by TLS and by a user's name."""

    caller: str
    address: str
    instances: int = 0
    users: list[str] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """What one run of a model read, with which thresholds, and which objects ([kind, UID, SHA-256]) came of it."""

    number: int
    at: str
    study: str
    job: str
    model: str
    version: str
    package: str
    weights: str
    input: str
    engine: str
    mask: str
    thresholds: list[object] = field(kw_only=True)
    objects: list[object] = field(default_factory=list, kw_only=True)


@dataclass
class Report:
    """The answers. `clocks` are the offsets that hosts told of their clocks, the last of each."""

    entries: int = 0
    first: str = ""
    last: str = ""
    unreadable: int = 0
    senders: list[Sender] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    people: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, str] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    answers: dict[str, list[Line]] = field(default_factory=dict)
    course: dict[str, int] = field(default_factory=dict)


def report(entries: Iterable[Entry], proofs: Iterable[Entry] = (), clocks: Iterable[Entry] = ()) -> Report:
    """The answers that these entries give, in their order.

    `proofs` say who came by TLS then, and as whom; `clocks`, in their order, how far off the hosts' clocks were.
    """
    made = _Made()
    for entry in entries:
        made.take(entry)
    for entry in proofs:
        made.prove(entry)
    for entry in clocks:
        made.set_clock(entry)
    return made.report


class _Made:
    """A report in the making."""

    def __init__(self) -> None:
        self.report = Report(answers={question.value: [] for question in Question})
        self._senders: dict[tuple[str, str], Sender] = {}
        self._runs: dict[str, Reading] = {}
        self._hosts: set[str] = set()
        self._notes: Mapping[Action | None, Callable[[Entry], None]] = {
            Action.RECEIVED: self._note_sender,
            Action.SECURED: self._note_sender,
            Action.INFERRED: self._note_reading,
            Action.WRITTEN: self._note_objects,
        }

    def take(self, entry: Entry) -> None:
        """Let one entry answer what it can."""
        own = self.report
        own.entries += 1
        if entry.action == NO_ENTRY:
            own.unreadable += 1
            return
        own.first, own.last = own.first or entry.at, entry.at
        action = named_today(entry.action)
        self._note_who(entry)
        if note := self._notes.get(action):
            note(entry)
        self._answer(action, entry)

    def _answer(self, action: Action | None, entry: Entry) -> None:
        if question := _question(action, entry):
            line = Line(entry.number, entry.at, _who(entry), entry.action, entry.details)
            self.report.answers[question.value].append(line)
        else:
            self.report.course[entry.action] = self.report.course.get(entry.action, 0) + 1

    def _note_who(self, entry: Entry) -> None:
        _add(self.report.processes, f"{entry.by.role} on {entry.by.host}")
        if user := _text(entry.details, "user"):
            self.report.people[user] = self.report.people.get(user, 0) + 1
        self._hosts.add(entry.by.host)
        self.set_clock(entry)

    def set_clock(self, entry: Entry) -> None:
        """Let an entry say how far off the clock of a host was, if that host wrote any of what is told of."""
        if entry.by.host in self._hosts and (clock := _text(entry.details, "clock")):
            self.report.clocks[entry.by.host] = clock

    def _note_sender(self, entry: Entry) -> None:
        said = entry.details
        key = _text(said, "caller"), _text(said, "address")
        if key not in self._senders:
            self._senders[key] = Sender(*key)
            self.report.senders.append(self._senders[key])
        self._senders[key].instances += len(_list(said, "instances"))
        self.prove(entry)

    def prove(self, entry: Entry) -> None:
        """Let an entry of an association by TLS say who a sender was."""
        said, tls = entry.details, entry.details.get("tls")
        sender = self._senders.get((_text(said, "caller"), _text(said, "address")))
        if sender is None or not isinstance(tls, Mapping):
            return
        _add(sender.users, _text(said, "user"))
        _add(sender.certificates, _text(tls, "certificate"))

    def _note_reading(self, entry: Entry) -> None:
        said = [_text(entry.details, key) for key in _READ]
        thresholds = _list(entry.details, "thresholds")
        reading = Reading(entry.number, entry.at, entry.study or "", *said, thresholds=thresholds)
        self._runs[reading.job] = reading
        self.report.readings.append(reading)

    def _note_objects(self, entry: Entry) -> None:
        if run := self._runs.get(_text(entry.details, "job")):
            run.objects.extend(_list(entry.details, "objects"))


def _question(action: Action | None, entry: Entry) -> Question | None:
    """A start of a role with the settings that it had before has changed nothing."""
    if action is Action.CONFIGURED and "changes" in entry.details and not entry.details["changes"]:
        return None
    return _QUESTION.get(action) if action else None


def _who(entry: Entry) -> str:
    said = entry.details
    return _text(said, "user") or _text(said, "caller") or entry.by.role


def _add(known: list[str], one: str) -> None:
    if one and one not in known:
        known.append(one)


def _text(said: Mapping[str, object], key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) else ""


def _list(said: Mapping[str, object], key: str) -> list[object]:
    value = said.get(key)
    return list(value) if isinstance(value, Collection) and not isinstance(value, str | Mapping) else []
