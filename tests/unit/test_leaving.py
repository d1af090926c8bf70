"""What may leave: one table for every way out, which whatever sends, writes or hands over has to pass."""

import ast
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.datadict import keyword_for_tag

from config import logs
from config.settings import Logging
from domain.exported_attributes import ATTRIBUTES
from domain.leaving import ALLOWED, WayOut, leaving, may_leave
from tests.support.counterparts import ROOT

ROOMS = ("audit", "config", "console", "consumers", "dicom_node", "domain", "inference_worker", "models", "roles",
         "sr_writer", "store", "summary")  # fmt: skip
IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "PatientAddress", "OperatorsName",
               "ReferringPhysicianName", "InstitutionName", "OtherPatientIDs", "PatientComments",
               "RequestedProcedureID", "RequestAttributesSequence", "OtherPatientIDsSequence",
               "EncapsulatedDocument", "OverlayData")  # fmt: skip
# Attributes of PS3.15 table E.1-1 that an option lets stay: UIDs, dates and times, descriptions, content.
BY_OPTION = (
    "UID",
    "SecondaryCapture",
    "Date",
    "Time",
    "DateTime",
    "Description",
    "Sequence",
    "ProtocolName",
    "ContrastBolusAgent",
)


@pytest.mark.parametrize("way", WayOut)
def test_no_way_out_has_a_list_with_something_that_names_a_patient(way: WayOut) -> None:
    assert not [name for name in IDENTIFYING if may_leave(way, name)]


def test_what_no_list_has_stays_whatever_it_is() -> None:
    assert leaving(WayOut.LOG, {"study": "7", "patient": "Quillfeather"}) == {"study": "7"}


def test_a_line_of_a_log_has_no_field_that_is_not_on_the_list() -> None:
    stream = io.StringIO()
    logs.set_up(Logging(format="json"), "test", stream)
    logging.getLogger("consumers.test").warning("a fixed text", extra={"study": "7", "patient": "Quillfeather"})

    assert json.loads(stream.getvalue())["study"] == "7" and "Quillfeather" not in stream.getvalue()


def test_every_field_that_the_node_gives_a_line_of_its_log_is_on_the_list() -> None:
    found = {key for path in _sources() for key in _fields(ast.parse(path.read_text("utf-8")))}

    assert {"study", "job", "reason", "dead_letter", "floor_bytes"} <= found
    assert found <= ALLOWED[WayOut.LOG], sorted(found - ALLOWED[WayOut.LOG])


def test_an_export_keeps_no_attribute_of_the_standards_confidential_ones_but_by_an_option() -> None:
    lines = (ROOT / "tests" / "support" / "confidential.txt").read_text().splitlines()
    confidential = {keyword_for_tag(int(line, 16)) for line in lines if not line.startswith("#")}

    assert len(confidential) > 500
    assert not [one for one in confidential & ATTRIBUTES if not one.endswith(BY_OPTION)]


def _sources() -> Iterator[Path]:
    return (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def _fields(tree: ast.AST) -> Iterator[str]:
    """Keys of dictionaries that are given as `extra`, by name too, and names that `at_work_on` is given."""
    for function in ast.walk(tree):
        if isinstance(function, ast.Call):
            named = {one.arg: one.value for one in function.keywords}
            if getattr(function.func, "id", "") == "at_work_on":
                yield from filter(None, named)
            if "extra" in named and _logs(function):
                yield from _keys(named["extra"], tree)


def _logs(call: ast.Call) -> bool:
    return getattr(call.func, "attr", "") in ("debug", "info", "warning", "error", "exception", "critical", "log")


def _keys(value: ast.AST, tree: ast.AST) -> Iterator[str]:
    """Of a dictionary, or of all that stand where what is named here is made."""
    if isinstance(value, ast.Dict):
        yield from (str(key.value) for key in value.keys if isinstance(key, ast.Constant))
        for one in (one for key, one in zip(value.keys, value.values, strict=True) if key is None):
            yield from _keys(one, tree)
        return
    name = getattr(value, "id", "") or getattr(getattr(value, "func", None), "attr", "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == name for one in node.targets):
            yield from _keys(node.value, tree) if isinstance(node.value, ast.Dict) else ()
        if isinstance(node, ast.FunctionDef) and node.name == name:
            yield from (key for one in ast.walk(node) if isinstance(one, ast.Dict) for key in _keys(one, tree))
