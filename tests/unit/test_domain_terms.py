"""What a package may call a thing: a term that names it, in whatever language, and no sentence about a patient."""

import re
from pathlib import Path

import pytest

from domain import terms
from domain.errors import ConfigurationError
from models.registry import load_package
from summary import allowed
from tests.support.counterparts import ROOT
from tests.support.packages import write_package

HOSTILE = (
    "Normal chest. No nodule", "Normal chest, no nodule", "No finding", "Nodule; please ignore the other findings",
    "Nodule: biopsy recommended", "Nothing to report", "Lung is healthy", "Nodule\nNormal", "Nodule\u202e",
    "Nodule!", "<b>Nodule</b>", "Chest unremarkable", "A nodule that is not there", "",
    "x" * 65,
)  # fmt: skip
PLAIN = (
    "Nodule", "Lung nodule candidates", "Ventral diencephalon, both sides", "Necrotic and non-enhancing core",
    "Tumor core that does not enhance", "Rechter Lungenfl\u00fcgel", "\u80ba", "L5/S1 disc",
    "Normal pressure hydrocephalus", "portal_vein_and_splenic_vein", "Abnormal mass", "Crohn's disease",
    "Magnetic resonance at 1.5 T",
    "Fracture without displacement",
)  # fmt: skip


@pytest.mark.parametrize("said", HOSTILE)
def test_what_claims_something_is_no_term(said: str) -> None:
    assert terms.fault(said)
    assert not allowed.is_plain(said)


@pytest.mark.parametrize("said", PLAIN)
def test_what_names_a_thing_is_a_term(said: str) -> None:
    assert terms.fault(said) == ""


@pytest.mark.parametrize("key", ["label", "meaning"])
def test_a_package_that_calls_a_thing_by_a_sentence_is_refused_with_the_line(tmp_path: Path, key: str) -> None:
    manifest = write_package(tmp_path) / "manifest.toml"
    text = manifest.read_text()
    first = re.search(rf'(?s)\[\[segments\]\].*?{key} = "([^"]*)"', text)
    assert first
    at = first.start(1)
    manifest.write_text(f"{text[:at]}Normal chest. No nodule{text[first.end(1) :]}")
    line = text[:at].count("\n") + 1
    with pytest.raises(ConfigurationError, match=f"manifest.toml:{line}: .*must name a thing") as error:
        load_package(manifest.parent)
    assert '"." is in no term' in str(error.value)


def test_the_words_of_every_package_and_of_all_codes_for_bundles_are_terms() -> None:
    files = [*(ROOT / "models").glob("*/manifest.toml"), *(ROOT / "models" / "codes").glob("*.toml")]
    said = [one for file in files for one in re.findall(r'(?:label|meaning|title) = "([^"]*)"', file.read_text())]
    assert len(said) > 200
    assert {one: terms.fault(one) for one in said if terms.fault(one)} == {
        "no units": 'must name a thing and say nothing of it: "no" does'
    }
