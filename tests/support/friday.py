"""The tables of docs/friday.md: each state, cause and refusal of the code, with what it means and what to do.

What there is comes from the code, so that a new state without a row fails; the words are written here.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from consumers.steps.stuck import Cause
from dicom_node.dimse import Status
from dicom_node.listener import policy
from domain import errors
from domain.states import DeliveryState, JobState, StudyState
from tests.support.counterparts import ROOT

#: What it means, and what to do.
Row = tuple[str, str]

_NOTHING = "nothing"
_OF_THE_SENDER = "a fault of the sender's"

STUDIES: Mapping[StudyState, Row] = {
    StudyState.RECEIVING: (
        (
            "images come, or more are expected (`status` says what it waits for); or their host has not synced them "
            "yet; or all of it is there and models are chosen for others first (`status` says for how many)"
        ),
        "wait a minute; where it stays, `dicom-node hosts list` says whose spool holds it back",
    ),
    StudyState.COMPLETE: ("all is there; models run, or their results go out: `status` says which step", _NOTHING),
    StudyState.AMENDED: ("more images came after it was complete; it will be complete anew", _NOTHING),
    StudyState.ARCHIVED: ("it is done with; images that come again amend it", _NOTHING),
    StudyState.STUCK: (
        "it waits for a person; `dicom-node status STUDY` has the reason, and the table below the causes",
        "mend the cause, then `dicom-node retry STUDY`",
    ),
}

CAUSES: Mapping[Cause, Row] = {
    Cause.INTAKE: (
        "nothing that came of it can be read",
        "`dicom-node quarantine list` has each reason; have the study sent again as it is in the PACS",
    ),
    Cause.PATIENT: (
        "its images name two patients; no model runs, nothing goes out",
        (
            "`dicom-node patients list STUDY`, look at one image of each group in the PACS, then "
            "`dicom-node patients keep STUDY GROUP` or `dicom-node patients same STUDY`"
        ),
    ),
    Cause.CORRECTION: (
        "images of it bear UIDs of another study's, as after a merge of patients",
        (
            "`dicom-node conflicts list`, then `dicom-node conflicts adopt ID`; `dicom-node conflicts set-aside ID` "
            "where they are no correction"
        ),
    ),
    Cause.EVENT: (
        "no attempt could handle an event about it",
        "`dicom-node dead-letters list` has the error; mend it, then `dicom-node retry STUDY`",
    ),
    Cause.INFERENCE: (
        "a model failed on it: images that it cannot read, a package that is broken, no memory, no time",
        (
            "what the reason names (a gap: send the missing images; a package: `dicom-node models verify`), then "
            '`dicom-node retry STUDY`; where it never will work, `dicom-node accept STUDY --reason "..."`'
        ),
    ),
    Cause.DELIVERY: (
        "a destination refused the results, or did not take them for `delivery.give_up_after`",
        (
            "`dicom-node echo PACS@10.1.0.10:104`, `dicom-node destinations probe PACS`; mend it, then "
            "`dicom-node retry STUDY`"
        ),
    ),
}

JOBS: Mapping[JobState, Row] = {
    JobState.REQUESTED: (
        "waits for a worker (`status` says behind how many jobs), or for its next try, or its model is paused",
        (
            "where it stays: does `work` run, and is it ready (`systemctl status dicom-node`, or `/health/ready`)? "
            "`dicom-node models list` has the package?"
        ),
    ),
    JobState.LEASED: ("a worker has it", _NOTHING),
    JobState.RUNNING: ("the model runs; after `models.timeout` it is ended", _NOTHING),
    JobState.FOUND_EARLY: (
        "it ran on a series that was whole while others came; its findings count once the complete study wants them",
        _NOTHING,
    ),
    JobState.SUCCEEDED: ("its findings are there", _NOTHING),
    JobState.NOT_SUITABLE: (
        "a guard of the package refused the images: an answer, and no fault",
        "nothing; where it is wrong, tell whoever made the package (`dicom-node models show MODEL`)",
    ),
    JobState.FAILED: (
        "it failed as often as it may; the study is stuck, unless another model has results for it",
        "as above, cause `inference`",
    ),
    JobState.TIMED_OUT: (
        "it took longer than `models.timeout`, and was ended",
        "is the machine busy, or the study very large? Raise `models.timeout`, restart, then `dicom-node retry STUDY`",
    ),
    JobState.CANCELLED: ("newer images of the study are asked about instead", _NOTHING),
}

DELIVERIES: Mapping[DeliveryState, Row] = {
    DeliveryState.PENDING: (
        (
            "waits for its turn (`status` says behind how many deliveries), or for the next try, or its destination is "
            "paused; `status` has the last answer"
        ),
        "nothing for as long as the archive is away on purpose; else ask it: `dicom-node echo PACS@10.1.0.10:104`",
    ),
    DeliveryState.SENDING: ("an association with it is open", _NOTHING),
    DeliveryState.STORED: ("the archive said that it has them", _NOTHING),
    DeliveryState.COMMITTED: ("the archive committed itself to keep them", _NOTHING),
    DeliveryState.FAILED: (
        "not taken for `delivery.give_up_after`; nobody tries any more, and the study is stuck",
        "mend the archive or the network, then `dicom-node retry STUDY`",
    ),
    DeliveryState.REFUSED: (
        "the archive said that it never will take them, or takes nothing that its readers should see",
        (
            "`dicom-node destinations probe PACS` says what it takes: another profile, or a setting there; then "
            "`dicom-node retry STUDY`"
        ),
    ),
    DeliveryState.CANCELLED: ("newer results went instead, or the destination is gone from the settings", _NOTHING),
}

WAITS: Mapping[str, Row] = {
    "its process": (
        "the role does not run",
        "`systemctl status dicom-node`, or `docker compose ps`; its last lines of the log say why",
    ),
    "its health door": ("it runs and does not answer: it starts, or it hangs", "wait a minute, then restart the role"),
    "its main loop": ("it has not begun its work yet", "wait a minute; its log says what it is at"),
    "PostgreSQL": (
        "the database does not answer",
        "`dicom-node doctor`; its server's log, and its disk",
    ),
    "the object store": (
        "files under `DATA/objects` cannot be read or written",
        "is the disk full, read-only or not mounted? Nothing is lost; it goes on by itself",
    ),
    "a trail that can be signed": (
        "the trail is not what `seal` signed before, or its keys are missing; studies go on, and nothing is signed",
        "`dicom-node audit verify` tells which entry was altered; keys: the reason says which folder",
    ),
    "the database's schema": (
        "the database is older than the node, and somebody else may own its schema",
        "`dicom-node database upgrade`, as the schema's owner",
    ),
    "room in the spool": (
        "the spool, or its disk, is full; senders get A700 and send again",
        "does `index` run, and what does it wait for? Make room on the disk above `spool.disk_floor`",
    ),
    "the models to be warm": (
        "networks are being loaded and, on a GPU, compiled",
        "wait: the first start takes minutes; `models.load_timeout` ends it",
    ),
    "the thread that accepts connections": (
        "the listener takes nobody in; it may be out of descriptors",
        "restart `listen`; what was acknowledged is on disk",
    ),
    "a server, for": (
        "the broker, the database or an archive is away, for what is named behind it",
        "nothing, if it comes back; `dicom-node doctor` tries the broker, `dicom-node echo PACS@10.1.0.10:104` a PACS",
    ),
}

STATUSES: Mapping[Status, Row] = {
    Status.SUCCESS: ("it is on disk, and will be processed", _NOTHING),
    Status.OUT_OF_RESOURCES: (
        "the spool or its disk is full, or one instance is larger than `listener.max_instance`",
        (
            "`systemctl status dicom-node`, or `/health/ready` of `listen` and `index`, names the cause: most often "
            "database or disk. The sender sends "
            "again by itself, or by hand"
        ),
    ),
    Status.CANNOT_UNDERSTAND: (
        "no data set came, or an empty one, or no SOP Class UID",
        "a fault of the sender: its log, with the time; `docker compose logs listen` or `journalctl -u dicom-node`",
    ),
    Status.DATA_SET_MISMATCH: (
        "by HTTP: the data set is of another SOP class than its file says, or of another study than the address names",
        _OF_THE_SENDER,
    ),
    Status.TRANSFER_SYNTAX_NOT_SUPPORTED: ("by HTTP: its transfer syntax is none of the standard's", _OF_THE_SENDER),
    Status.INVALID_INSTANCE: (
        "its SOP Instance UID is missing, no UID, or longer than 64 characters",
        "a fault of the sender's",
    ),
    Status.SOP_CLASS_NOT_SUPPORTED: (
        "the object is of another class than the sender had agreed on",
        "a fault of the sender's",
    ),
    Status.UNRECOGNIZED_OPERATION: (
        "something else than C-STORE or C-ECHO was asked, such as C-FIND",
        "take the query or worklist function off in the sender's entry for this node",
    ),
    Status.MISTYPED_ARGUMENT: ("a C-ECHO came with a data set", "a fault of the sender's"),
    Status.INVALID_ATTRIBUTE_VALUE: ("a request of another service has a value that it may not have", _OF_THE_SENDER),
    Status.PROCESSING_FAILURE: (
        (
            "a request of another service, such as storage commitment, cannot be done as things stand, or not be "
            "judged; with Error ID A710 a procedure step has ended and is not changed any more"
        ),
        "the Error Comment says which; the log of `listen` has a defect of the node's own with its line",
    ),
    Status.DUPLICATE_INSTANCE: ("what was to be made by this UID exists, such as a procedure step", _OF_THE_SENDER),
    Status.NO_SUCH_INSTANCE: (
        (
            "the request is about an instance that the node does not know, such as a procedure step whose N-CREATE "
            "another host has"
        ),
        "send all procedure steps of a modality to one host; else a fault of the sender's",
    ),
    Status.NO_SUCH_EVENT: ("a report of a kind that its service does not have", _OF_THE_SENDER),
    Status.INVALID_ARGUMENT: (
        "what storage commitment was asked or told cannot be read, or names no transaction or no instances",
        _OF_THE_SENDER,
    ),
    Status.NO_SUCH_CLASS: ("the request is of another SOP class than its context", _OF_THE_SENDER),
    Status.CLASS_INSTANCE_CONFLICT: ("the instance is of another SOP class than was said", _OF_THE_SENDER),
    Status.MISSING_ATTRIBUTE: ("a request of another service lacks an attribute that it must have", _OF_THE_SENDER),
    Status.MISSING_ATTRIBUTE_VALUE: ("a request of another service has an attribute without its value", _OF_THE_SENDER),
    Status.NOT_AUTHORIZED: (
        "a procedure step was begun under another AE title than the one that changes it",
        "let all that is said of a step come under one AE title, also where an information system forwards it",
    ),
    Status.NO_SUCH_ACTION: ("an action that its service does not have", _OF_THE_SENDER),
    Status.RESOURCE_LIMITATION: (
        (
            "a request of another service is larger than 16 MiB (of procedures 4 MiB), names more than 50,000 "
            "instances, or found no room in memory or spool"
        ),
        "the sender is to ask in smaller parts; for the spool as with A700",
    ),
}

REJECTIONS: Mapping[tuple[int, int, int], tuple[str, str, str]] = {
    (1, 1, 7): (
        "called AE title not recognized",
        "the sender calls another name than `listener.aet`",
        "write the same in both: the log and `dicom-node callers` name both; a changed `listener.aet` wants a restart",
    ),
    (1, 1, 3): (
        "calling AE title not recognized",
        "the pair of AE title and address, or by TLS of AE title and certificate, is not in `listener.callers`",
        '`dicom-node callers` prints the line to add: `{ aet = "CT", address = "10.1.2.3" }`; then `dicom-node reload`',
    ),
    (1, 2, 1): (
        "no reason given",
        "the caller has `users`, and its user, passcode or token is wrong or missing",
        "the log and `dicom-node callers` say which; `dicom-node tls passcode USER --file FILE` keeps a new passcode",
    ),
    (2, 3, 2): (
        "local limit exceeded",
        "as many associations as `listener.max_associations` are open, or three quarters of that by one caller",
        "the sender tries again by itself; where it happens often, raise the limit",
    ),
    (1, 1, 2): ("application context not supported", "what calls is no DICOM software of this century", _NOTHING),
    (1, 2, 2): ("protocol version not supported", "what calls is no DICOM software of this century", _NOTHING),
}

LOOKS: Mapping[str, str] = {
    "DICOM port": "another program has it: stop that, or take another `listener.port`; the node has it under a "
    "former AE title: restart it",
    "health door": "bind it to loopback or to a network for it alone, `http.host`",
    "disk": "make room, or give the spool less (`spool.capacity`)",
    "data folder": "type the `chmod` that is printed",
    "database": "start it, mend its URL, or run `dicom-node database upgrade`: the line says which",
    "database login": "give each role a login of its own ([operations](operations.md#a-database-of-your-own))",
    "audit trail": "what the line says: no role starts before",
    "identity key": "bring back the key of the first host ([operations](operations.md#what-to-do-when))",
    "trail keys": "put back the file that the line names; where it is lost: `dicom-node audit keys rotate --lost`",
    "checkpoints": "name a place outside the database in `[[audit.witnesses]]` ([how](audit.md#where-checkpoints-go))",
    "checkpoints to NAME": "nothing where it is away; where it contradicts: `dicom-node audit verify --witness NAME`",
    "broker": "start it, or mend `bus.*`: the line says which",
    "broker rights": "`dicom-node kafka grant`, as the broker's administrator",
    "extra NAME": "type the `pip install` that is printed",
    "engine NAME": "nothing, as long as one engine is there",
    "engines": "type the `pip install` that is printed",
    "GPU": "nothing, where the CPU is to do it; else the driver, and who may open `/dev/nvidia*`",
    "wall NAME": "nothing, as long as `walls` is not named",
    "walls": 'a newer kernel, or `models.walls = "available"` ([security](security.md#a-model-package))',
    "model NAME": "`dicom-node models verify NAME` names all that is wrong with it",
    "results to NAME": "`dicom-node destinations probe NAME` says why it does not answer; what waits is sent then",
    "source NAME": "`dicom-node echo AET@HOST:PORT` or `dicom-node echo URL` asks it; mend its entry in the settings, "
    "then `dicom-node reload`, or the archive: studies go on without what it would have said",
    "NAME NAME": "a person paused this model or destination: `dicom-node models resume NAME`, or "
    "`dicom-node destinations resume NAME`",
    "models": "`dicom-node models pull --list`, or mend `models.folder`",
}

# As a reader sees a line whose every word is a name.
_SHOWN = {"NAME NAME": "model NAME` or `destination NAME"}

ERRORS: Mapping[type[errors.NodeError], Row] = {
    errors.Retryable: ("may pass", "tried again by itself, later each time"),
    errors.Unavailable: ("a server is away", "waited for, and costs the work no attempt"),
    errors.Permanent: ("will never work as it is", "mend what the sentence names, then `dicom-node retry STUDY`"),
    errors.UnusableInput: (
        "the images cannot be processed",
        "send what lacks, or better ones; `status` has the sentence",
    ),
    errors.NotSuitable: ("the images are not for this model", "nothing is to be mended"),
    errors.ConfigurationError: (
        "a setting, rules file or package is wrong",
        "exit code 2: nothing starts it again until file and line that it names are mended; `dicom-node config check`",
    ),
    errors.Unfounded: (
        "an event says what the database does not know",
        "nobody but the node should write on its topic: who does? `dicom_node_events_total` counts them",
    ),
    errors.IntegrityError: (
        "something was changed, lost or forged",
        "stop, keep everything as it is, and look: `dicom-node audit verify`, [the trail](audit.md)",
    ),
    errors.IllegalTransition: ("a defect of the node's", "report it with the log; the item that met it is set aside"),
}


def _states(rows: Iterable[tuple[StrEnum, Row]]) -> str:
    return _table(("state", "what it means", "what to do"), [(f"`{state.value}`", *row) for state, row in rows])


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def _statuses() -> str:
    rows = [(f"{status.value:04X}", status.name.replace("_", " ").lower(), *row) for status, row in STATUSES.items()]
    return _table(("status", "in words", "what it means", "what to do"), rows)


def _rejections() -> str:
    rows = [("{}/{}/{}".format(*codes), *row) for codes, row in REJECTIONS.items()]
    return _table(("result/source/reason", "as the sender shows it", "what it means", "what to do"), rows)


def _waits() -> str:
    rows = [(f"`{one}`{' ...' * (one == 'a server, for')}", *row) for one, row in WAITS.items()]
    return _table(("waits for", "what it means", "what to do"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "states of a study": lambda: _states(STUDIES.items()),
    "causes of a stuck study": lambda: _table(
        ("cause", "what it means", "what to do"), [(f"`{cause.value}`", *row) for cause, row in CAUSES.items()]
    ),
    "states of a run": lambda: _states(JOBS.items()),
    "states of a delivery": lambda: _states(DELIVERIES.items()),
    "what a role waits for": _waits,
    "answers to an instance": _statuses,
    "refusals of an association": _rejections,
    "what doctor says": lambda: _table(
        ("line", "where it is not `ok`"), [(f"`{_SHOWN.get(one, one)}`", do) for one, do in LOOKS.items()]
    ),
    "kinds of errors": lambda: _table(
        ("kind", "what it means", "what happens, and what to do"),
        [(f"`{kind.__name__}`", *row) for kind, row in ERRORS.items()],
    ),
}


def kinds_of_errors(root: type[errors.NodeError] = errors.NodeError) -> Iterator[type[errors.NodeError]]:
    """Every error of the tree but its root."""
    for one in root.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
            yield from kinds_of_errors(one)


def refusals() -> set[tuple[int, ...]]:
    """The codes of every rejection that the policy makes."""
    tree = ast.parse((ROOT / "dicom_node" / "listener" / "policy.py").read_text())
    calls = [
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") == policy.Rejection.__name__
    ]
    return {tuple(ast.literal_eval(code) for code in one.args[:3]) for one in calls}


def looks() -> set[str]:
    """What `doctor` looks at, with NAME where the code puts one."""
    found = set()
    for file in ("diagnostics.py", "door_looks.py", "database_looks.py", "source_looks.py", "trail_looks.py"):
        for one in ast.walk(ast.parse((ROOT / "console" / "cli" / file).read_text())):
            if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "Look":
                found.add(_text(one.args[0]))
    # A model's line is named once for the three that the code makes of it.
    return found - {"what"} | {"model NAME"}


def waits() -> set[str]:
    """What a role of the code says that it waits for: what its own modules give to `Health.waiting`, and the ask's."""
    found = set()
    for file in (ROOT / "roles").glob("*.py"):
        tree = ast.parse(file.read_text())
        named: dict[str, str] = {}
        for name, said in _named(tree):
            named[name] = f"{named[name]}|{said}" if name in named else said
        for one in ast.walk(tree):
            if isinstance(one, ast.Call) and one.args and "attr='waiting'" in ast.dump(one.func):
                found |= set(_resolved(one.args[0], named).split("|"))
            if isinstance(one, ast.keyword) and one.arg == "waiting_for" and isinstance(one.value, ast.Tuple):
                found |= {_resolved(part, named) for part in one.value.elts}
            if isinstance(one, ast.Assign | ast.AnnAssign) and isinstance(one.value, ast.Dict):
                begun = ast.unparse(one).startswith("self._waiting")
                found |= {_resolved(key, named) for key in one.value.keys if begun and key is not None}
    return {re.split(r":? NAME$| \(", one)[0] for one in found - {"what", ""}}


def _named(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The texts that names of a module stand for."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Assign):
            target, value = one.targets[0], one.value
            pairs = (
                zip(target.elts, value.elts, strict=False)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            yield from ((name.id, _text(text)) for name, text in pairs if isinstance(name, ast.Name))


def _resolved(node: ast.expr, named: Mapping[str, str]) -> str:
    """A text of the code, with the module's own names as what they stand for."""
    if isinstance(node, ast.JoinedStr):
        pieces = [one.value if isinstance(one, ast.FormattedValue) else one for one in node.values]
        # A constant is written in capitals; any other name is a value.
        constants = {name: text for name, text in named.items() if name.isupper()}
        return "".join(
            _text(one) if isinstance(one, ast.Constant) else constants.get(_text(one), "NAME") for one in pieces
        )
    said = _text(node)
    return named.get(said, said)


def _text(node: ast.expr) -> str:
    """A text of the code: pieces that it puts in as NAME, alternatives divided by |, a variable by its name."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "NAME" for one in node.values)
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body)}|{_text(node.orelse)}"
    return node.id if isinstance(node, ast.Name) else ""
