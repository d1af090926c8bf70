"""What a server says of instances that were sent to it by STOW-RS: the Store Instances Response (PS3.18 I.2).

As DICOM JSON (PS3.18 F) and as Native DICOM Model in XML (PS3.19 A.1). A reader takes what it can of an answer: each
instance that it names stands for itself, and what cannot be believed is absent.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from dicom_node.outside import is_uid
from domain.errors import UnusableInput

JSON, XML = "application/dicom+json", "application/dicom+xml"

_FAILED, _REFERENCED, _OTHERS = "00081198", "00081199", "0008119A"
_CLASS, _INSTANCE, _WARNING, _FAILURE, _URL = "00081150", "00081155", "00081196", "00081197", "00081190"
_KEYWORDS = {
    _FAILED: "FailedSOPSequence",
    _REFERENCED: "ReferencedSOPSequence",
    _OTHERS: "OtherFailuresSequence",
    _CLASS: "ReferencedSOPClassUID",
    _INSTANCE: "ReferencedSOPInstanceUID",
    _WARNING: "WarningReason",
    _FAILURE: "FailureReason",
    _URL: "RetrieveURL",
}


@dataclass(frozen=True)
class Part:
    """What became of an instance. `status` is 0 where it is stored, a Warning Reason, or a Failure Reason.

    Without `sop_instance` it is one that could not be told: then `sop_class` is empty, too.
    """

    sop_class: str
    sop_instance: str
    status: int = 0
    stored: bool = True


def encode(parts: Sequence[Part], kind: str = JSON) -> bytes:
    """The response in media type `kind`, JSON or XML."""
    return (_xml if kind == XML else _json)(_data_set(parts))


def decode(body: bytes, kind: str) -> list[Part]:
    """What a response in media type `kind` says of which instances; raises UnusableInput where it is none.

    A failure of none that is named has no `sop_instance`.
    """
    try:
        data_set = _from_xml(body) if kind.endswith("xml") else json.loads(body)
    except (ValueError, RecursionError, ElementTree.ParseError) as error:
        raise UnusableInput(f"the answer is no {kind or 'Store Instances Response'}") from error
    if not isinstance(data_set, Mapping):
        raise UnusableInput("the answer is no data set")
    found = [_part(item, stored=True) for item in _items(data_set, _REFERENCED)]
    found += [_part(item, stored=False) for tag in (_FAILED, _OTHERS) for item in _items(data_set, tag)]
    return [one for one in found if is_uid(one.sop_instance) or not (one.stored or one.sop_instance)]


_Elements = dict[str, tuple[str, list[object]]]


def _data_set(parts: Sequence[Part]) -> _Elements:
    sequences = {
        _FAILED: [_failed(one) for one in parts if not one.stored and one.sop_instance],
        _REFERENCED: [_referenced(one) for one in parts if one.stored],
        _OTHERS: [_reason(one) for one in parts if not one.stored and not one.sop_instance],
    }
    return {tag: ("SQ", list[object](items)) for tag, items in sequences.items() if items}


def _named(one: Part) -> _Elements:
    return {_CLASS: ("UI", [one.sop_class] if one.sop_class else []), _INSTANCE: ("UI", [one.sop_instance])}


def _reason(one: Part) -> _Elements:
    return {_FAILURE: ("US", [one.status])}


def _failed(one: Part) -> _Elements:
    return {**_named(one), **_reason(one)}


def _referenced(one: Part) -> _Elements:
    return {**_named(one), **({_WARNING: ("US", [one.status])} if one.status else {})}


def _json(data_set: _Elements) -> bytes:
    return json.dumps(_json_object(data_set), separators=(",", ":")).encode()


def _json_object(data_set: _Elements) -> dict[str, object]:
    return {
        tag: {
            "vr": vr,
            **({"Value": [_json_object(v) if isinstance(v, dict) else v for v in values]} if values else {}),
        }
        for tag, (vr, values) in data_set.items()
    }


def _xml(data_set: _Elements) -> bytes:
    inner = "".join(_xml_elements(data_set))
    name = 'xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"'
    return f'<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel {name}>{inner}</NativeDicomModel>'.encode()


def _xml_elements(data_set: _Elements) -> Iterator[str]:
    for tag, (vr, values) in data_set.items():
        yield f"<DicomAttribute tag={quoteattr(tag)} vr={quoteattr(vr)} keyword={quoteattr(_KEYWORDS[tag])}>"
        for number, value in enumerate(values, 1):
            what, inner = ("Item", "".join(_xml_elements(value))) if isinstance(value, dict) else ("Value", None)
            yield f'<{what} number="{number}">{escape(str(value)) if inner is None else inner}</{what}>'
        yield "</DicomAttribute>"


def _from_xml(body: bytes) -> dict[str, object]:
    if b"<!" in body:  # neither entities nor anything else that a definition of a document brings
        raise ValueError("a document type")
    return _of_element(ElementTree.fromstring(body))


def _of_element(element: ElementTree.Element, depth: int = 0) -> dict[str, object]:
    found: dict[str, object] = {}
    for attribute in element:
        items = [_of_element(one, depth + 1) for one in attribute if _name(one) == "Item"] if depth < 2 else []
        values = [one.text or "" for one in attribute if _name(one) == "Value"]
        found[attribute.get("tag", "").upper()] = {"Value": items or values}
    return found


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _items(data_set: Mapping[str, object], tag: str) -> Iterator[Mapping[str, object]]:
    yield from (one for one in _values(data_set, tag) if isinstance(one, Mapping))


def _values(data_set: Mapping[str, object], tag: str) -> list[object]:
    element = data_set.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values if isinstance(values, list) else []


def _part(item: Mapping[str, object], *, stored: bool) -> Part:
    return Part(
        _text(item, _CLASS), _text(item, _INSTANCE), _number(item, _WARNING if stored else _FAILURE), stored=stored
    )


def _text(item: Mapping[str, object], tag: str) -> str:
    values = _values(item, tag)
    return values[0].strip("\0 ") if values and isinstance(values[0], str) else ""


def _number(item: Mapping[str, object], tag: str) -> int:
    values = _values(item, tag)
    value = values[0] if values else 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    return value if type(value) is int and 0 <= value <= 0xFFFF else 0
