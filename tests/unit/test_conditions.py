"""Conditions are stated once (domain/routing): whatever a package may ask, a site's rule may ask; all are explained."""

from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from config.rules import load_rules
from config.tables import Document
from console.package_text import intended_use
from domain.errors import ConfigurationError
from domain.instances import by_itself, gathered
from domain.preferences import Preferences
from domain.routing import Conditions, InstanceFacts, SeriesFacts, unmet
from models.manifest import Input

# A value of each condition, as TOML has it, that `SCOUT` does not meet.
STATED = {
    "modality": '["MR"]',
    "sop_class": '["1.2.3"]',
    "body_part": '["HEAD"]',
    "series_description": '"^head"',
    "study_description": '"^head"',
    "calling_ae": '["CT2"]',
    "min_slices": "20",
    "max_slices": "2",
    "min_spacing_mm": "2.5",
    "max_spacing_mm": "0.5",
    "not_series_description": '"scout"',
    "view": '["PA"]',
    "photometric": '["MONOCHROME1"]',
    "not_image_type": '["LOCALIZER"]',
    "min_age": "60",
    "max_age": "18",
    "contrast": "true",
    "burned_in": "false",
    "procedure_code": '["99RIS:CTTHOR"]',
    "procedure_description": '"thorax"',
    "procedure_reason": '"cough"',
}
SCOUT = SeriesFacts(
    "s", "CT", frozenset({"1.2"}), frozenset({"CHEST"}), "scout", "thorax", frozenset({"CT1"}), 10, 1.0,
    ages=frozenset({40.0}), burned_in=True, image_types=frozenset({"LOCALIZER"}),
    photometric=frozenset({"MONOCHROME2"}),
)  # fmt: skip
CONDITIONS = [field.name for field in fields(Conditions)]


def rule(folder: Path, *lines: str) -> Path:
    file = folder / "rules.toml"
    file.write_text("\n".join(['[[rule]]\nname = "one"\nmodel = "m"\n[rule.when]', *lines]))
    return file


def mistakes(file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_rules(file)
    return str(caught.value).splitlines()


def test_every_condition_is_tried_here() -> None:
    assert list(STATED) == CONDITIONS


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_rule_may_ask_whatever_a_package_may(name: str, tmp_path: Path) -> None:
    (read,) = load_rules(rule(tmp_path, f"{name} = {STATED[name]}"))
    text = f'name = "i"\n[conditions]\n{name} = {STATED[name]}\n'
    assert read.when == Document(text, tmp_path / "manifest.toml").build(Input).conditions
    assert [one for one in CONDITIONS if getattr(read.when, one) != getattr(Conditions(), one)] == [name]


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_can_refuse_a_series(name: str, tmp_path: Path) -> None:
    (read,) = load_rules(rule(tmp_path, f"{name} = {STATED[name]}"))
    assert len(unmet(read.when, SCOUT)) == 1


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_is_a_sentence_of_the_intended_use(name: str, tmp_path: Path) -> None:
    (read,) = load_rules(rule(tmp_path, f"{name} = {STATED[name]}"))
    assert len(list(intended_use(Input("i", read.when)))) == len(list(intended_use(Input("i", Conditions())))) + 1


PREFERRED = {
    "original": "false",
    "contrast": "true",
    "series_description": '["portal", "arterial"]',
    "kernel": '["B3"]',
    "orientation": '["axial"]',
    "thickness_mm": "1.0",
}


def test_every_preference_is_a_sentence_of_the_intended_use(tmp_path: Path) -> None:
    assert list(PREFERRED) == [field.name for field in fields(Preferences)]
    usual = list(intended_use(Input("i", Conditions())))
    for name, value in PREFERRED.items():
        text = f'name = "i"\n[conditions]\n[prefer]\n{name} = {value}\n'
        assert len(list(intended_use(Document(text, tmp_path / "manifest.toml").build(Input)))) == len(usual) + 1


def test_a_condition_that_is_left_out_asks_nothing() -> None:
    assert all(field.default is not MISSING for field in fields(Conditions))
    assert unmet(Conditions(), SCOUT) == ()


def test_every_mistake_of_form_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    file = rule(tmp_path, 'modalty = ["CT"]', 'min_slices = "three"', "modality = [1]")
    known = ", ".join(CONDITIONS)
    assert mistakes(file) == [
        f"{file}:5: rule.one.when.modalty: is not a key here; known are {known}; did you mean modality?",
        f"{file}:6: rule.one.when.min_slices: must be a whole number",
        f"{file}:7: rule.one.when.modality: must be a text",
    ]


def test_every_mistake_of_sense_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    file = rule(
        tmp_path, 'modality = ["ct"]', 'not_series_description = "("', "min_slices = -1", "min_age = 20", "max_age = 10"
    )
    said = mistakes(file)
    assert [line.split(": ")[0] for line in said] == [f"{file}:{line}" for line in (5, 6, 7, 9)]
    assert said[1].startswith(f"{file}:6: rule.one.when.not_series_description: is not a regular expression")
    assert said[3].endswith("max_age: must be min_age or more")


def test_what_no_rule_is_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "one"\n[[rules]]\n')
    assert mistakes(file) == [
        f"{file}:1: rule.one.model: is missing",
        f"{file}:3: rules: is not a key here; known are rule; did you mean rule?",
    ]


def test_a_code_of_a_requested_procedure_names_its_scheme(tmp_path: Path) -> None:
    assert mistakes(rule(tmp_path, 'procedure_code = ["CTTHOR"]')) == [
        f'{tmp_path}/rules.toml:5: rule.one.when.procedure_code: must be codes as SCHEME:VALUE, such as "LN:24627-2"'
    ]


def test_what_was_requested_of_a_study_is_known_of_each_of_its_series() -> None:
    one = InstanceFacts(
        "s", "1.2", "1.2.3", "CR", "", "", "1.2", "", 1, None, None, None, None, "", "", "", False, False, None,
        procedure_codes=["LN:1"], procedure_description="thorax", procedure_reason="cough",
    )  # fmt: skip
    when = Conditions(procedure_code=("LN:2", "LN:1"), procedure_description="THOR", procedure_reason="cough")
    assert [unmet(when, facts) for facts in (gathered([one]), by_itself(one))] == [(), ()]
