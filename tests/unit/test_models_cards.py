"""Of a model's card, what every reader of its results must have comes out as plain sentences."""

import re
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from models.cards import sentences
from models.digests import write_digests
from models.drafts import draft_card
from models.registry import Registry, load_package
from tests.support.model_packages import MANIFEST, write_package

SHIPPED = Path(__file__).parents[2] / "models"
CARD = """\
# toy 1.0.0: a toy

## Intended use
**CT** of the chest, see [the paper](https://example.org/paper),
by `conditions`.

A second paragraph.

## Training data
- **One CT**: of a collection.
- Phantoms of
  another kind.

## Figures
None.

## Limits
"""


def test_each_section_gives_its_first_paragraph_or_list_without_marks() -> None:
    assert sentences(CARD) == (
        "Intended use: CT of the chest, see the paper, by conditions.",
        "Training data: One CT: of a collection. Phantoms of another kind.",
    )


def test_a_long_section_ends_with_a_sentence_that_has_room() -> None:
    (cut,) = sentences("## Limits\n" + "Nothing is known of children. " * 30)
    assert len(cut) <= len("Limits: ") + 750
    assert cut.endswith("children. ... (more in the model's card)")


def test_a_long_sentence_ends_at_a_word() -> None:
    (cut,) = sentences("## Limits\n" + "word " * 200)
    assert cut.endswith("word ... (more in the model's card)")
    assert len(cut) <= len("Limits: ") + 750


def test_a_page_names_no_file_that_its_reader_has_not() -> None:
    aside = "A phantom (`training/one.py`) and others (`docs/models.md`, Margins).\nSix of `training/two.py`: drawn."
    assert sentences(f"## Limits\n{aside}\n") == ("Limits: A phantom and others. Six of a program: drawn.",)
    cards = [*SHIPPED.glob("*/card.md"), *SHIPPED.glob("codes/*.md")]
    assert len(cards) > 4
    for card in cards:
        assert not re.search(r"[\w/]+\.(md|py|json|toml|npz)\b", " ".join(sentences(card.read_text())))


def test_no_shipped_model_loses_a_limit() -> None:
    for package in Registry.load(SHIPPED).packages.values():
        (limits,) = (sentence for sentence in package.identity.card if sentence.startswith("Limits"))
        assert "more in the model's card" not in limits


@pytest.mark.parametrize("card", ["", "# toy\n", "no heading at all", "## Limits", "## Limits\n\n\n## Other\nx\n"])
def test_an_absent_section_gives_nothing(card: str) -> None:
    assert sentences(card) == ()


def test_a_drafted_card_gives_nothing_until_it_is_filled_in() -> None:
    drafted = draft_card("toy")
    assert sentences(drafted) == ()
    filled = drafted.replace("Fill in: Known failures, and what", "Never on children; what")
    (limits,) = sentences(filled)
    assert limits.startswith("Limits: Never on children")


def test_every_shipped_model_says_what_it_is_for_what_it_was_trained_on_and_where_it_ends() -> None:
    for package in Registry.load(SHIPPED).packages.values():
        heads = [sentence.partition(":")[0] for sentence in package.identity.card]
        assert heads == ["Intended use", "Training data", "Limits"]


def test_the_card_goes_into_the_models_identity_unless_it_was_changed(tmp_path: Path) -> None:
    package = load_package(write_package(tmp_path))
    assert package.identity.card == ()
    assert not package.identity.product
    card = package.folder / "card.md"
    card.write_text("## Limits\nNone whatever.\n")
    assert package.identity.card == ()
    write_digests(package.folder)
    assert load_package(package.folder).identity.card == ("Limits: None whatever.",)


def test_a_product_is_no_demonstration(tmp_path: Path) -> None:
    assert "demonstration = true" in MANIFEST
    both = MANIFEST.replace("demonstration = true", "demonstration = true\nproduct = true")
    with pytest.raises(ConfigurationError, match=r"identity\.product: must be false for a demonstration"):
        load_package(write_package(tmp_path / "1", both))
    product = MANIFEST.replace("demonstration = true", "demonstration = false\nproduct = true")
    assert load_package(write_package(tmp_path / "2", product)).identity.product
