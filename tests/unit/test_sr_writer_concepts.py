"""Every code that the writer uses stands in one table, and says what the standard's own lists say."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts as known
from pydicom.uid import UID

import sr_writer
from domain.coding import SCHEMES, fault
from domain.findings import Code
from sr_writer.codes import concepts
from sr_writer.codes.concepts import Concept

TABLE = {name: one for name, one in vars(concepts).items() if isinstance(one, Concept)}
# pydicom's lists leave some schemes out, and take some meanings from SNOMED CT or UCUM instead of PS3.16.
NOT_LISTED = {"LANGUAGE", "PIXELS", "QUALITATIVE_EVALUATIONS"}
SAID_OTHERWISE = {
    "MILLIMETRE": "mm",
    "SOURCE": "Source (attribute)",
}
# Context groups that have named the concept, and name another by now.
OF_ANOTHER_EDITION = {"FINDINGS", "IMPRESSIONS", "SUMMARY", "PROCEDURES"}
MODULES = sorted(Path(sr_writer.__file__).parent.rglob("*.py"))


def listed(code: Code) -> dict[str, list[int]]:
    """The meanings that pydicom's lists have for a code, with the context groups of each."""
    entries: Any = known.get(code.scheme, {}).values()
    return dict(entry[code.value] for entry in entries if code.value in entry)


@pytest.mark.parametrize("name", sorted(TABLE.keys() - NOT_LISTED))
def test_a_code_means_what_the_standard_says(name: str) -> None:
    assert SAID_OTHERWISE.get(name, TABLE[name].meaning) in listed(TABLE[name])


@pytest.mark.parametrize("name", sorted(NOT_LISTED))
def test_what_the_lists_leave_out_is_not_in_them(name: str) -> None:
    assert listed(TABLE[name]) == {}


@pytest.mark.parametrize("name", sorted(TABLE.keys() - OF_ANOTHER_EDITION))
def test_a_code_is_in_the_context_groups_that_it_names(name: str) -> None:
    named = {int(number) for number in re.findall(r"CID (\d+)", TABLE[name].source)} & cid_concepts.keys()
    groups = {group for found in listed(TABLE[name]).values() for group in found}
    assert named <= groups


def test_every_row_names_where_the_standard_asks_for_it() -> None:
    for one in TABLE.values():
        assert re.search(r"(CID|TID) \d|PS3\.\d+ [A-Z]\.", one.source), one


def test_every_row_can_be_written_and_no_code_stands_twice() -> None:
    faults = {name: fault(one.code, unit=one.scheme == "UCUM") for name, one in TABLE.items() if name != "LANGUAGE"}
    assert {name: said for name, said in faults.items() if said} == {}
    assert len({(one.value, one.scheme) for one in TABLE.values()}) == len(TABLE)


def test_the_schemes_of_the_standard_have_its_uids() -> None:
    assert UID(SCHEMES["DCM"].uid).name == "DICOM Controlled Terminology"
    assert UID(SCHEMES["IBSI"].uid).name == "Image Biomarker Standardisation Initiative"
    assert len({one.uid for one in SCHEMES.values()}) == len(SCHEMES)
    assert all(UID(one.uid).is_valid for one in SCHEMES.values())


@pytest.mark.parametrize("module", [one for one in MODULES if one.stem != "concepts"], ids=lambda path: path.stem)
def test_no_other_module_makes_a_code_of_its_own(module: Path) -> None:
    made = [
        f"{module.name}:{node.lineno}"
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and is_code(node)
    ]
    assert made == []


def is_code(call: ast.Call) -> bool:
    """Whether a call makes a code from a value that stands in the source."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    return name in ("Code", "CodedConcept", "Concept") and bool(call.args) and isinstance(call.args[0], ast.Constant)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_takes_a_code_from_a_library_s_lists(module: Path) -> None:
    assert "codedict" not in module.read_text()
