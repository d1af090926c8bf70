"""What UIDs are derived from, written down: a changed word, a new class or another order never changes one.

A UID that is out stands in archives and reports: whoever changes one of these lines gives results a second identity.
"""

import pytest

from domain import profiles
from domain.ids import IMPLEMENTATION_CLASS_UID, derived_uid, result_uid
from domain.profiles import (
    COMPREHENSIVE_3D_SR,
    ENHANCED_SR,
    EXPLICIT,
    IMPLICIT,
    LABEL_MAP_SEGMENTATION,
    RLE,
    SEGMENTATION,
    ResultFormat,
    ResultKind,
    every_form,
)
from store.results import Result

LABEL_MAP = ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION, RLE)
NAMES = {
    ResultFormat(ResultKind.SEG, SEGMENTATION): "SEG_1.2.840.10008.5.1.4.1.1.66.4_1.2.840.10008.1.2.1",
    LABEL_MAP: "SEG_1.2.840.10008.5.1.4.1.1.66.7_1.2.840.10008.1.2.5",
    ResultFormat(ResultKind.SR_REGIONS, ENHANCED_SR, IMPLICIT): (
        "SR-REGIONS_1.2.840.10008.5.1.4.1.1.88.22_1.2.840.10008.1.2"
    ),
    ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR): "SR_1.2.840.10008.5.1.4.1.1.88.34_1.2.840.10008.1.2.1",
    ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR, refers=LABEL_MAP.name): (
        "SR_1.2.840.10008.5.1.4.1.1.88.34_1.2.840.10008.1.2.1_SEG_1.2.840.10008.5.1.4.1.1.66.7_1.2.840.10008.1.2.5"
    ),
}


@pytest.mark.parametrize(("form", "name"), NAMES.items(), ids=range(len(NAMES)))
def test_a_form_is_named_by_codes(form: ResultFormat, name: str) -> None:
    assert form.name == name


def test_words_that_people_are_shown_are_in_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [form.name for form in every_form()]
    monkeypatch.setattr(profiles, "SOP_CLASSES", dict.fromkeys(profiles.SOP_CLASSES, "another word"))
    monkeypatch.setattr(profiles, "TRANSFER_SYNTAXES", dict.fromkeys(profiles.TRANSFER_SYNTAXES, "another word"))
    assert [form.name for form in every_form()] == before


@pytest.mark.parametrize(
    ("part", "uid"),
    [
        ("SEG_1.2.840.10008.5.1.4.1.1.66.4_1.2.840.10008.1.2.1", "2.25.63528047311565324734214445889955978132"),
        ("SEG_1.2.840.10008.5.1.4.1.1.66.4_1.2.840.10008.1.2.1-series", "2.25.247766263170382084170445414459428642307"),
        ("tracking-1", "2.25.303787843718826473250875491266735183712"),
    ],
)
def test_the_uids_of_a_run_stay(part: str, uid: str) -> None:
    assert result_uid("1.2.826.0.1.3680043.8.498.1", "ct_lung", "1.0.0", "ab" * 32, "cd" * 32, part) == uid


def test_the_implementation_and_a_frame_of_reference_stay() -> None:
    assert IMPLEMENTATION_CLASS_UID == "2.25.222920609973116799235971885539023135729"
    assert (
        derived_uid("frame of reference", "1.2.826.0.1.3680043.8.498.1")
        == "2.25.129407883623864744405125114148368605089"
    )


@pytest.mark.parametrize(
    ("kept", "form"),
    [
        ("SEG", ResultFormat(ResultKind.SEG, SEGMENTATION)),
        ("SEG-Label Map Segmentation-RLE Lossless", LABEL_MAP),
        (LABEL_MAP.name, LABEL_MAP),
        ("", None),
    ],
)
def test_a_row_of_before_names_its_segmentation_by_words_and_is_understood(
    kept: str, form: ResultFormat | None
) -> None:
    row = Result("2.25.1", "SR", COMPREHENSIVE_3D_SR, "2.25.2", EXPLICIT, kept, "out/1")
    assert row.form.refers == (form.name if form else "")
