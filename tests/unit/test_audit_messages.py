"""Entries as messages of PS3.15 A.5: the standard's schema takes each, and each says who, what and how it ended."""

from base64 import b64decode
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree
from pydicom.sr import _concepts_dict as concepts

from audit.actions import Action
from audit.chain import Row
from audit.export import codes
from audit.export.codes import Code
from audit.export.dicom import dicom_xml
from audit.export.mapping import audit_message
from audit.export.message import ever_shorter
from tests.support.audit_messages import entry, faults, rows, strange_rows

_UID = "1.2.840.113619.2.1"
_STUDY = "0d5c2c1e-5c1b-4a76-9b4c-0c4d9a7f9a01"


def _xml(row: Row, uids: dict[str, str] | None = None, most: int | None = None) -> etree._Element:
    text = dicom_xml(audit_message(row, uids or {}), most)
    assert faults(text) == []
    return etree.fromstring(text.encode())


# The first draw makes Hypothesis read all of Unicode.
_PATIENT = settings(suppress_health_check=[HealthCheck.too_slow])


@given(rows())
@_PATIENT
def test_the_schema_takes_the_message_of_every_entry(row: Row) -> None:
    assert faults(dicom_xml(audit_message(row, {}))) == []


@given(strange_rows())
@_PATIENT
def test_the_schema_takes_the_message_of_what_is_no_entry(row: Row) -> None:
    assert faults(dicom_xml(audit_message(row, {}))) == []


def test_the_schema_refuses_what_the_standard_does() -> None:
    good = dicom_xml(audit_message(entry(1, "started"), {}))
    assert faults(good.replace('csd-code="110100" codeSystemName', 'code="110100" codeSystemName'))
    assert faults(good.replace('EventActionCode="E"', 'EventActionCode="X"'))
    assert faults(good.replace("<ParticipantObjectName>entry of the trail</ParticipantObjectName>", ""))


@pytest.mark.parametrize("one", [one for one in vars(codes).values() if isinstance(one, Code) and one.scheme == "DCM"])
def test_each_code_of_dicom_has_the_meaning_of_ps3_16(one: Code) -> None:
    known: dict[str, dict[str, tuple[str, object]]] = concepts.concepts["DCM"]  # type: ignore[assignment]
    named = {value: meaning for by in known.values() for value, (meaning, _) in by.items()}
    assert named[one.value] == one.meaning


def test_every_action_is_named_in_its_message_as_a_type() -> None:
    for action in Action:
        found = _xml(entry(1, action.value)).findall("EventIdentification/EventTypeCode")
        assert (found[-1].get("csd-code"), found[-1].get("codeSystemName")) == (action.value, "99DICOMNODE")


def test_a_study_that_came_has_source_destination_study_and_instances() -> None:
    details = {"caller": "CT1", "called": "AI_NODE", "address": "10.1.2.3", "study_uid": _UID}
    xml = _xml(entry(7, "instances received", _STUDY, **details, instances=[["1.2.3.1", "ab"], ["1.2.3.2", "cd"]]))
    event = xml.find("EventIdentification")
    assert event is not None
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("C", "0")
    assert event.get("EventDateTime") == "2026-11-30T09:05:01.000005Z"
    assert event.findall("EventID")[0].get("csd-code") == "110104"
    source, destination = xml.findall("ActiveParticipant")
    assert source.find("RoleIDCode").get("csd-code") == "110153"
    assert (source.get("AlternativeUserID"), source.get("UserIsRequestor")) == ("AETITLES=CT1", "true")
    assert (source.get("NetworkAccessPointID"), source.get("NetworkAccessPointTypeCode")) == ("10.1.2.3", "2")
    assert destination.find("RoleIDCode").get("csd-code") == "110152"
    assert (destination.get("UserID"), destination.get("AlternativeUserID")) == (
        "index@node.example",
        "AETITLES=AI_NODE",
    )
    study, _ = xml.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == _UID
    assert study.find("ParticipantObjectIDTypeCode").get("csd-code") == "110180"
    assert [one.get("UID") for one in study.iter("Instance")] == ["1.2.3.1", "1.2.3.2"]
    assert study.find("ParticipantObjectDescription/SOPClass").get("NumberOfInstances") == "2"


def test_a_study_is_named_by_its_uid_where_that_is_known_and_else_by_its_internal_id() -> None:
    known = _xml(entry(7, "study held", _STUDY, user="alice"), {_STUDY: _UID})
    assert known.find("ParticipantObjectIdentification").get("ParticipantObjectID") == _UID
    unknown = _xml(entry(7, "study held", _STUDY, user="alice"))
    assert unknown.find("ParticipantObjectIdentification").get("ParticipantObjectID") == _STUDY


def test_a_person_is_the_one_requestor() -> None:
    for action in Action:
        found = _xml(entry(1, action.value, user="alice (uid 1000)", address="10.0.0.9")).findall("ActiveParticipant")
        assert [one.get("UserID") for one in found if one.get("UserIsRequestor") == "true"] == ["alice (uid 1000)"]


def test_a_reading_of_the_trail_is_110101_of_the_security_audit_log() -> None:
    xml = _xml(entry(9, "audit log used", user="alice", what="show"))
    assert xml.find("EventIdentification/EventID").get("csd-code") == "110101"
    assert xml.find("EventIdentification").get("EventActionCode") == "R"
    assert xml.find("ParticipantObjectIdentification/ParticipantObjectName").text == "Security Audit Log"
    assert xml.find("ParticipantObjectIdentification/ParticipantObjectIDTypeCode").get("csd-code") == "12"


def test_what_failed_says_how_badly_and_why() -> None:
    lost = _xml(entry(2, "delivery failed", _STUDY, destination="PACS", reason="no answer"))
    assert lost.find("EventIdentification").get("EventOutcomeIndicator") == "4"
    assert lost.find("EventIdentification/EventOutcomeDescription").text == "no answer"
    assert [one.get("UserID") for one in lost.findall("ActiveParticipant")][-1] == "PACS"
    assert _xml(entry(2, "inference failed")).find("EventIdentification").get("EventOutcomeIndicator") == "8"


def test_every_security_alert_and_every_log_in_has_a_type_of_the_standard() -> None:
    for action in Action:
        event = _xml(entry(1, action.value)).find("EventIdentification")
        if event.find("EventID").get("csd-code") in {"110113", "110114"}:
            assert event.find("EventTypeCode").get("codeSystemName") == "DCM"


def test_what_is_no_entry_of_the_node_is_a_serious_security_alert() -> None:
    xml = _xml(Row(5, '{"number":5}', bytes(32)))
    assert xml.find("EventIdentification/EventID").get("csd-code") == "110113"
    assert xml.find("EventIdentification").get("EventOutcomeIndicator") == "8"


def test_the_whole_entry_and_its_place_on_the_trail_go_along() -> None:
    row = entry(7, "study held", _STUDY, user="älice", reason="kept\nfor the board")
    found = _xml(row).findall("ParticipantObjectIdentification")[-1].findall("ParticipantObjectDetail")
    said = {one.get("type"): b64decode(one.get("value")) for one in found}
    assert said == {"number": b"7", "hash": row.hash.hex().encode(), "entry": row.entry.encode()}


def test_a_message_fits_a_receiver_however_much_its_entry_holds() -> None:
    many = [[f"1.2.3.{number}", "ab" * 32] for number in range(5000)]
    row = entry(7, "instances received", _STUDY, study_uid=_UID, instances=many, caller="c" * 9000, reason="r" * 9000)
    sizes = [len(dicom_xml(one)) for one in ever_shorter(audit_message(row, {}))]
    assert all(longer > shorter for longer, shorter in pairwise(sizes))
    for most in (1_000_000, 200_000, 32_768, 8192):
        xml = _xml(row, most=most)
        assert len(etree.tostring(xml)) <= most
        assert xml.find(".//SOPClass").get("NumberOfInstances") == "5000"
