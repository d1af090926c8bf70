"""The tables of the DICOM conformance statement, from the code that they speak of and from the sample files."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
from pydicom import DataElement, Dataset
from pydicom._uid_dict import UID_dictionary

from config.settings import Listener
from dicom_node.commitment import PUSH_MODEL
from dicom_node.dimse import Status
from dicom_node.listener.associate import APPLICATION_CONTEXT, AssociateRequest, ProposedContext
from dicom_node.listener.policy import AssociationPolicy, Rejection, unidentified
from dicom_node.pdu import LONGEST_ASSOCIATE, MOST_CONTEXTS
from dicom_node.procedures import (
    INSTANCE_AVAILABILITY_NOTIFICATION,
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_WORKLIST,
)
from dicom_node.scu import store as sender
from dicom_node.scu.find import STUDY_ROOT
from dicom_node.scu.get import STUDY_ROOT_GET
from dicom_node.scu.move import STUDY_ROOT_MOVE
from dicom_node.scu.negotiation import OUR_MAX_PDU
from dicom_node.syntaxes import VERIFICATION, storage_sop_classes, transfer_syntaxes
from dicom_node.tls.contexts import acceptor_context
from domain.ids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from domain.profiles import BUILT_IN, SOP_CLASSES, TRANSFER_SYNTAXES, ResultFormat, ResultKind, every_form
from sr_writer.codes import concepts
from sr_writer.codes.concepts import Concept
from sr_writer.identity import IDENTITY
from sr_writer.source import _REGION
from tests.support.certificates import Site
from tests.support.samples import FOLDER, FORMS

# What the UID dictionary of pydicom does not have yet (PS3.6 table A-1).
_NAMES = {
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
_PURPOSES = {
    ResultKind.SEG: ("the segments", "C.8.20"),
    ResultKind.SR_REGIONS: ("what lies where, with an outline, a box or a point on an image each", "TID 1500, 1410"),
    ResultKind.SR: (
        "the measurements of segments; image-level findings where there are no segments",
        "TID 1500, 1411, 1501",
    ),
    ResultKind.SR_LIKELIHOODS: ("image-level findings beside segments", "TID 1500, 1501"),
    ResultKind.PM: ("maps of numbers over the images, an object and a series each", "C.8.32"),
    ResultKind.GSPS: ("outlines and words over the images", "C.10.5"),
    ResultKind.SC: ("a page as a picture", "C.8.6"),
    ResultKind.KOS: ("which images to look at first", "TID 2010"),
    ResultKind.PDF: ("the report as pages", "C.24"),
    ResultKind.TEXT: ("the report as plain text", "TID 2000"),
    ResultKind.IMPRESSION: (
        "of a study: what the findings of all its models come to, in sentences with what they rest on",
        "TID 2000, 4019; C.24; C.8.6",
    ),
}
_STATUSES = {
    Status.SUCCESS: "the data set is on disk, synced, and will be processed whatever happens to the processes",
    Status.INVALID_INSTANCE: "Affected SOP Instance UID is missing, no UID, or longer than 64 characters",
    Status.SOP_CLASS_NOT_SUPPORTED: "the command's SOP class or operation is not that of its presentation context",
    Status.UNRECOGNIZED_OPERATION: "an operation other than C-STORE and C-ECHO",
    Status.MISTYPED_ARGUMENT: "a C-ECHO with a data set",
    Status.OUT_OF_RESOURCES: "the disk or the spool is full, or the data set is longer than `listener.max_instance`",
    Status.CANNOT_UNDERSTAND: "no SOP class in the command, no data set, or an empty one",
}
# Each status that PS3.4 table B.2-1 and PS3.7 annex C have for C-STORE, one of those that are ranges.
_ANSWERS = (0x0000, 0x0111, 0x0117, 0x0118, 0x0122, 0x0124, 0x0211, 0x0212, 0x0110, 0xA700, 0xA900, 0xB000, 0xC000)

# Versions of TLS, the preferred first.
_TLS = ("TLSv1.3", "TLSv1.2")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def name_of(uid: str) -> str:
    """The name of a UID in the standard."""
    return _NAMES.get(uid) or UID_dictionary[uid][0]


def _services() -> str:
    stored = len(storage_sop_classes())
    written = dict.fromkeys(form.sop_class for form in every_form())
    rows = [
        ("Verification", f"`{VERIFICATION}`", "yes, to test a destination", "yes"),
        (f"all {stored} storage SOP classes of the standard ([annex](#81-sop-classes-received))", "", "no", "yes"),
        *((SOP_CLASSES[uid], f"`{uid}`", "yes", "yes") for uid in written),
        ("Storage Commitment Push Model", f"`{PUSH_MODEL}`", "yes, after each delivery", "yes"),
        ("Modality Performed Procedure Step", f"`{MODALITY_PERFORMED_PROCEDURE_STEP}`", "no", "yes"),
        ("Instance Availability Notification", f"`{INSTANCE_AVAILABILITY_NOTIFICATION}`", "no", "yes"),
        ("Study Root Query/Retrieve, FIND", f"`{STUDY_ROOT}`", "yes, of sources", "no"),
        ("Study Root Query/Retrieve, MOVE", f"`{STUDY_ROOT_MOVE}`", "yes, of sources with `priors`", "no"),
        ("Study Root Query/Retrieve, GET", f"`{STUDY_ROOT_GET}`", "yes, of sources with `priors`", "no"),
        ("Modality Worklist, FIND", f"`{MODALITY_WORKLIST}`", "yes, of sources with `worklist`", "no"),
    ]
    return table(("SOP class", "UID", "user of service (SCU)", "provider of service (SCP)"), rows)


def _policy() -> str:
    listener, share = Listener.model_fields, "three quarters of them of one caller"
    rows = [
        ("application context", f"`{APPLICATION_CONTEXT}`", f"`{APPLICATION_CONTEXT}`"),
        ("implementation class UID", f"`{IMPLEMENTATION_CLASS_UID}`", f"`{IMPLEMENTATION_CLASS_UID}`"),
        ("implementation version name", f"`{IMPLEMENTATION_VERSION_NAME}`", f"`{IMPLEMENTATION_VERSION_NAME}`"),
        (
            "longest P-DATA-TF taken",
            f"{listener['max_pdu'].default} bytes (`listener.max_pdu`)",
            f"{OUR_MAX_PDU} bytes",
        ),
        (
            "associations at once",
            f"{listener['max_associations'].default} in each listener process (`listener.max_associations`), {share}",
            "one with results in each `deliver` process; one that asks for each destination",
        ),
        ("longest A-ASSOCIATE-RQ taken", f"{LONGEST_ASSOCIATE} bytes", "proposes no more than its forms"),
        ("presentation contexts in an association", str(MOST_CONTEXTS), str(MOST_CONTEXTS)),
        ("asynchronous operations", "not negotiated: one at a time", "not negotiated: one at a time"),
        (
            "user identity",
            "passcode (2) and JWT (5) of callers that have `users`, answered where asked for; else not looked at",
            "username (1), passcode (2) or JWT (5) where the destination has a `user` or a `token_file`",
        ),
        ("extended negotiation", "not answered", "not proposed"),
        ("time without a byte before abort", f"{listener['idle'].default:g} s (`listener.idle`)", "`delivery.timeout`"),
        (
            "how far a message falls behind before abort",
            (
                f"{listener['message_time'].default:g} s behind {listener['message_rate'].default} bytes a second"
                " (`listener.message_time`, `listener.message_rate`)"
            ),
            "`delivery.timeout`",
        ),
    ]
    return table(("", "listener (SCP)", "sender (SCU)"), rows)


def _rejections() -> str:
    """What the policy says of a request with one fault each."""
    policy = AssociationPolicy(Listener(aet="NODE"))
    good = AssociateRequest(1, b"", "NODE", "PEER", APPLICATION_CONTEXT, (ProposedContext(1, VERIFICATION, ()),))
    faults = {
        "a protocol version without bit 0": policy.rejection(_changed(good, protocol_version=2), "10.0.0.1", 0),
        "another application context": policy.answer(_changed(good, application_context="1.2.3")),
        "a called AE title that is not `listener.aet`": policy.rejection(_changed(good, called="OTHER"), "10.0.0.1", 0),
        "a calling AE title and address that are not in `listener.callers`": policy.rejection(good, "10.0.0.1", 0),
        "more than `listener.max_associations`": policy.rejection(good, "127.0.0.1", 1_000_000),
        "more than three quarters of them by one caller": policy.rejection(good, "127.0.0.1", 24, 24),
    }
    faults["a user identity that proves nobody, of a caller that has `users`"] = unidentified("")
    rows = [(fault, *_codes(answer)) for fault, answer in faults.items()]
    return table(("request", "result", "source", "reason"), rows)


def _tls() -> str:
    """What is spoken, as the library lists it of a context of ours."""
    with TemporaryDirectory() as folder:
        context = acceptor_context(Site(Path(folder)).listener())
    found = {version: [one["name"] for one in context.get_ciphers() if one["protocol"] == version] for version in _TLS}
    rows = [(version.replace("TLSv", "TLS "), ", ".join(f"`{one}`" for one in found[version])) for version in _TLS]
    return table(("version", "cipher suites, the preferred first"), rows)


def _changed(request: AssociateRequest, **fields: object) -> AssociateRequest:
    return AssociateRequest(**{**request.__dict__, **fields})


def _codes(answer: object) -> tuple[int, int, int]:
    assert isinstance(answer, Rejection)
    return answer.result, answer.source, answer.code


def _proposed() -> str:
    syntaxes: dict[str, list[str]] = {}
    for form in every_form():
        syntaxes.setdefault(form.sop_class, []).append(form.transfer_syntax)
    rows = [
        (SOP_CLASSES[uid], f"`{uid}`", ", ".join(f"{TRANSFER_SYNTAXES[one]} `{one}`" for one in dict.fromkeys(found)))
        for uid, found in syntaxes.items()
    ]
    rows.append(("Verification", f"`{VERIFICATION}`", "Implicit VR Little Endian `1.2.840.10008.1.2`"))
    return table(("abstract syntax", "UID", "transfer syntaxes, a context each"), rows)


def _statuses() -> str:
    return table(("status", "meaning", "when"), ((f"{one:04X}", _words(one), said) for one, said in _STATUSES.items()))


def _words(status: Status) -> str:
    return status.name.replace("_", " ").lower()


def _behaviour() -> str:
    rows = []
    for status in _ANSWERS:
        verdict, reason = sender.judge(status)
        rows.append((_range(status), verdict.value, reason))
    return table(("status", "the object is", "said of it"), rows)


def _range(status: int) -> str:
    wide = {0xA700: "A7xx", 0xA900: "A9xx", 0xB000: "Bxxx", 0xC000: "Cxxx"}
    return wide.get(status, f"{status:04X}")


def _kinds() -> str:
    rows = []
    for kind, (purpose, template) in _PURPOSES.items():
        classes = dict.fromkeys(SOP_CLASSES[form.sop_class] for form in every_form() if form.kind is kind)
        rows.append((f"`{kind}`", purpose, ", ".join(classes), template, _samples_of(kind)))
    return table(("kind", "what for", "SOP classes, the preferred first", "PS3.3 or template", "samples"), rows)


def _samples_of(kind: ResultKind) -> str:
    names = [name for name, form in FORMS.items() if form.kind is kind]
    return ", ".join(f"[{name}](samples/{name}.dcm)" for name in names)


def _profiles() -> str:
    rows = [
        (
            f"`{one.name}`",
            ", ".join(one.objects),
            ", ".join(one.reports) or "none",
            ", ".join(one.segmentations),
            "yes" if one.compress else "no",
            f"supersede {one.supersede}, withdraw {one.withdraw}",
        )
        for one in BUILT_IN.values()
    ]
    return table(
        ("profile", "kinds", "reports, in order of preference", "segmentations", "compressed", "rejection notes"), rows
    )


def _received() -> str:
    rows = sorted((name_of(uid), f"`{uid}`") for uid in storage_sop_classes())
    return table(("SOP class", "UID"), rows)


def _syntaxes() -> str:
    rows = sorted((name_of(uid), f"`{uid}`") for uid in transfer_syntaxes())
    return table(("transfer syntax", "UID"), rows)


def _concepts() -> str:
    every = [one for one in vars(concepts).values() if isinstance(one, Concept)]
    rows = [
        (one.scheme, one.value, one.meaning, one.source)
        for one in sorted(every, key=lambda one: (one.scheme, one.value))
    ]
    return table(("scheme", "value", "meaning", "where the standard asks for it"), rows)


def _common() -> str:
    """The attributes that every sample has."""
    every = [_top(name) for name in FORMS]
    shared = set.intersection(*(set(one) for one in every))
    rows = [_described(every[0][tag], [one[tag] for one in every]) for tag in sorted(shared)]
    return table(("attribute", "tag", "VR", "value"), rows)


def _own() -> str:
    """For each kind, the attributes that not every sample has; kinds that have the same ones together."""
    every = {name: _top(name) for name in FORMS}
    shared = set.intersection(*(set(one) for one in every.values()))
    kinds: dict[str, list[str]] = {}
    for name, form in FORMS.items():
        if form == _first(form.kind):
            rows = [_described(one, [one]) for tag, one in sorted(every[name].items()) if tag not in shared]
            part = table(("attribute", "tag", "VR", "value"), rows)
            kinds.setdefault(part, []).append(f"{form.kind} ({SOP_CLASSES[form.sop_class]})")
    return "".join(f"\n**{', '.join(names)}**\n\n{part}" for part, names in kinds.items()) + "\n"


def _first(kind: ResultKind) -> ResultFormat:
    return next(form for form in FORMS.values() if form.kind is kind)


def _top(name: str) -> dict[int, DataElement]:
    dataset: Dataset = pydicom.dcmread(io.BytesIO((FOLDER / f"{name}.dcm").read_bytes()))
    return {int(element.tag): element for element in dataset}


def _described(element: DataElement, others: Sequence[DataElement]) -> tuple[str, str, str, str]:
    tag = f"({element.tag.group:04X},{element.tag.element:04X})"
    return element.name, tag, element.VR, _value(element, others)


def _value(element: DataElement, others: Sequence[DataElement]) -> str:
    """Where the value comes from; the value itself where it is a word of the standard, the same in each."""
    if int(element.tag) in (*IDENTITY, *_REGION):
        return "the source's, byte for byte"
    if element.VR == "SQ":
        return f"items of {_keywords(element)}" if len(element.value) else "empty"
    if element.VM == 0:
        return "empty"
    texts = {"\\".join(map(str, one.value)) if one.VM > 1 else str(one.value) for one in others}
    return f"`{texts.pop()}`" if element.VR == "CS" and len(texts) == 1 else "made"


def _keywords(element: DataElement) -> str:
    return ", ".join(one.name for one in element.value[0])


TABLES: Mapping[str, Callable[[], str]] = {
    "services": _services,
    "association policy": _policy,
    "rejections": _rejections,
    "tls": _tls,
    "proposed contexts": _proposed,
    "statuses": _statuses,
    "status behaviour": _behaviour,
    "kinds": _kinds,
    "profiles": _profiles,
    "received": _received,
    "transfer syntaxes": _syntaxes,
    "concepts": _concepts,
    "common attributes": _common,
    "own attributes": _own,
}
